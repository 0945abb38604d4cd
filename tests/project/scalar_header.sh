#!/usr/bin/env bash
# scalar_header.sh COMPILER ROOT: processor time of compiling arith/fixed.hpp alone, the best of five; fails above 0.3 s.
set -eu
compiler="$1" root="$2"
TIMEFORMAT='%U %S'
best=""
for _ in 1 2 3 4 5; do
  spent="$( { time "$compiler" -std=c++20 -fsyntax-only -I "$root" -include arith/fixed.hpp -x c++ /dev/null; } 2>&1 )"
  best="$(printf '%s %s\n' "$spent" "$best" | awk '{ s = $1 + $2; if (NF > 2 && $3 < s) s = $3; printf "%.3f", s }')"
done
echo "arith/fixed.hpp alone: $best s"
awk -v best="$best" 'BEGIN { exit !(best <= 0.3) }'
