// Scales and zero points.
#include "nets/quantize/affine.hpp"

#include <algorithm>
#include <cmath>

namespace guardbit::nets {

TensorFormat affine_format(double low, double high, int bits) {
  low = std::min(low, 0.0);
  high = std::max(high, 0.0);
  TensorFormat result;
  result.format = arith::integer_format(bits);
  const auto q_min = static_cast<double>(result.format.min_code());
  const auto q_max = static_cast<double>(result.format.max_code());
  result.scale = high > low ? (high - low) / (q_max - q_min) : 1.0;
  result.zero_point = static_cast<std::int64_t>(std::clamp(std::round(q_min - low / result.scale), q_min, q_max));
  return result;
}

std::int64_t affine_code(double real, const TensorFormat& format) {
  const auto low = static_cast<double>(format.format.min_code());
  const auto high = static_cast<double>(format.format.max_code());
  const double code = std::round(real / format.scale) + static_cast<double>(format.zero_point);
  return static_cast<std::int64_t>(std::clamp(code, low, high));
}

double symmetric_scale(double max_abs, int bits) {
  return max_abs > 0 ? max_abs / (std::ldexp(1.0, bits - 1) - 1) : 1.0;
}

WeightFormat symmetric_weights(const FloatTensor& weight, int bits, bool per_channel) {
  WeightFormat result;
  result.format = arith::integer_format(bits, true, arith::Overflow::SAT_SYM);
  const std::size_t parts = per_channel ? static_cast<std::size_t>(weight.shape.at(0)) : 1;
  const std::size_t size = weight.data.size() / parts;
  for (std::size_t k = 0; k < parts; ++k) {
    double largest = 0;
    for (std::size_t i = k * size; i < (k + 1) * size; ++i)
      largest = std::max<double>(largest, std::abs(weight.data[i]));
    result.scales.push_back(symmetric_scale(largest, bits));
  }
  return result;
}

}  // namespace guardbit::nets
