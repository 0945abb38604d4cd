// Affine quantization (SPEC 5.1): real = scale * (code - zero_point).
#pragma once

#include <cstdint>

#include "nets/quantize/integer_network.hpp"
#include "nets/quantize/weight_format.hpp"

namespace guardbit::nets {

// The range is widened to include 0; scale = (high - low) / (largest code - smallest code); the zero point is
// smallest code - low / scale, rounded half away from zero and held in range, so that real 0 is exact. A range of
// nothing but 0 gives scale 1.
[[nodiscard]] TensorFormat affine_format(double low, double high, int bits);

// round half away from zero(real / scale) + zero_point, saturated. For calibrated tensors in tests and reports.
[[nodiscard]] std::int64_t affine_code(double real, const TensorFormat& format);

[[nodiscard]] inline double dequantize(std::int64_t code, const TensorFormat& format) {
  return format.scale * static_cast<double>(code - format.zero_point);
}

// Symmetric scale of a weight channel: max|w| / (2^(bits - 1) - 1); 1 for a channel of zeros.
[[nodiscard]] double symmetric_scale(double max_abs, int bits);
// Symmetric codes for weights [K, ...]: that scale of every channel, or of the whole tensor; ties away from zero.
[[nodiscard]] WeightFormat symmetric_weights(const FloatTensor& weight, int bits, bool per_channel);

}  // namespace guardbit::nets
