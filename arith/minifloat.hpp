// Small floating-point numbers: any exponent (0..11 bits) and mantissa (0..52 bits), with or without infinity and NaN.
//
// A code is sign, exponent field, mantissa, as in IEEE 754. With M mantissa bits, field f and mantissa m:
//   f = 0:  m * 2^(1 - bias - M)                  (zero and subnormal numbers)
//   f > 0:  (2^M + m) * 2^(f - bias - M)
// float16, bfloat16, E4M3 and E5M2 are such formats, `float` is <8,23>. Power-of-two codes are those with M = 0: f = 0
// is zero, f > 0 is 2^(f - bias). Formats of this header: Minifloat, Float and Bipolar.
#pragma once

#include <bit>
#include <cstdint>

#include "arith/real.hpp"
#include "arith/stochastic.hpp"

namespace guardbit::arith {

struct Encoded {
  std::uint64_t code = 0;
  bool overflowed = false;  // rounded with an unlimited exponent, the number is beyond the largest one
  bool inexact = false;     // rounding dropped a one bit
  bool invalid = false;     // the source was NaN
  friend constexpr bool operator==(const Encoded&, const Encoded&) = default;
};

namespace detail {

struct Layout {
  int exponent_bits, mantissa_bits, bias;
  Specials specials;
  bool overflows_to_special;

