// The minifloat and shift quantizers of Mayo (deep-fry/mayo, 7211a11), which differ from IEEE-like formats: no
// subnormal numbers, zero outside the codes, and in the original no saturation (SPEC 2.7, 2.8).
#pragma once

namespace guardbit::arith {

enum class MayoRange : unsigned char {
  Original,  // the exponent is clipped and the mantissa kept: 6 may become 3; a carry may leave the exponents' range
  Saturate,  // beyond the largest number: that number; between half the smallest number and it: the smallest number
};

// `width` excludes the sign: mantissa_width bits and width - mantissa_width bits of exponent, whose values are
// -exponent_bias .. 2^(width - mantissa_width) - 1 - exponent_bias. |value| <= 2^-exponent_bias / 2 becomes 0; the
// mantissa is rounded to nearest, ties to even. Throws Error for NaN and for widths without meaning.
[[nodiscard]] double mayo_minifloat(double value, int width, int mantissa_width, int exponent_bias,
                                    MayoRange range = MayoRange::Saturate);

// The same without mantissa: the nearest power of two, from 1.5 * 2^E on the next one.
[[nodiscard]] double mayo_shift(double value, int width, int exponent_bias, MayoRange range = MayoRange::Saturate);

}  // namespace guardbit::arith
