#include "nets/compute/softmax.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "arith/error.hpp"
#include "arith/round.hpp"
#include "arith/stages.hpp"

namespace guardbit::nets::compute {
namespace {

using arith::Rounding;

constexpr int kSumIntegerBits = 12;
constexpr std::int32_t kOne = INT32_MAX;  // nearest to 1 in Q0.31

constexpr std::int32_t high_product(std::int32_t a, std::int32_t b) {
  if (a == INT32_MIN && b == INT32_MIN) return INT32_MAX;
  return static_cast<std::int32_t>(arith::round_shift(arith::int128{a} * b, 31, Rounding::RND).value);
}

constexpr std::int32_t divide(std::int32_t value, int bits) {
  return static_cast<std::int32_t>(arith::round_shift(value, bits, Rounding::RND_INF).value);
}

constexpr std::int32_t saturated(std::int64_t value) {
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(value, INT32_MIN, INT32_MAX));
}

void check_rows(std::size_t codes, std::size_t results, std::int64_t row_size, std::int64_t largest_row) {
  if (row_size < 1 || row_size > largest_row || codes % static_cast<std::size_t>(row_size) != 0 || results != codes) {
    throw Error(fmt::format("softmax: found {} codes and {} results in rows of {}, allowed whole rows of 1 to {}",
                            codes, results, row_size, largest_row));
  }
}

void check_codes(std::span<const std::int32_t> codes, std::int32_t low, std::int32_t high) {
  for (const std::int32_t code : codes) {
    if (code < low || code > high) {
      throw Error(fmt::format("softmax: found code {}, allowed {} to {}", code, low, high));
    }
  }
}

void row_int8(std::span<const std::int32_t> codes, const SoftmaxInt8& p, std::span<std::int32_t> out) {
  const std::int32_t largest = *std::max_element(codes.begin(), codes.end());
  const auto exp_of = [&](std::int32_t difference) {
    const std::int32_t left = saturated(std::int64_t{difference} * (std::int64_t{1} << p.left_shift));
    return exponential(high_product(left, p.multiplier));
  };
  std::int32_t sum = 0;
  for (const std::int32_t code : codes) {
    if (code - largest >= p.diff_min) sum += divide(exp_of(code - largest), kSumIntegerBits);
  }
  const int headroom = std::countl_zero(static_cast<std::uint32_t>(sum));  // 1 or more: the largest counts 2^19
  const auto fraction = static_cast<std::int32_t>((std::int64_t{sum} << headroom) - (std::int64_t{1} << 31));
  const std::int32_t scale = reciprocal(fraction);
  const int shift = kSumIntegerBits - headroom + 31 - 8;
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const std::int32_t difference = codes[i] - largest;
    out[i] = difference < p.diff_min
                 ? -128
                 : std::clamp(divide(high_product(scale, exp_of(difference)), shift) - 128, -128, 127);
  }
}

// Entry of a table of 513 at a 16-bit argument, interpolated with 7 bits.
std::int32_t interpolated(const std::vector<std::int16_t>& table, std::int32_t argument) {
  const auto index = static_cast<std::size_t>(256 + (argument >> 7));
  const std::int32_t slope = table[index + 1] - table[index];
  return table[index] + ((slope * (argument & 0x7f) + 64) >> 7);
}

std::int32_t int16_code(std::int64_t value) {
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(value, INT16_MIN, INT16_MAX));
}

void row_int16(std::span<const std::int32_t> codes, const SoftmaxInt16& p, const std::vector<std::int16_t>& exp_table,
               const std::vector<std::int16_t>& reciprocal_table, std::span<std::int32_t> out) {
  const std::int32_t largest = *std::max_element(codes.begin(), codes.end());
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const std::int32_t left = saturated(std::int64_t{codes[i] - largest} * (std::int64_t{1} << std::max(p.shift, 0)));
    const std::int32_t scaled = divide(high_product(left, p.multiplier), std::max(-p.shift, 0));
    out[i] = interpolated(exp_table, int16_code(std::int64_t{scaled} + INT16_MAX));
    sum += out[i];
  }
  const int headroom = std::countl_zero(static_cast<std::uint32_t>(sum));
  // 1.x in Q1.16, from [2^16, 2^17] moved to the table's [-2^15, 2^15)
  const std::int64_t mantissa = ((std::int64_t{sum} << (headroom - 1)) + (1 << 13)) >> 14;
  const std::int32_t scale = interpolated(reciprocal_table, int16_code(mantissa - (1 << 15) - (1 << 16)));
  const int shift = 31 - headroom;
  for (std::int32_t& value : out) {
    const arith::int128 product = arith::int128{value} * scale;
    value = static_cast<std::int32_t>(
        std::clamp<arith::int128>(arith::round_shift(product, shift, Rounding::RND).value, 0, INT16_MAX));
  }
}

}  // namespace

