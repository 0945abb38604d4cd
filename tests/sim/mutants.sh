#!/usr/bin/env bash
# tests/sim/mutants.sh BUILD [NUMBER...]: puts each fault of mutants.txt (or the given ones) into a scratch copy of one
# source of sim/, traces/, nets/quantize/ or nets/engines/, compiles it as the build tree BUILD (built, up to date) does, links it before the library into
# the test that should find it, and says whether it was caught. The same without a fault must pass first. Some minutes. Exit code
# 1: a fault survived, or its pattern no longer changes the file.
set -u
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"
build="$(cd "$1" && pwd)" || exit 2
shift
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
object="$scratch/mutant.o" run="$scratch/run"

# folder_of FILE: traces for traces/..., nets/NAME for nets/NAME/..., else sim.
folder_of() { case "$1" in traces/*) echo traces ;; nets/*) dirname "$1" ;; *) echo sim ;; esac; }

# build_and_run FILE COPY TEST FILTER: prints what became of the test with COPY in place of FILE.
build_and_run() {
  local compile link folder
  folder="$(folder_of "$1")"
  compile="$folder/CMakeFiles/guardbit_$(basename "$folder").dir/${1#"$folder"/}.o"
  compile="$(ninja -C "$build" -t commands "$compile" | tail -1)"
  compile="$(sed -E "s# -M[TF] [^ ]+##g; s# -MD##; s# -o [^ ]+ -c [^ ]+# -w -o $object -c $2#" <<<"$compile")"
  link="$(ninja -C "$build" -t commands "tests/$3_test" | tail -1)"
  link="$(sed -E "s#-o tests/$3_test#$object -o $run#; s#&& cd .*##" <<<"$link")"
  rm -f "$object" "$run"
  if ! (cd "$build" && eval "$compile" && eval "$link") >"$scratch/log" 2>&1 || [ ! -x "$run" ]; then
    echo 'does not build'
  elif (cd "$root" && ulimit -c 0 && timeout 300 "$run" --gtest_filter="$4") >"$scratch/log" 2>&1; then
    if grep -q '\[  PASSED  \] [1-9]' "$scratch/log"; then echo survived; else echo 'ran no test'; fi
  elif grep -q '\[ RUN ' "$scratch/log"; then
    echo caught
  else
    echo 'does not run'
  fi
}

for test in sim_random sim_machine sim_program sim_pe traces_waveform traces_timeline softmax_table quantize_scheme; do
  case "$test" in softmax_table | quantize_scheme) file=nets/quantize/softmax_table.cpp ;; *) file=machine.cpp ;; esac
  verdict="$(build_and_run "$file" "$root/$(folder_of "$file")/$(basename "$file")" "$test" '*')"
  if [ "$verdict" != survived ]; then
    echo "$test without a fault: $verdict" >&2
    exit 2
  fi
done

survived=0 caught=0
# Columns, separated by @: number, file under sim/, or traces/..., nets/..., sed expression, test, gtest filter, words
while IFS='@' read -r number file expression test filter words; do
  case "$number" in ''|'#'*) continue ;; esac
  if [ $# -gt 0 ] && [[ " $* " != *" $number "* ]]; then continue; fi
  copy="$scratch/$(basename "$file")"
  folder="$(folder_of "$file")"
  original="$root/$folder/${file#"$folder"/}"
  sed "$expression" "$original" >"$copy"
  if cmp -s "$original" "$copy"; then verdict=stale
  else verdict="$(build_and_run "$file" "$copy" "$test" "$filter")"; fi
  printf '%-14s %3s %-26s %-12s %s\n' "$verdict" "$number" "$file" "$test" "$words"
  if [ "$verdict" = caught ]; then caught=$((caught + 1)); else survived=$((survived + 1)); fi
done <"$here/mutants.txt"
echo "$caught caught, $survived not"
[ "$survived" -eq 0 ]
