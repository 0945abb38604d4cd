// How far integer codes are from the float tensor they stand for. Sums are doubles added in element order, so results
// repeat; batches merge in the order of the images.
#pragma once

#include "nets/quantize/integer_network.hpp"

namespace guardbit::nets {

struct FloatError {
  double signal = 0;  // sum of squares of the float values
  double noise = 0;   // sum of squares of the differences
  double max_abs_error = 0;
  std::uint64_t count = 0;

  // Codes and floats of the same number of elements (Error otherwise).
  void observe(const FloatTensor& real, const IntTensor& codes, const TensorFormat& format);
  void merge(const FloatError& later);
  // 10 log10(signal / noise); infinite for no noise, not a number for nothing observed.
  [[nodiscard]] double sqnr_db() const;
};

// real = scale * (code - zero_point), element by element.
[[nodiscard]] FloatTensor dequantize(const IntTensor& codes, const TensorFormat& format);

[[nodiscard]] double sqnr_db(const FloatTensor& real, const IntTensor& codes, const TensorFormat& format);

}  // namespace guardbit::nets
