// Packing of the right operand.
#include "arith/detail/packed_weights.hpp"

#include <algorithm>
#include <string>

#include "arith/detail/proof_bounds.hpp"
#include "arith/error.hpp"

namespace guardbit::arith {
namespace {

using detail::kHalf;
using detail::kNr;
using detail::norm_of;

// Short enough to prove, long enough to look at the sums behind each; shorter where there would be few of them.
constexpr std::int64_t kChunk = 128;
constexpr std::int64_t kShortChunk = 64;
constexpr std::int64_t kShortDepth = 640;

std::int64_t round_up(std::int64_t value, std::int64_t unit) { return (value + unit - 1) / unit * unit; }

void sum_columns(PackedWeights::State& s) {
  s.chunk = s.depth <= kShortDepth ? kShortChunk : kChunk;
  const std::int64_t chunks = s.chunks();
  const auto width = static_cast<std::size_t>(s.padded_cols);
  s.column_sum.assign(static_cast<std::size_t>(chunks + 1) * width, 0);
  s.squares.assign(static_cast<std::size_t>(chunks) * width, 0);
  for (auto* sums : {&s.positive, &s.negative}) sums->assign(width, 0);
  for (auto* norms : {&s.positive_norm, &s.negative_norm, &s.norm}) norms->assign(width, 0.0F);
  for (std::int64_t c = 0; c < s.cols; ++c) {
    const auto column = static_cast<std::size_t>(c);
    std::int64_t positive_squares = 0;
    std::int64_t negative_squares = 0;
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
      const std::size_t at = static_cast<std::size_t>(chunk) * width + column;
      std::int32_t sum = 0;
      for (std::int64_t k = chunk * s.chunk; k < std::min(s.depth, (chunk + 1) * s.chunk); ++k) {
        const std::int32_t w = s.at(k, c);
        sum += w;
        s.squares[at] += w * w;
        (w > 0 ? s.positive : s.negative)[column] += w > 0 ? w : -w;
        (w > 0 ? positive_squares : negative_squares) += w * w;
      }
      s.column_sum[at + width] = s.column_sum[at] + sum;
    }
    s.positive_norm[column] = norm_of(static_cast<double>(positive_squares));
    s.negative_norm[column] = norm_of(static_cast<double>(negative_squares));
    s.norm[column] = norm_of(static_cast<double>(positive_squares + negative_squares));
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
  s.padded_cols = round_up(cols, kNr);
  s.padded_depth = round_up(depth, 4);
  if (!s.quads) {
    s.wide.resize(static_cast<std::size_t>(depth * s.padded_cols));
    for (std::int64_t k = 0; k < depth; ++k)
      std::copy_n(rhs + k * rhs_stride, cols, &s.wide[static_cast<std::size_t>(k * s.padded_cols)]);
    return;
  }
  s.bytes.resize(static_cast<std::size_t>(s.padded_depth * s.padded_cols));
  for (std::int64_t k = 0; k < depth; ++k) {
    for (std::int64_t c = 0; c < cols; ++c) {
      s.bytes[static_cast<std::size_t>((c / kHalf * (s.padded_depth / 4) + k / 4) * kHalf * 4 + c % kHalf * 4 +
                                       k % 4)] = static_cast<std::int8_t>(rhs[k * rhs_stride + c]);
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
