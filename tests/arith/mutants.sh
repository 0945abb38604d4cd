#!/usr/bin/env bash
# tests/arith/mutants.sh [--check] [NUMBER...]: puts each fault of mutants.txt (or the given ones) into a scratch copy of
# arith/, builds the test that should find it, with static_asserts switched off, and says whether it was caught. Takes
# some minutes, and a processor with AVX-512. --check: builds nothing, only asks whether every pattern still changes its
# file and every test and source named is there. Exit code 1: a fault survived, or its pattern no longer changes the file.
set -u
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"

# Columns, separated by @: number, file under arith/, sed expression, test, gtest filter, sources to rebuild, words
if [ "${1-}" = --check ]; then
  shift
  stale=0 good=0
  while IFS='@' read -r number file expression test filter sources words; do
    case "$number" in ''|'#'*) continue ;; esac
    if [ $# -gt 0 ] && [[ " $* " != *" $number "* ]]; then continue; fi
    wrong=""
    if [ ! -e "$root/arith/$file" ]; then
      wrong="no arith/$file"
    elif sed "$expression" "$root/arith/$file" | cmp -s - "$root/arith/$file"; then
      wrong="changes nothing"
    fi
    [ -e "$root/tests/arith/${test}_test.cpp" ] || wrong="no tests/arith/${test}_test.cpp"
    for source in $sources; do [ -e "$root/arith/$source.cpp" ] || wrong="no arith/$source.cpp"; done
    if [ -z "$wrong" ]; then good=$((good + 1)); continue; fi
    printf '%s: mutant %s (%s): %s\n' "$(basename "$0")" "$number" "$file" "$wrong" >&2
    stale=$((stale + 1))
  done <"$here/mutants.txt"
  echo "$good apply, $stale do not"
  [ "$stale" -eq 0 ]
  exit
fi

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
flags=(-std=c++20 -O0 -ffp-contract=off -fpermissive -w '-Dstatic_assert(...)=' -I"$scratch")
mkdir -p "$scratch/tests" "$scratch/base"
cp -r "$root/arith" "$scratch/"
cp -r "$root/tests/arith" "$scratch/tests/"

printf '#include <gtest/gtest.h>\n#include <nlohmann/json.hpp>\n' >"$scratch/common.hpp"
g++ "${flags[@]}" -x c++-header "$scratch/common.hpp" -o "$scratch/common.hpp.gch" || exit 2

# compile SOURCE OBJECT: with the instruction set that the file is for; optimised where that is much to compute
compile() {
  local options=(-include "$scratch/common.hpp")
  case "$(basename "$1" .cpp)" in
    *_avx2) options=(-O2 -mavx2) ;;
    *_avx512) options=(-O2 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni) ;;
    gemm* | conv* | wide* | pair* | depthwise* | lane_kernel | block_counts | column_proof | lane_redo | left_rows | packed_weights) options=(-O1) ;;
  esac
  g++ "${flags[@]}" "${options[@]}" -c "$1" -o "$2"
}

echo "building arith without faults ..."
for source in "$scratch"/arith/*.cpp; do
  compile "$source" "$scratch/base/$(basename "$source" .cpp).o" &
  while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n || exit 2; done
done
for job in $(jobs -p); do wait "$job" || exit 2; done

survived=0 caught=0
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
    tested="$scratch/${test}_test.o"  # only faults in headers can change the test
    [[ "$file" != *.hpp ]] || tested="$scratch/changed_test.o"
    if [[ "$file" == *.hpp || ! -e "$tested" ]] &&
        ! compile "$scratch/tests/arith/${test}_test.cpp" "$tested" 2>"$scratch/log"; then
      verdict='does not build'
    elif ! g++ "$tested" "${objects[@]}" -lgtest -lgtest_main -lpthread -o "$scratch/run" 2>"$scratch/log"; then
      verdict='does not build'
    elif ! (cd "$root" && ulimit -c 0 && timeout 120 "$scratch/run" --gtest_brief=1 --gtest_fail_fast \
        --gtest_filter="$filter") >"$scratch/log" 2>&1; then
      verdict=caught
    elif grep -q '\] 0 tests' "$scratch/log"; then
      verdict='ran no test'
    fi
  fi
  cp "$root/arith/$file" "$scratch/arith/$file"
  printf '%-14s %3s %-26s %-16s %s\n' "$verdict" "$number" "$file" "$test" "$words"
  if [ "$verdict" = caught ]; then caught=$((caught + 1)); else survived=$((survived + 1)); fi
done <"$here/mutants.txt"
echo "$caught caught, $survived not"
[ "$survived" -eq 0 ]
