// Mayo's quantizers, in exact arithmetic: the significand of a binary64 is an integer.
#include "arith/mayo.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "arith/error.hpp"
#include "arith/round.hpp"

namespace guardbit::arith {
namespace {

constexpr int kSignificandBits = 53;

void check(double value, int width, int mantissa_width, int bias) {
  const auto fail = [](const std::string& why) { throw Error("Mayo quantizer: " + why); };
  if (std::isnan(value)) {
    fail("found NaN, allowed numbers");
  }
  if (width < 1 || mantissa_width < 0 || mantissa_width > 52 || width < mantissa_width || width - mantissa_width > 11) {
    fail("found width " + std::to_string(width) + " with " + std::to_string(mantissa_width) +
         " mantissa bits, allowed 0..52 mantissa bits and 0..11 more for the exponent, not both 0");
  }
  if (bias < -1000 || bias > 1000) {
    fail("found exponent bias " + std::to_string(bias) + ", allowed -1000..1000");
  }
}

}  // namespace

double mayo_minifloat(double value, int width, int mantissa_width, int exponent_bias, MayoRange range) {
  check(value, width, mantissa_width, exponent_bias);
  const double magnitude = std::fabs(value);
  if (magnitude <= std::ldexp(0.5, -exponent_bias)) {
    return 0;
  }
  const int lowest = -exponent_bias;
  const int highest = (1 << (width - mantissa_width)) - 1 - exponent_bias;
  const double largest = std::ldexp(2 - std::ldexp(1.0, -mantissa_width), highest);
  const bool saturates = range == MayoRange::Saturate;
  if (std::isinf(magnitude)) {
    return std::copysign(largest, value);
  }
  int exponent = 0;
  const double fraction = std::frexp(magnitude, &exponent);  // in [1/2, 1)
  --exponent;                                                 // floor(log2)
  if (saturates && exponent < lowest) {
    return std::copysign(std::ldexp(1.0, lowest), value);
  }
  const auto significand = static_cast<std::int64_t>(std::ldexp(fraction, kSignificandBits));
  const int dropped = kSignificandBits - 1 - mantissa_width;
  const auto mantissa = static_cast<double>(
      static_cast<std::int64_t>(round_shift(significand, dropped, Rounding::RND_CONV).value));
  const double rounded = std::ldexp(mantissa, std::clamp(exponent, lowest, highest) - mantissa_width);
  const bool beyond = saturates && (exponent > highest || rounded > largest);
  return std::copysign(beyond ? largest : rounded, value);
}

double mayo_shift(double value, int width, int exponent_bias, MayoRange range) {
  return mayo_minifloat(value, width, 0, exponent_bias, range);
}

}  // namespace guardbit::arith
