#!/usr/bin/env bash
# tests/sim/mutants.sh BUILD [NUMBER...]: puts each fault of mutants.txt (or the given ones) into a scratch copy of one
# source of sim/, compiles it as the build tree BUILD (built, up to date) does, links it before the library into the test
# that should find it, and says whether it was caught. Some minutes. Exit code 1: a fault survived, or its pattern no
# longer changes the file.
set -u
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"
build="$(cd "$1" && pwd)" || exit 2
shift
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

command_of() { ninja -C "$build" -t commands "$1" | tail -1; }

survived=0 caught=0
# Columns, separated by @: number, file under sim/, sed expression, test executable, gtest filter, words
while IFS='@' read -r number file expression test filter words; do
  case "$number" in ''|'#'*) continue ;; esac
  if [ $# -gt 0 ] && [[ " $* " != *" $number "* ]]; then continue; fi
  source="$root/sim/$file" copy="$scratch/$(basename "$file")" object="$scratch/mutant.o" run="$scratch/run"
  sed "$expression" "$source" >"$copy"
  compile="$(command_of "sim/CMakeFiles/guardbit_sim.dir/$file.o")"
  compile="$(sed -E "s# -M[TF] [^ ]+##g; s# -MD##; s# -o [^ ]+ -c [^ ]+# -w -o $object -c $copy#" <<<"$compile")"
  link="$(command_of "tests/${test}_test" | sed -E "s#-o tests/${test}_test#$object -o $run#; s#&& cd .*##")"
  verdict=survived
  if cmp -s "$source" "$copy"; then
    verdict=stale
  elif ! (cd "$build" && eval "$compile" && eval "$link") >"$scratch/log" 2>&1; then
    verdict='does not build'
  elif ! (cd "$root" && ulimit -c 0 && timeout 120 "$run" --gtest_brief=1 --gtest_filter="$filter") \
      >"$scratch/log" 2>&1; then
    verdict=caught
  elif grep -q '\] 0 tests' "$scratch/log"; then
    verdict='ran no test'
  fi
  printf '%-14s %3s %-24s %-12s %s\n' "$verdict" "$number" "$file" "$test" "$words"
  if [ "$verdict" = caught ]; then caught=$((caught + 1)); else survived=$((survived + 1)); fi
done <"$here/mutants.txt"
echo "$caught caught, $survived not"
[ "$survived" -eq 0 ]
