#!/usr/bin/env bash
# tests/arith/mutants.sh [NUMBER...]: puts each fault of mutants.txt (or the given ones) into a scratch copy of arith/,
# builds the test that should find it, with static_asserts switched off, and says whether it was caught. Takes some
# minutes. Exit code 1: a fault survived, or its pattern no longer changes the file.
set -u
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
flags=(-std=c++20 -O0 -ffp-contract=off -fpermissive -w '-Dstatic_assert(...)=' -I"$scratch")
mkdir -p "$scratch/tests" "$scratch/base"
cp -r "$root/arith" "$scratch/"
cp -r "$root/tests/arith" "$scratch/tests/"

printf '#include <gtest/gtest.h>\n#include <nlohmann/json.hpp>\n' >"$scratch/common.hpp"
g++ "${flags[@]}" -x c++-header "$scratch/common.hpp" -o "$scratch/common.hpp.gch" || exit 2
flags+=(-include "$scratch/common.hpp")

# compile SOURCE OBJECT: with the instruction set that the file is for
compile() {
  local isa=()
  case "$1" in
    *_avx2.cpp) isa=(-mavx2) ;;
    *_avx512.cpp) isa=(-mavx512f -mavx512bw -mavx512dq -mavx512vl) ;;
  esac
  g++ "${flags[@]}" "${isa[@]}" -c "$1" -o "$2"
}

echo "building arith without faults ..."
rm -f "$scratch"/arith/gemm*.cpp "$scratch"/arith/packed_weights.cpp  # matrix products have tests of their own
for source in "$scratch"/arith/*.cpp; do
  compile "$source" "$scratch/base/$(basename "$source" .cpp).o" || exit 2
done

survived=0 caught=0
# Columns, separated by @: number, file under arith/, sed expression, test, gtest filter, sources to rebuild, words
while IFS='@' read -r number file expression test filter sources words; do
  case "$number" in ''|'#'*) continue ;; esac
  if [ $# -gt 0 ] && [[ " $* " != *" $number "* ]]; then continue; fi
  cp "$root/arith/$file" "$scratch/arith/$file"
  sed -i "$expression" "$scratch/arith/$file"
  verdict=survived
  if cmp -s "$root/arith/$file" "$scratch/arith/$file"; then
    verdict=stale
  else
    # Changed objects first: the linker keeps their copy of every inline function.
    objects=() rebuilt=" "
    for source in $sources; do
      compile "$scratch/arith/$source.cpp" "$scratch/$source.o" || exit 2
      objects+=("$scratch/$source.o") rebuilt+="$source "
    done
    for object in "$scratch"/base/*.o; do
      [[ "$rebuilt" == *" $(basename "$object" .o) "* ]] || objects+=("$object")
    done
    if ! g++ "${flags[@]}" "$scratch/tests/arith/${test}_test.cpp" "${objects[@]}" -lgtest -lgtest_main -lpthread \
        -o "$scratch/run" 2>"$scratch/log"; then
      verdict='does not build'
    elif ! (cd "$root" && ulimit -c 0 && timeout 120 "$scratch/run" --gtest_brief=1 --gtest_filter="$filter") \
        >"$scratch/log" 2>&1; then
      verdict=caught
    elif grep -q '\] 0 tests' "$scratch/log"; then
      verdict='ran no test'
    fi
  fi
  cp "$root/arith/$file" "$scratch/arith/$file"
  printf '%-14s %3s %-24s %-12s %s\n' "$verdict" "$number" "$file" "$test" "$words"
  if [ "$verdict" = caught ]; then caught=$((caught + 1)); else survived=$((survived + 1)); fi
done <"$here/mutants.txt"
echo "$caught caught, $survived not"
[ "$survived" -eq 0 ]
