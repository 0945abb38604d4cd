// Softmax in integers, as TFLite and CMSIS-NN compute it. The normative definition.
//
// 32-bit fixed point: Qm.n has m integer bits and n = 31 - m fraction bits besides the sign.
//   x * y           the high half of the doubled product: / 2^31, ties toward +infinity; -2^31 * -2^31 saturates
//   round(x / 2^n)  ties away from zero
//
// int8 codes, scale S, one row, d = code - largest code of the row:
//   parameters    S * beta * 2^26 = multiplier * 2^(left_shift - 31), multiplier in [2^30, 2^31): d becomes Q5.26
//   exponential   e(d) = exp(x) in Q0.31, x = d * S * beta = (d * 2^left_shift) * multiplier in Q5.26; exp(0) is
//                 2^31 - 1, else x = a fraction in [-1/4, 0) less some quarters: a polynomial of degree 4, times a
//                 constant exp(-2^k) for every bit k = -2..4 of the quarters
//   sum           of round(e(d) / 2^12), Q12.19, over all d >= diff_min
//   reciprocal    r = 1 / (1 + f) in Q0.31, sum = (1 + f) * 2^(12 - headroom): a first guess 48/17 - 32/17 * half and
//                 three steps of Newton's method
//   out           round(r * e(d) / 2^(35 - headroom)) - 128, at most 127; -128 for d < diff_min. Scale 1/256.
//
// As a layer of an integer network, by one table of 256 entries: nets/quantize/softmax_table.hpp.
//
// int16 codes (16x8 networks): two tables of 513 entries with linear interpolation between them, see below.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace guardbit::nets::compute {

// e: exp(x) in Q0.31 for x in Q5.26, x <= 0.
[[nodiscard]] std::int32_t exponential(std::int32_t x);
// r: 1 / (1 + x) in Q0.31 for x in Q0.31, 0 <= x < 1.
[[nodiscard]] std::int32_t reciprocal(std::int32_t x);

struct SoftmaxInt8 {
  std::int32_t multiplier = 0;  // 2^30 .. 2^31 - 1
  int left_shift = 0;           // 0 .. 31
  std::int32_t diff_min = 0;    // smallest difference from the largest code that counts, 0 or less
};

// Parameters for a real factor scale * beta > 0. TFLite: the factor is held below 32, and diff_min is
// -floor(31 * 2^(26 - left_shift)).
[[nodiscard]] SoftmaxInt8 softmax_int8_parameters(double scale_times_beta);

// rows of `row_size` codes of int8; `out` has the size of `codes`. Throws Error for parameters out of their ranges, a
// row size that does not divide the codes, and rows whose sum could exceed Q12.19 (4095 codes).
void softmax_int8(std::span<const std::int32_t> codes, std::int64_t row_size, const SoftmaxInt8& parameters,
                  std::span<std::int32_t> out);

// int16 -> int16 with scale 1/32768. d * multiplier * 2^(shift - 31), rounded twice as in requantization, maps [-10, 0]
// to [-65535, 0]; + 32767, held in 16 bits, it enters the table of exp; the sum of the results is 1.x * 2^n; x, in 16
// bits, enters the table of 1 / (1 + x); the product is shifted to Q0.15, ties toward +infinity.
struct SoftmaxInt16 {
  std::int32_t multiplier = 0;
  int shift = 0;  // -31 .. 31, positive: left
};
void softmax_int16(std::span<const std::int32_t> codes, std::int64_t row_size, const SoftmaxInt16& parameters,
                   std::span<std::int32_t> out);

// 513 entries of a function on [low, high] in Q0.15, each bent by half of the error that interpolation makes in the
// middle of its interval (TFLite's gen_lut); entry 512 is only the end of the last slope.
[[nodiscard]] std::vector<std::int16_t> interpolation_table(double (*function)(double), double low, double high);

}  // namespace guardbit::nets::compute
