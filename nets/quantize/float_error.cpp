// Signal to quantization noise.
#include "nets/quantize/float_error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "arith/error.hpp"
#include "nets/quantize/affine.hpp"

namespace guardbit::nets {

void FloatError::observe(const FloatTensor& real, const IntTensor& codes, const TensorFormat& format) {
  if (real.data.size() != codes.data.size()) {
    throw Error(fmt::format("float comparison: {} real values and {} codes", real.data.size(), codes.data.size()));
  }
  double my_signal = 0;
  double my_noise = 0;
  for (std::size_t i = 0; i < codes.data.size(); ++i) {
    const double value = real.data[i];
    const double error = dequantize(std::int64_t{codes.data[i]}, format) - value;
    my_signal += value * value;
    my_noise += error * error;
    max_abs_error = std::max(max_abs_error, std::abs(error));
  }
  signal += my_signal;
  noise += my_noise;
  count += codes.data.size();
}

void FloatError::merge(const FloatError& later) {
  signal += later.signal;
  noise += later.noise;
  max_abs_error = std::max(max_abs_error, later.max_abs_error);
  count += later.count;
}

double FloatError::sqnr_db() const {
  if (count == 0) return std::numeric_limits<double>::quiet_NaN();
  if (noise == 0) return std::numeric_limits<double>::infinity();
  return 10 * std::log10(signal / noise);
}

FloatTensor dequantize(const IntTensor& codes, const TensorFormat& format) {
  FloatTensor real(codes.shape);
  for (std::size_t i = 0; i < codes.data.size(); ++i) {
    real.data[i] = static_cast<float>(dequantize(std::int64_t{codes.data[i]}, format));
  }
  return real;
}

double sqnr_db(const FloatTensor& real, const IntTensor& codes, const TensorFormat& format) {
  FloatError error;
  error.observe(real, codes, format);
  return error.sqnr_db();
}

}  // namespace guardbit::nets
