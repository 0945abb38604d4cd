// Exact integer convolution on a device: the forward products of a quantized layer.
//
//   out[n, p, q, k] = initial[k] + sum over r, s, c of (x - zero_point) weight
//
// with nothing rounded, clamped or wrapped: products of 8-bit codes are added in 32 bits within one tap and in 64 bits
// across taps, those of 16-bit codes in 64 bits. What lies outside the image has the zero point's code.
// Any order of these sums gives the same integer, so the result is that of arith/conv.hpp wherever its accumulator does
// not overflow.
#pragma once

#include <cstdint>

#include "arith/conv.hpp"

namespace guardbit::trainer::cuda {

enum class CodeType : unsigned char { S8, U8, S16 };

struct CodeConv {
  arith::ConvGeometry geometry;
  CodeType type = CodeType::S8;
  std::int32_t zero_point = 0;  // a code of the type
  const void* x = nullptr;      // codes [images, h, w, c]
  const void* weight = nullptr;  // [k, r, s, c / groups]; int16 with S16, else int8
  const std::int64_t* initial = nullptr;  // [k]; null: zeros
  std::int64_t* out = nullptr;            // [images, p, q, k]
};

/// A device that convolves (CudaPlugin::make_convolver).
class CodeConvolver {
 public:
  virtual ~CodeConvolver() = default;
  /// All pointers are of the host; `out` is written when the call returns. Error when it does not fit the device.
  virtual void forward(const CodeConv& conv) = 0;
};

}  // namespace guardbit::trainer::cuda