std::int32_t exponential(std::int32_t x) {
  if (x == 0) return kOne;
  constexpr std::int32_t kQuarter = 1 << 24;  // 1/4 in Q5.26
  const std::int32_t fraction = (x & (kQuarter - 1)) - kQuarter;  // in [-1/4, 0)
  const std::int32_t quarters = fraction - x;                     // a multiple of 1/4, 0 or more
  // Taylor series of exp(-1/8 + t) around t = 0, t in Q0.31 in [-1/8, 1/8).
  constexpr std::int32_t kExpMinusEighth = 1895147668;
  constexpr std::int32_t kThird = 715827883;
  const std::int32_t t = fraction * (1 << 5) + (1 << 28);
  const std::int32_t t2 = high_product(t, t), t3 = high_product(t2, t), t4 = high_product(t2, t2);
  // ((t^4 / 4 + t^3) / 3 + t^2) / 2 = t^2/2 + t^3/6 + t^4/24
  const std::int32_t higher = divide(high_product(divide(t4, 2) + t3, kThird) + t2, 1);
  std::int32_t result = saturated(std::int64_t{kExpMinusEighth} + high_product(kExpMinusEighth, t + higher));
  // exp(-2^k) in Q0.31 for k = -2..4
  constexpr std::int32_t kPowers[] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
  for (int k = 0; k < 7; ++k) {
    if ((quarters >> (24 + k) & 1) != 0) result = high_product(result, kPowers[k]);
  }
  return result;
}

// Newton's method on half the denominator, in [1/2, 1).
std::int32_t reciprocal(std::int32_t x) {
  const auto half = static_cast<std::int32_t>((std::int64_t{x} + kOne + 1) / 2);
  constexpr std::int32_t k48Over17 = 1515870810, kMinus32Over17 = -1010580540;  // Q2.29
  constexpr std::int32_t kOneQ2 = 1 << 29;
  std::int32_t guess = k48Over17 + high_product(half, kMinus32Over17);
  for (int step = 0; step < 3; ++step) {
    const std::int32_t error = kOneQ2 - high_product(half, guess);
    guess = saturated(guess + std::int64_t{saturated(std::int64_t{high_product(guess, error)} * 4)});
  }
  return saturated(std::int64_t{guess} * 2);
}

SoftmaxInt8 softmax_int8_parameters(double scale_times_beta) {
  if (!std::isfinite(scale_times_beta) || scale_times_beta <= 0) {
    throw Error(fmt::format("softmax: found scale * beta {}, allowed finite and above 0", scale_times_beta));
  }
  const double real = std::min(scale_times_beta * (1 << 26), 2147483647.0);
  const arith::QuantizedMultiplier q = arith::quantize_multiplier(real);
  if (q.shift < 0) {
    throw Error(fmt::format("softmax: found scale * beta {}, allowed 2^-27 or more", scale_times_beta));
  }
  // The largest difference that Q5.26 holds after the shift.
  const double radius = 31.0 * (1 << 26) / std::ldexp(1.0, q.shift);
  return {.multiplier = q.multiplier, .left_shift = q.shift,
          .diff_min = -static_cast<std::int32_t>(std::floor(radius))};
}

void softmax_int8(std::span<const std::int32_t> codes, std::int64_t row_size, const SoftmaxInt8& parameters,
                  std::span<std::int32_t> out) {
  if (parameters.multiplier < 0 || parameters.left_shift < 0 || parameters.left_shift > 31 || parameters.diff_min > 0) {
    throw Error(fmt::format(
        "softmax: found multiplier {}, left shift {}, diff_min {}, allowed 0 or more, 0 to 31, 0 or less",
        parameters.multiplier, parameters.left_shift, parameters.diff_min));
  }
  check_rows(codes.size(), out.size(), row_size, 4095);
  check_codes(codes, INT8_MIN, INT8_MAX);
  const auto size = static_cast<std::size_t>(row_size);
  for (std::size_t at = 0; at < codes.size(); at += size) {
    row_int8(codes.subspan(at, size), parameters, out.subspan(at, size));
  }
}

void softmax_int16(std::span<const std::int32_t> codes, std::int64_t row_size, const SoftmaxInt16& parameters,
                   std::span<std::int32_t> out) {
  if (parameters.multiplier < 0 || parameters.shift < -31 || parameters.shift > 31) {
    throw Error(fmt::format("softmax: found multiplier {} and shift {}, allowed 0 or more and -31 to 31",
                            parameters.multiplier, parameters.shift));
  }
  check_rows(codes.size(), out.size(), row_size, 65535);
  check_codes(codes, INT16_MIN, INT16_MAX);
  const std::vector<std::int16_t> exp_table = interpolation_table([](double x) { return std::exp(x); }, -10, 0);
  const std::vector<std::int16_t> reciprocal_table = interpolation_table([](double x) { return 1 / (1 + x); }, 0, 1);
  const auto size = static_cast<std::size_t>(row_size);
  for (std::size_t at = 0; at < codes.size(); at += size) {
    row_int16(codes.subspan(at, size), parameters, exp_table, reciprocal_table, out.subspan(at, size));
  }
}

std::vector<std::int16_t> interpolation_table(double (*function)(double), double low, double high) {
  constexpr int kIntervals = 512;
  const double step = (high - low) / kIntervals;
  std::vector<std::int16_t> table;
  for (int i = 0; i <= kIntervals; ++i) {
    const double here = std::round(function(low + i * step) * 32768);
    double bent = here;
    if (i < kIntervals) {
      const double chord = std::round((function(low + (i + 1) * step) * 32768 + here) / 2);
      const double middle = std::round(function(low + i * step + step / 2) * 32768);
      bent = here - std::round((chord - middle) / 2);
    }
    table.push_back(static_cast<std::int16_t>(std::clamp(bent, -32768.0, 32767.0)));
  }
  return table;
}

}  // namespace guardbit::nets::compute
