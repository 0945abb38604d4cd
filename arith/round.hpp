// Rounding: value / 2^shift in one of the eight modes, from four signals.
//
//   floor     value >> shift, the kept bits (two's complement, so always toward minus infinity)
//   guard     the first dropped bit: the dropped part is at least one half
//   sticky    any later dropped bit: the dropped part is not exactly 0 or one half
//   negative  the sign of value
//
// Every mode is `floor` plus 0 or 1, so that one shifter serves all of them.
#pragma once

#include "arith/int128.hpp"
#include "arith/modes.hpp"

namespace guardbit::arith {

struct Rounded {
  int128 value = 0;
  bool inexact = false;  // a dropped bit was one
  friend constexpr bool operator==(const Rounded&, const Rounded&) = default;
};

namespace detail {

[[nodiscard]] constexpr bool rounds_up(Rounding mode, bool guard, bool sticky, bool negative, bool odd) {
  switch (mode) {
    case Rounding::RND:
      return guard;
    case Rounding::RND_ZERO:
      return guard && (sticky || negative);
    case Rounding::RND_MIN_INF:
      return guard && sticky;
    case Rounding::RND_INF:
      return guard && (sticky || !negative);
    case Rounding::RND_CONV:
      return guard && (sticky || odd);
    case Rounding::TRN:
      return false;
    case Rounding::TRN_ZERO:
      return negative && (guard || sticky);
    case Rounding::RND_CONV_ODD:
      return guard && (sticky || !odd);
  }
  __builtin_unreachable();
}

// value * 2^shift. A product beyond 127 bits becomes a number with its sign and its low 126 bits that lies outside
// every format (width <= 64), which is all that fit() can see of it: narrow() stays exact for every shift.
[[nodiscard]] constexpr int128 shift_left(int128 value, int shift) {
  const uint128 shifted = shift < 128 ? static_cast<uint128>(value) << shift : uint128{0};
  if (value == 0 || (shift < 127 && (static_cast<int128>(shifted) >> shift) == value)) {
    return static_cast<int128>(shifted);
  }
  const uint128 beyond = uint128{1} << 126;
  const int128 low = static_cast<int128>(shifted & (beyond - 1));
  return value < 0 ? low - static_cast<int128>(beyond) - static_cast<int128>(beyond)
                   : low + static_cast<int128>(beyond);
}

}  // namespace detail

// value / 2^shift, rounded; a negative shift multiplies by 2^-shift, exactly. Any shift is allowed.
[[nodiscard]] constexpr Rounded round_shift(int128 value, int shift, Rounding mode) {
  if (shift <= 0) {
    return {detail::shift_left(value, -shift), false};
  }
  const bool negative = value < 0;
  const uint128 bits = static_cast<uint128>(value);
  // From 129 on every dropped bit that matters is a copy of the sign.
  const bool guard = shift <= 128 ? ((bits >> (shift - 1)) & 1U) != 0 : negative;
  const bool sticky = shift <= 128 ? (bits & ((uint128{1} << (shift - 1)) - 1)) != 0 : value != 0;
  const int128 floor = shift < 128 ? value >> shift : int128{negative ? -1 : 0};
  const bool up = detail::rounds_up(mode, guard, sticky, negative, (floor & 1) != 0);
  return {floor + (up ? 1 : 0), guard || sticky};
}

// The table of IEEE 1666, on values in halves: -5/2 -3/2 3/2 5/2.
static_assert(round_shift(-5, 1, Rounding::RND).value == -2 && round_shift(-3, 1, Rounding::RND).value == -1);
static_assert(round_shift(3, 1, Rounding::RND).value == 2 && round_shift(5, 1, Rounding::RND).value == 3);
static_assert(round_shift(-5, 1, Rounding::RND_ZERO).value == -2 && round_shift(-3, 1, Rounding::RND_ZERO).value == -1);
static_assert(round_shift(3, 1, Rounding::RND_ZERO).value == 1 && round_shift(5, 1, Rounding::RND_ZERO).value == 2);
static_assert(round_shift(-5, 1, Rounding::RND_MIN_INF).value == -3);
static_assert(round_shift(-3, 1, Rounding::RND_MIN_INF).value == -2);
static_assert(round_shift(3, 1, Rounding::RND_MIN_INF).value == 1);
static_assert(round_shift(5, 1, Rounding::RND_MIN_INF).value == 2);
static_assert(round_shift(-5, 1, Rounding::RND_INF).value == -3 && round_shift(-3, 1, Rounding::RND_INF).value == -2);
static_assert(round_shift(3, 1, Rounding::RND_INF).value == 2 && round_shift(5, 1, Rounding::RND_INF).value == 3);
static_assert(round_shift(-5, 1, Rounding::RND_CONV).value == -2 && round_shift(-3, 1, Rounding::RND_CONV).value == -2);
static_assert(round_shift(3, 1, Rounding::RND_CONV).value == 2 && round_shift(5, 1, Rounding::RND_CONV).value == 2);
static_assert(round_shift(-5, 1, Rounding::RND_CONV_ODD).value == -3);
static_assert(round_shift(-3, 1, Rounding::RND_CONV_ODD).value == -1);
static_assert(round_shift(3, 1, Rounding::RND_CONV_ODD).value == 1);
static_assert(round_shift(5, 1, Rounding::RND_CONV_ODD).value == 3);
static_assert(round_shift(-5, 1, Rounding::TRN).value == -3 && round_shift(-3, 1, Rounding::TRN).value == -2);
static_assert(round_shift(3, 1, Rounding::TRN).value == 1 && round_shift(5, 1, Rounding::TRN).value == 2);
static_assert(round_shift(-5, 1, Rounding::TRN_ZERO).value == -2 && round_shift(-3, 1, Rounding::TRN_ZERO).value == -1);
static_assert(round_shift(3, 1, Rounding::TRN_ZERO).value == 1 && round_shift(5, 1, Rounding::TRN_ZERO).value == 2);

}  // namespace guardbit::arith