  [[nodiscard]] constexpr std::uint64_t sign() const { return std::uint64_t{1} << (exponent_bits + mantissa_bits); }
  [[nodiscard]] constexpr std::uint64_t ones() const { return sign() - 1; }
  [[nodiscard]] constexpr std::uint64_t top_field() const { return ones() >> mantissa_bits << mantissa_bits; }
  [[nodiscard]] constexpr std::uint64_t infinity() const { return top_field(); }  // Ieee
  [[nodiscard]] constexpr std::uint64_t nan() const {  // positive, quiet
    return specials == Specials::Ieee ? top_field() | ((sign() - top_field()) >> 1) : ones();
  }
  [[nodiscard]] constexpr std::uint64_t largest() const {  // the largest finite magnitude
    switch (specials) {
      case Specials::None:
        return ones();
      case Specials::Fn:
        return ones() - 1;
      case Specials::Ieee:
        return top_field() - 1;
    }
    __builtin_unreachable();
  }
  [[nodiscard]] constexpr int lowest_unit() const { return 1 - bias - mantissa_bits; }  // exponent of the last place
};

[[nodiscard]] constexpr Layout layout_of(const Format& format) {
  if (format.kind == Kind::Float) {
    return {8, 23, 127, Specials::Ieee, true};
  }
  return {format.exponent_bits, format.mantissa_bits(), format.bias, format.specials, format.overflows_to_special};
}

[[nodiscard]] constexpr std::uint64_t beyond_range(const Layout& layout, Rounding mode, bool negative) {
  // Directed modes stop at the largest number on the side that they round away from (IEEE 754, 7.4).
  const bool directed = mode == Rounding::TRN_ZERO || (mode == Rounding::TRN && !negative);
  if (!layout.overflows_to_special || directed) {
    return layout.largest();
  }
  return layout.specials == Specials::Ieee ? layout.infinity() : layout.nan();
}

// Not finite: infinity and NaN.
[[nodiscard]] constexpr Encoded encode_special(const Real& real, const Layout& layout) {
  const std::uint64_t sign = real.negative ? layout.sign() : 0;
  if (real.kind == Real::Class::NaN) {
    return {.code = layout.specials == Specials::None ? 0 : layout.nan(), .invalid = true};
  }
  const bool kept = layout.overflows_to_special && layout.specials == Specials::Ieee;
  return {.code = sign | beyond_range(layout, Rounding::RND_CONV, real.negative), .overflowed = !kept};
}

// Of a finite number other than zero.
[[nodiscard]] constexpr int floor_log2(const Real& real) {
  return static_cast<int>(std::bit_width(real.significand)) - 1 + real.exponent;
}

// round(value, shift) -> Rounded decides the rounding; `mode` only what an overflow gives.
template <typename Round>
[[nodiscard]] constexpr Encoded encode_with(const Real& real, const Format& format, Rounding mode, Round round) {
  const Layout layout = layout_of(format);
  if (real.kind != Real::Class::Finite) {
    return encode_special(real, layout);
  }
  const std::uint64_t sign = real.negative ? layout.sign() : 0;
  if (real.significand == 0) {
    return {.code = sign};
  }
  const int lowest = layout.lowest_unit();
  const int normal = layout.exponent_bits > 0 ? floor_log2(real) - layout.mantissa_bits : lowest;
  const int unit = normal > lowest ? normal : lowest;
  const Rounded rounded = round(real.signed_significand(), unit - real.exponent);
  const auto bits = static_cast<uint128>(rounded.value);
  const uint128 magnitude = rounded.value < 0 ? 0 - bits : bits;
  // Codes continue from one exponent to the next, so a carry out of the mantissa needs no case of its own.
  const uint128 code = (static_cast<uint128>(unit - lowest) << layout.mantissa_bits) + magnitude;
  if (code > layout.largest()) {
    return {.code = sign | beyond_range(layout, mode, real.negative), .overflowed = true, .inexact = rounded.inexact};
  }
  return {.code = sign | static_cast<std::uint64_t>(code), .inexact = rounded.inexact};
}

// BinaryConnect's rule: 0 becomes +1. Magnitudes above one have overflowed, those below are inexact.
[[nodiscard]] constexpr Encoded encode_bipolar(const Real& real) {
  if (real.kind == Real::Class::NaN) {
    return {.invalid = true};
  }
  if (real.kind == Real::Class::Infinite) {
    return {.code = real.negative ? 0U : 1U, .overflowed = true};
  }
  if (real.significand == 0) {
    return {.code = 1, .inexact = true};
  }
  const int top = floor_log2(real);
  const bool one = top == 0 && std::has_single_bit(real.significand);
  return {.code = real.negative ? 0U : 1U, .overflowed = top >= 0 && !one, .inexact = top < 0};
}

}  // namespace detail

// The code of a number, rounded with the format's mode. NaN: the format's NaN, or 0 if it has none (`invalid`).
[[nodiscard]] constexpr Encoded encode(const Real& real, const Format& format) {
  if (format.kind == Kind::Bipolar) {
    return detail::encode_bipolar(real);
  }
  return detail::encode_with(real, format, format.rounding, [&](int128 value, int shift) {
    return round_shift(value, shift, format.rounding);
  });
}

[[nodiscard]] constexpr Encoded encode(double value, const Format& format) { return encode(real_of(value), format); }

// The same with stochastic rounding between the two neighbours.
[[nodiscard]] constexpr Encoded encode_stochastic(double value, const Format& format, std::uint64_t random) {
  return detail::encode_with(real_of(value), format, Rounding::RND_CONV, [&](int128 number, int shift) {
    return round_shift_stochastic(number, shift, random);
  });
}

// What a code stands for, exactly. Bits above the format's width are ignored.
[[nodiscard]] constexpr Real decode(std::uint64_t code, const Format& format) {
  if (format.kind == Kind::Bipolar) {
    return {.negative = (code & 1U) == 0, .significand = 1};
  }
  const detail::Layout layout = detail::layout_of(format);
  const std::uint64_t magnitude = code & layout.ones();
  Real real{.negative = (code & layout.sign()) != 0};
  if (magnitude > layout.largest()) {
    const bool infinite = layout.specials == Specials::Ieee && magnitude == layout.infinity();
    real.kind = infinite ? Real::Class::Infinite : Real::Class::NaN;
    return real;
  }
  const auto field = static_cast<int>(magnitude >> layout.mantissa_bits);
  const std::uint64_t mantissa = magnitude & ((std::uint64_t{1} << layout.mantissa_bits) - 1);
  real.significand = field == 0 ? mantissa : mantissa | (std::uint64_t{1} << layout.mantissa_bits);
  real.exponent = layout.lowest_unit() + (field == 0 ? 0 : field - 1);
  return real;
}

// The binary64 of a number, exact for every code of every format that parse_format accepts.
[[nodiscard]] constexpr double to_double(const Real& real) {
  constexpr Format kBinary64 = minifloat_format(11, 52, Specials::Ieee);
  return std::bit_cast<double>(encode(real, kBinary64).code | (real.negative ? std::uint64_t{1} << 63 : 0));
}

static_assert(encode(1.0, kFloat16).code == 0x3C00 && encode(65520.0, kFloat16).code == 0x7C00);
static_assert(encode(0x1p-24, kFloat16).code == 1 && encode(0x1p-25, kFloat16).code == 0);
static_assert(to_double(decode(0x7BFF, kFloat16)) == 65504.0);
static_assert(to_double(decode(0x7E, kE4m3)) == 448.0 && encode(464.0, kE4m3).code == 0x7E);
static_assert(encode(465.0, kE4m3).code == 0x7F && decode(0xFF, kE4m3).kind == Real::Class::NaN);
static_assert(to_double(decode(0x7B, kE5m2)) == 57344.0 && to_double(decode(1, kE5m2)) == 0x1p-16);
static_assert(encode(1.0, kBfloat16).code == 0x3F80);
static_assert(encode(-0.25, kBipolar) == Encoded{.code = 0, .inexact = true} && encode(0.0, kBipolar).code == 1);

}  // namespace guardbit::arith
