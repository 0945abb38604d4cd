// Exact real numbers between formats: what a binary64, a binary32 or a code stands for, and its narrowing.
#pragma once

#include <bit>
#include <cstdint>

#include "arith/narrow.hpp"

namespace guardbit::arith {

// (-1)^negative * significand * 2^exponent, or infinity, or NaN.
struct Real {
  enum class Class : unsigned char { Finite, Infinite, NaN };
  Class kind = Class::Finite;
  bool negative = false;  // a zero has a sign too
  std::uint64_t significand = 0;
  int exponent = 0;

  [[nodiscard]] constexpr int128 signed_significand() const {
    return negative ? -int128{significand} : int128{significand};
  }
  friend constexpr bool operator==(const Real&, const Real&) = default;
};

// Exact: every binary64 (and so every binary32) is a Real.
[[nodiscard]] constexpr Real real_of(double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const auto field = static_cast<int>((bits >> 52) & 0x7FF);
  const std::uint64_t fraction = bits & ((std::uint64_t{1} << 52) - 1);
  Real real{.negative = (bits >> 63) != 0};
  if (field == 0x7FF) {
    real.kind = fraction == 0 ? Real::Class::Infinite : Real::Class::NaN;
  } else {
    real.significand = field == 0 ? fraction : fraction | (std::uint64_t{1} << 52);
    real.exponent = (field == 0 ? 1 : field) - 1075;
  }
  return real;
}

// code * 2^-frac_bits; |code| < 2^64.
[[nodiscard]] constexpr Real real_of_code(int128 code, int frac_bits) {
  const bool negative = code < 0;
  return {.negative = negative, .significand = static_cast<std::uint64_t>(negative ? -code : code),
          .exponent = -frac_bits};
}

struct NarrowedReal {
  int128 value = 0;         // code in the target format
  bool overflowed = false;  // as in Narrowed
  bool inexact = false;
  bool invalid = false;  // the source was NaN, which has no code: `value` is 0
  friend constexpr bool operator==(const NarrowedReal&, const NarrowedReal&) = default;
};

// The narrowing of a real number to an integer or fixed format with its rounding and overflow mode. Infinity is a
// number beyond every range whose low bits are zeros: a bound under SAT, 0 under WRAP.
[[nodiscard]] constexpr NarrowedReal narrow(const Real& real, const Format& format) {
  constexpr int kBeyond = 4000;  // fraction bits no format reaches
  if (real.kind == Real::Class::NaN) {
    return {.invalid = true};
  }
  const bool infinite = real.kind == Real::Class::Infinite;
  const int128 value = infinite ? int128{real.negative ? -1 : 1} : real.signed_significand();
  const Narrowed narrowed = narrow(value, infinite ? -kBeyond : -real.exponent, format);
  return {.value = narrowed.value, .overflowed = narrowed.overflowed, .inexact = narrowed.inexact};
}

[[nodiscard]] constexpr NarrowedReal narrow(double value, const Format& format) {
  return narrow(real_of(value), format);
}

static_assert(narrow(2.5, integer_format(4)) == NarrowedReal{.value = 2, .inexact = true});
static_assert(narrow(-1e300, integer_format(4)) == NarrowedReal{.value = -8, .overflowed = true});
static_assert(narrow(0x1p-1074, integer_format(4)) == NarrowedReal{.value = 0, .inexact = true});

}  // namespace guardbit::arith
