// Packing of the right operand.
#include <algorithm>
#include <string>

#include "arith/detail/packed_weights.hpp"
#include "arith/error.hpp"

namespace guardbit::arith {
namespace {

using detail::kHalf;
using detail::kNr;
using detail::kProofDepth;

std::int64_t round_up(std::int64_t value, std::int64_t unit) { return (value + unit - 1) / unit * unit; }

// Column sums in front of every proof block, and the largest positive and negative sums of every block of columns.
void sum_columns(PackedWeights::State& s) {
  const std::int64_t blocks = s.proof_blocks();
  const auto width = static_cast<std::size_t>(s.padded_cols);
  s.column_sum.assign(static_cast<std::size_t>(blocks + 1) * width, 0);
  s.bound.resize(static_cast<std::size_t>(s.column_blocks() * blocks));
  s.total.resize(static_cast<std::size_t>(s.column_blocks()));
  for (std::int64_t c = 0; c < s.cols; ++c) {
    detail::ColumnBound all;
    for (std::int64_t b = 0; b < blocks; ++b) {
      detail::ColumnBound part;
      for (std::int64_t k = b * kProofDepth; k < (b + 1) * kProofDepth; ++k) {
        const std::int32_t w = s.at(k, c);
        (w > 0 ? part.positive : part.negative) += w > 0 ? w : -w;
        (w > 0 ? all.positive_squares : all.negative_squares) += w * w;
        (w > 0 ? part.positive_squares : part.negative_squares) += w * w;
      }
      const std::size_t at = static_cast<std::size_t>(b) * width + static_cast<std::size_t>(c);
      s.column_sum[at + width] = s.column_sum[at] + static_cast<std::int32_t>(part.positive - part.negative);
      auto& bound = s.bound[static_cast<std::size_t>(c / kNr * blocks + b)];
      bound.positive = std::max(bound.positive, part.positive);
      bound.negative = std::max(bound.negative, part.negative);
      bound.positive_squares = std::max(bound.positive_squares, part.positive_squares);
      bound.negative_squares = std::max(bound.negative_squares, part.negative_squares);
      bound.squares = std::max(bound.squares, part.positive_squares + part.negative_squares);
      all.positive += part.positive;
      all.negative += part.negative;
    }
    auto& total = s.total[static_cast<std::size_t>(c / kNr)];
    total.positive = std::max(total.positive, all.positive);
    total.negative = std::max(total.negative, all.negative);
    total.positive_squares = std::max(total.positive_squares, all.positive_squares);
    total.negative_squares = std::max(total.negative_squares, all.negative_squares);
    total.squares = std::max(total.squares, all.positive_squares + all.negative_squares);
  }
}

}  // namespace

PackedWeights::PackedWeights(const std::int32_t* rhs, std::int64_t rhs_stride, std::int64_t depth, std::int64_t cols)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  if (depth < 0 || cols < 0 || depth > (std::int64_t{1} << 22)) {
    throw Error("packed weights: " + std::to_string(depth) + " x " + std::to_string(cols) +
                " is not allowed; 0..2^22 rows are");
  }
  s.depth = depth;
  s.cols = cols;
  std::int32_t low = 0;
  std::int32_t high = 0;
  for (std::int64_t k = 0; k < depth; ++k) {
    for (std::int64_t c = 0; c < cols; ++c) {
      low = std::min(low, rhs[k * rhs_stride + c]);
      high = std::max(high, rhs[k * rhs_stride + c]);
    }
  }
  if (low <= -(1 << 16) || high >= (1 << 16)) {
    throw Error("packed weights: values " + std::to_string(low) + ".." + std::to_string(high) +
                " found; magnitudes below 65536 are allowed");
  }
  s.max_magnitude = std::max(-low, high);
  s.quads = low >= -128 && high <= 127;
  s.padded_cols = round_up(cols, kHalf);
  s.padded_depth = round_up(depth, kProofDepth);
  if (!s.quads) {
    s.wide.resize(static_cast<std::size_t>(depth * s.padded_cols));
    for (std::int64_t k = 0; k < depth; ++k) std::copy_n(rhs + k * rhs_stride, cols, &s.wide[static_cast<std::size_t>(k * s.padded_cols)]);
    return;
  }
  s.bytes.resize(static_cast<std::size_t>(s.padded_depth * s.padded_cols));
  for (std::int64_t k = 0; k < depth; ++k) {
    for (std::int64_t c = 0; c < cols; ++c) {
      s.bytes[static_cast<std::size_t>((c / kHalf * (s.padded_depth / 4) + k / 4) * kHalf * 4 + c % kHalf * 4 + k % 4)] =
          static_cast<std::int8_t>(rhs[k * rhs_stride + c]);
    }
  }
  sum_columns(s);
}

PackedWeights::~PackedWeights() = default;
PackedWeights::PackedWeights(PackedWeights&&) noexcept = default;
PackedWeights& PackedWeights::operator=(PackedWeights&&) noexcept = default;

std::int64_t PackedWeights::depth() const { return state_->depth; }
std::int64_t PackedWeights::cols() const { return state_->cols; }

}  // namespace guardbit::arith
