// What PackedWeights holds.
#pragma once

#include <cstdint>
#include <vector>

#include "arith/detail/aligned.hpp"
#include "arith/detail/gemm_kernels.hpp"

namespace guardbit::arith {

namespace detail {

inline constexpr std::int64_t kProofDepth = 32;  // products whose column sums are kept together

// Largest sums over the columns of one block of kNr: of the positive weights, and of the negative ones (as magnitude).
struct ColumnBound {
  std::int64_t positive = 0;
  std::int64_t negative = 0;
  std::int64_t positive_squares = 0;  // and the largest sums of their squares
  std::int64_t negative_squares = 0;
  std::int64_t squares = 0;
};

}  // namespace detail

struct PackedWeights::State {
  std::int64_t depth = 0, cols = 0;
  bool quads = false;              // layout: quads, else int32 values [depth][padded_cols]
  std::int32_t max_magnitude = 0;
  std::int64_t padded_depth = 0;   // a multiple of kProofDepth; zero weights
  std::int64_t padded_cols = 0;    // a multiple of kHalf
  detail::LineVector<std::int8_t> bytes;  // [padded_cols / kHalf][padded_depth / 4][kHalf][4]
  std::vector<std::int32_t> wide;
  // Quads only:
  std::vector<std::int32_t> column_sum;    // [padded_depth / kProofDepth + 1][padded_cols]: sums of all before
  std::vector<detail::ColumnBound> bound;  // [blocks of columns][padded_depth / kProofDepth]
  std::vector<detail::ColumnBound> total;  // [blocks of columns]

  [[nodiscard]] std::int32_t at(std::int64_t k, std::int64_t c) const {
    if (!quads) return wide[static_cast<std::size_t>(k * padded_cols + c)];
    return bytes[static_cast<std::size_t>((c / detail::kHalf * (padded_depth / 4) + k / 4) * detail::kHalf * 4 +
                                          c % detail::kHalf * 4 + k % 4)];
  }
  [[nodiscard]] std::int64_t column_blocks() const { return (cols + detail::kNr - 1) / detail::kNr; }
  [[nodiscard]] std::int64_t proof_blocks() const { return padded_depth / detail::kProofDepth; }
};

}  // namespace guardbit::arith
