// Overflow: fitting an integer into the codes of a format in one of the five SystemC modes.
#pragma once

#include "arith/int128.hpp"
#include "arith/modes.hpp"
#include "arith/number_format.hpp"

namespace guardbit::arith {

struct Fitted {
  int128 value = 0;
  bool overflowed = false;
  friend constexpr bool operator==(const Fitted&, const Fitted&) = default;
};

namespace detail {

[[nodiscard]] constexpr bool bit_at(int128 value, int index) {
  return ((static_cast<uint128>(value) >> index) & 1U) != 0;
}

// The low `width` bits, read as a code of the format.
[[nodiscard]] constexpr int128 low_bits(int128 value, const Format& format) {
  const uint128 kept = static_cast<uint128>(value) & ((uint128{1} << format.width) - 1);
  const int128 code = static_cast<int128>(kept);
  return format.is_signed && bit_at(code, format.width - 1) ? code - (int128{1} << format.width) : code;
}

// The top n_bits become those of the saturated value (signed: the sign, then its opposite; unsigned: all ones above
// the range, all zeros below it); the other bits are copied.
[[nodiscard]] constexpr int128 keep_saturated_bits(int128 value, int128 saturated, const Format& format) {
  const uint128 copied = (uint128{1} << (format.width - format.n_bits)) - 1;
  const uint128 code = (static_cast<uint128>(saturated) & ~copied) | (static_cast<uint128>(value) & copied);
  return low_bits(static_cast<int128>(code), format);
}

// Sign-magnitude wrap, IEEE 1666 7.10.9.9.5: the bits are inverted when the bit that decides the new sign flips.
// n_bits 0: the lowest dropped bit becomes the sign. n_bits 1: the old sign stays. More: as WRAP with n_bits.
[[nodiscard]] constexpr int128 wrap_sign_magnitude(int128 value, int128 saturated, const Format& format) {
  if (format.n_bits == 0) {
    const bool flips = bit_at(value, format.width) != bit_at(value, format.width - 1);
    return low_bits(flips ? ~value : value, format);
  }
  const int lowest = format.width - format.n_bits;
  const bool flips = bit_at(value, lowest) != bit_at(saturated, lowest);
  return keep_saturated_bits(flips ? ~value : value, saturated, format);
}

}  // namespace detail

// `value` as a code of `format` (only its range matters here, not its fraction bits). A value outside the range is an
// overflow; SAT_SYM's range is symmetric. Needs 0 <= n_bits <= width, WRAP_SM only with a sign (parse_format checks).
[[nodiscard]] constexpr Fitted fit(int128 value, const Format& format) {
  const int128 high = format.max_code();
  const bool symmetric = format.overflow == Overflow::SAT_SYM && format.is_signed;
  const int128 low = symmetric ? -high : format.min_code();
  if (low <= value && value <= high) {
    return {value, false};
  }
  const int128 saturated = value < low ? low : high;
  switch (format.overflow) {
    case Overflow::SAT:
    case Overflow::SAT_SYM:
      return {saturated, true};
    case Overflow::SAT_ZERO:
      return {0, true};
    case Overflow::WRAP:
      return {format.n_bits == 0 ? detail::low_bits(value, format)
                                 : detail::keep_saturated_bits(value, saturated, format),
              true};
    case Overflow::WRAP_SM:
      return {detail::wrap_sign_magnitude(value, saturated, format), true};
  }
  __builtin_unreachable();
}

namespace detail {
[[nodiscard]] constexpr int128 fit_int4(int128 value, Overflow overflow) {
  return fit(value, integer_format(4, true, overflow)).value;
}
}  // namespace detail

static_assert(detail::fit_int4(9, Overflow::SAT) == 7 && detail::fit_int4(-9, Overflow::SAT) == -8);
static_assert(detail::fit_int4(9, Overflow::SAT_ZERO) == 0 && detail::fit_int4(-9, Overflow::SAT_ZERO) == 0);
static_assert(detail::fit_int4(9, Overflow::SAT_SYM) == 7 && detail::fit_int4(-8, Overflow::SAT_SYM) == -7);
static_assert(detail::fit_int4(9, Overflow::WRAP) == -7 && detail::fit_int4(-9, Overflow::WRAP) == 7);
static_assert(detail::fit_int4(8, Overflow::WRAP_SM) == 7 && detail::fit_int4(9, Overflow::WRAP_SM) == 6);
static_assert(detail::fit_int4(-9, Overflow::WRAP_SM) == -8 && detail::fit_int4(-10, Overflow::WRAP_SM) == -7);
static_assert(fit(-1, integer_format(4, false, Overflow::SAT_SYM)) == Fitted{0, true});
static_assert(fit(-8, integer_format(4)) == Fitted{-8, false});

}  // namespace guardbit::arith
