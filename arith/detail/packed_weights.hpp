// What PackedWeights holds.
#pragma once

#include <cstdint>
#include <vector>

#include "arith/detail/aligned.hpp"
#include "arith/detail/gemm_kernels.hpp"

namespace guardbit::arith {

struct PackedWeights::State {
  std::int64_t depth = 0, cols = 0;
  bool quads = false;  // layout: quads, else int32 values [depth][padded_cols]
  std::int32_t max_magnitude = 0;
  std::int64_t padded_depth = 0;          // a multiple of 4; zero weights
  std::int64_t padded_cols = 0;           // a multiple of kNr; zero weights
  detail::LineVector<std::int8_t> bytes;  // [padded_cols / kHalf][padded_depth / 4][kHalf][4]
  std::vector<std::int32_t> wide;
  // Quads only. The reduction is proven in chunks of `chunk` products.
  std::int64_t chunk = 0;
  detail::LineVector<std::int32_t> column_sum;   // [chunks + 1][padded_cols]: sums of all before
  detail::LineVector<std::int32_t> squares;      // [chunks][padded_cols]: sums of squares
  std::vector<std::int64_t> positive, negative;  // [padded_cols]: sums of the positive, and minus those of the negative
  // [padded_cols], at least the root of the sum of squares: of positive weights, of negative ones, of all
  std::vector<float> positive_norm, negative_norm, norm;

  [[nodiscard]] std::int32_t at(std::int64_t k, std::int64_t c) const {
    if (!quads) return wide[static_cast<std::size_t>(k * padded_cols + c)];
    return bytes[static_cast<std::size_t>((c / detail::kHalf * (padded_depth / 4) + k / 4) * detail::kHalf * 4 +
                                          c % detail::kHalf * 4 + k % 4)];
  }
  [[nodiscard]] std::int64_t column_blocks() const { return (cols + detail::kNr - 1) / detail::kNr; }
  [[nodiscard]] std::int64_t chunks() const { return (depth + chunk - 1) / chunk; }
};

}  // namespace guardbit::arith
