// Number formats as run-time values.
//
// A Format is structural, so that `template <Format F>` takes exactly this struct. `integer_bits` counts the sign
// (SystemC's and HLS's I); fraction bits = width - integer_bits, which may be negative or exceed the width.
// Integer and fixed formats: real value = code * 2^-frac_bits(). The others: arith/minifloat.hpp.
#pragma once

#include "arith/int128.hpp"
#include "arith/modes.hpp"

namespace guardbit::arith {

inline constexpr int kMaxWidth = 64;

enum class Kind : unsigned char {
  Integer,    // integer_bits == width
  Fixed,
  Float,      // not quantized: IEEE binary32, no code arithmetic
  Minifloat,  // sign, exponent_bits, mantissa: a code is a bit pattern, without arithmetic of its own
  Bipolar,    // one bit: code 0 is -1, code 1 is +1
};

// What the codes of a Minifloat's largest exponent mean.
enum class Specials : unsigned char {
  None,  // numbers like all others
  Fn,    // all ones is NaN, the rest are numbers (OCP E4M3)
  Ieee,  // mantissa 0 is infinity, the rest are NaN
};

struct Format {
  Kind kind = Kind::Integer;
  int width = 8;
  int integer_bits = 8;
  bool is_signed = true;
  Rounding rounding = Rounding::RND_CONV;
  Overflow overflow = Overflow::SAT;
  int n_bits = 0;  // WRAP and WRAP_SM: number of saturated high bits (SystemC's n_bits)
  // Minifloat only. exponent_bits 0: sign-magnitude fixed point. The exponent is its field minus the bias.
  int exponent_bits = 0;
  int bias = 0;
  Specials specials = Specials::None;
  bool overflows_to_special = false;  // beyond the range: infinity (Ieee) or NaN (Fn) instead of the largest number

  // Codes are integers that scale: everything that adds, multiplies or narrows codes asks for this.
  [[nodiscard]] constexpr bool has_linear_codes() const { return kind == Kind::Integer || kind == Kind::Fixed; }
  [[nodiscard]] constexpr int mantissa_bits() const { return width - 1 - exponent_bits; }  // Minifloat

  // Integer and fixed formats:
  [[nodiscard]] constexpr int frac_bits() const { return width - integer_bits; }
  [[nodiscard]] constexpr int128 max_code() const { return (int128{1} << (is_signed ? width - 1 : width)) - 1; }
  [[nodiscard]] constexpr int128 min_code() const { return is_signed ? -(int128{1} << (width - 1)) : int128{0}; }
  [[nodiscard]] constexpr bool contains(int128 code) const { return min_code() <= code && code <= max_code(); }

  friend constexpr bool operator==(const Format&, const Format&) = default;
};

[[nodiscard]] constexpr Format integer_format(int width, bool is_signed = true, Overflow overflow = Overflow::SAT) {
  return Format{.kind = Kind::Integer, .width = width, .integer_bits = width, .is_signed = is_signed,
                .rounding = Rounding::TRN, .overflow = overflow};
}

// IEEE 754's exponent bias. Without exponent bits, 1: the numbers are below one.
[[nodiscard]] constexpr int default_bias(int exponent_bits) {
  return exponent_bits == 0 ? 1 : (1 << (exponent_bits - 1)) - 1;
}

[[nodiscard]] constexpr Format minifloat_format(int exponent_bits, int mantissa_bits, Specials specials, int bias) {
  const int width = 1 + exponent_bits + mantissa_bits;
  return Format{.kind = Kind::Minifloat, .width = width, .integer_bits = width, .exponent_bits = exponent_bits,
                .bias = bias, .specials = specials, .overflows_to_special = specials != Specials::None};
}
[[nodiscard]] constexpr Format minifloat_format(int exponent_bits, int mantissa_bits,
                                                Specials specials = Specials::None) {
  return minifloat_format(exponent_bits, mantissa_bits, specials, default_bias(exponent_bits));
}

inline constexpr Format kFloat16 = minifloat_format(5, 10, Specials::Ieee);
inline constexpr Format kBfloat16 = minifloat_format(8, 7, Specials::Ieee);
inline constexpr Format kE4m3 = minifloat_format(4, 3, Specials::Fn);  // OCP 8-bit floating point, revision 1.0
inline constexpr Format kE5m2 = minifloat_format(5, 2, Specials::Ieee);
inline constexpr Format kBipolar = {.kind = Kind::Bipolar, .width = 1, .integer_bits = 1, .is_signed = false};
inline constexpr Format kTernary = integer_format(2, true, Overflow::SAT_SYM);  // codes -1, 0, 1

}  // namespace guardbit::arith
