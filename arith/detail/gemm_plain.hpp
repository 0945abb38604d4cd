// Inner loops of gemm.hpp in plain C++ that several instruction sets share. A template parameter keeps their machine
// code apart: each is compiled with its own instructions.
#pragma once

#include "arith/detail/gemm_kernels.hpp"

namespace guardbit::arith::detail {

// The product by way of a block of sums.
template <void (*kDotQuads)(const QuadBlock&)>
void product_by_sums(const ProductBlock& in) {
  std::int32_t sums[kMr * kNr];
  for (int i = 0; i < kMr * kNr; ++i) sums[i] = in.start[i % kNr];
  QuadBlock quads = in.quads;
  quads.acc = sums;
  kDotQuads(quads);
  for (int r = 0; r < in.rows; ++r) {
    for (int c = 0; c < in.cols; ++c) in.out[r * in.out_stride + c] = sums[r * kNr + c];
  }
}

template <GemmIsa kIsa>
[[nodiscard]] std::int64_t plain_square_sum(const std::uint8_t* const* lhs, int rows, std::int64_t count,
                                            std::int32_t offset) {
  std::int64_t largest = 0;
  for (int r = 0; r < rows; ++r) {
    std::int64_t sum = 0;
    for (std::int64_t k = 0; k < count; ++k) sum += (lhs[r][k] - offset) * (lhs[r][k] - offset);
    largest = sum > largest ? sum : largest;
  }
  return largest;
}

// value = byte - offset; the compiler's vectors do well enough here.
template <GemmIsa kIsa>
void plain_left(const std::uint8_t* from, int depth, std::int32_t offset, LeftForm form, std::uint32_t* to) {
  const auto value = [&](int k) { return static_cast<std::uint32_t>(from[k] - offset) & 0xFFFF; };
  if (form == LeftForm::Singles) {
    for (int k = 0; k < depth; ++k) to[k] = value(k) * 0x10001U;
    return;
  }
  const bool products = form == LeftForm::Products;
  for (int k = 0; k + 1 < depth; k += 2) {
    if (products) {
      to[k] = value(k);
      to[k + 1] = value(k + 1) << 16;
    } else {
      to[k / 2] = value(k) | value(k + 1) << 16;
    }
  }
  if (depth % 2 != 0) to[products ? depth - 1 : depth / 2] = value(depth - 1);
}

}  // namespace guardbit::arith::detail
