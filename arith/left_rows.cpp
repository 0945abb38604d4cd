// Reading of the left operand's rows, and their bounds.
#include "arith/detail/left_rows.hpp"

#include <algorithm>
#include <cstring>

#include "arith/detail/proof_bounds.hpp"

namespace guardbit::arith::detail {

LeftRows::LeftRows(const GemmPlan& plan, std::int64_t most_rows)
    : plan_(plan),
      depth_(plan.weights.depth),
      stride_(std::max<std::int64_t>(plan.weights.padded_depth, 4)),
      chunks_(plan.weights.chunks()),
      direct_(plan.source == nullptr && plan.flip == 0 && plan.lhs.stride >= std::max<std::int64_t>(depth_, 4)) {
  if (!direct_) {
    packed_.resize(static_cast<std::size_t>(most_rows * stride_));
  } else if (depth_ % 4 != 0) {
    packed_.resize(static_cast<std::size_t>(kMr * stride_));
  }
}

void LeftRows::read(std::int64_t first, std::int64_t count) {
  first_ = first;
  count_ = count;
  squared_ = coarse_ = ranged_ = false;
  norms_each_ = 0;
  used_runs_ = 1;
  if (plan_.source != nullptr) {
    plan_.source->rows(first, count, packed_.data(), stride_);
    if (plan_.flip != 0) {
      for (std::int64_t i = 0; i < count * stride_; ++i) packed_[static_cast<std::size_t>(i)] ^= 128;
    }
    runs_[0] = {0, count, packed_.data(), stride_};
    return;
  }
  const auto* codes = static_cast<const std::uint8_t*>(plan_.lhs.data) + first * plan_.lhs.stride;
  if (!direct_) {
    for (std::int64_t r = 0; r < count; ++r) {
      const std::uint8_t* from = codes + r * plan_.lhs.stride;
      std::uint8_t* to = &packed_[static_cast<std::size_t>(r * stride_)];
      for (std::int64_t k = 0; k < depth_; ++k) to[k] = static_cast<std::uint8_t>(from[k] ^ plan_.flip);
    }
    runs_[0] = {0, count, packed_.data(), stride_};
    return;
  }
  // The last row of all has no successor whose bytes could be read: its tile is copied.
  const bool copy = depth_ % 4 != 0 && first + count == plan_.rows;
  const std::int64_t in_place = copy ? (count - 1) / kMr * kMr : count;
  used_runs_ = 0;
  if (in_place != 0) runs_[static_cast<std::size_t>(used_runs_++)] = {0, in_place, codes, plan_.lhs.stride};
  if (in_place == count) return;
  for (std::int64_t r = in_place; r < count; ++r) {
    std::memcpy(&packed_[static_cast<std::size_t>((r - in_place) * stride_)], codes + r * plan_.lhs.stride,
                static_cast<std::size_t>(depth_));
  }
  runs_[static_cast<std::size_t>(used_runs_++)] = {in_place, count - in_place, packed_.data(), stride_};
}

void LeftRows::run_squares(std::int64_t chunk, bool coarse, std::int32_t* to) {
  const std::int64_t chunks = (depth_ + chunk - 1) / chunk;
  for (const Run& run : runs()) {
    plan_.kernels->squares({.lhs = run.base,
                            .lhs_stride = run.stride,
                            .rows = run.rows,
                            .depth = depth_,
                            .chunk = chunk,
                            .offset = plan_.offset,
                            .coarse = coarse,
                            .squares = to + run.first / kMr * chunks});
  }
}

void LeftRows::square() {
  if (squared_) return;
  squared_ = true;
  squares_.resize(static_cast<std::size_t>(tiles() * chunks_));
  run_squares(plan_.weights.chunk, false, squares_.data());
  std::int64_t largest = 0;
  const std::int32_t* tile = squares_.data();
  for (std::int64_t t = 0; t < tiles(); ++t, tile += chunks_) {
    std::int64_t sum = 0;
    for (std::int64_t c = 0; c < chunks_; ++c) sum += tile[c];
    largest = std::max(largest, sum);
  }
  norm_ = norm_of(static_cast<double>(largest));
}

namespace {

void segment_norms(const std::int32_t* squares, std::int64_t chunks, std::int64_t chunks_each, float* to) {
  for (std::int64_t c = 0; c < chunks; c += chunks_each) {
    std::int64_t sum = 0;
    for (std::int64_t i = c; i < std::min(chunks, c + chunks_each); ++i) sum += squares[i];
    *to++ = norm_of(static_cast<double>(sum));
  }
}

}  // namespace

float LeftRows::norm(bool coarse) {
  if (!coarse || squared_) {
    square();
    return norm_;
  }
  if (!coarse_) {
    coarse_ = true;
    coarse_squares_.resize(static_cast<std::size_t>(tiles()));
    run_squares(std::max<std::int64_t>(depth_, 1), true, coarse_squares_.data());
    coarse_norm_ = norm_of(*std::max_element(coarse_squares_.begin(), coarse_squares_.end()));
  }
  return coarse_norm_;
}

const float* LeftRows::tile_norms(std::int64_t chunks_each) {
  square();
  if (norms_each_ == chunks_each) return norms_.data();
  norms_each_ = chunks_each;
  const std::int64_t segments = (chunks_ + chunks_each - 1) / chunks_each;
  norms_.resize(static_cast<std::size_t>(tiles() * segments));
  for (std::int64_t t = 0; t < tiles(); ++t) {
    segment_norms(&squares_[static_cast<std::size_t>(t * chunks_)], chunks_, chunks_each,
                  &norms_[static_cast<std::size_t>(t * segments)]);
  }
  return norms_.data();
}

void LeftRows::norms_of(std::int64_t r, std::int64_t rows, std::int64_t chunks_each, float* to) {
  const Run run = part(r, rows);
  row_squares_.resize(static_cast<std::size_t>(chunks_));
  plan_.kernels->squares({.lhs = run.base,
                          .lhs_stride = run.stride,
                          .rows = rows,
                          .depth = depth_,
                          .chunk = plan_.weights.chunk,
                          .offset = plan_.offset,
                          .coarse = false,
                          .squares = row_squares_.data()});
  segment_norms(row_squares_.data(), chunks_, chunks_each, to);
}

ByteRange LeftRows::range() {
  if (ranged_) return range_;
  ranged_ = true;
  range_ = {255, 0};
  for (const Run& run : runs()) {
    int min = 0;
    int max = 0;
    plan_.kernels->byte_range(run.base, run.stride, run.rows, depth_, &min, &max);
    range_ = {std::min(range_.min, min), std::max(range_.max, max)};
  }
  return range_;
}

}  // namespace guardbit::arith::detail
