// Bounds on the columns of a block, from cheap to dear.
#include "arith/detail/column_proof.hpp"

#include <algorithm>
#include <bit>

#include "arith/detail/proof_bounds.hpp"

namespace guardbit::arith::detail {
namespace {

constexpr std::int64_t kNear = 8;                 // a part of a format's range that is near its bound
constexpr std::int64_t kFar = 16;                 // times a format's range
constexpr std::int64_t kMostSum = (1 << 30) - 2;  // of watched sums: 31 bits, moved by kMostMove + 1, too
constexpr std::size_t kKeptNorms = 1 << 14;       // of segments, for all blocks together

std::uint32_t lowest_bit(std::uint32_t bits) { return bits & (~bits + 1); }

}  // namespace

std::uint32_t ColumnProof::above_norm(const ColumnBlock& block, std::uint32_t open, float norm,
                                      const Limits& limits) const {
  const bool signs = p_.offset != 0;  // values of both signs
  std::uint32_t risky = 0;
  for (std::uint32_t bits = open; bits != 0; bits &= bits - 1) {
    const int c = std::countr_zero(bits);
    const auto column = static_cast<std::size_t>(block.first_col + c);
    const double up = double{norm} * double{signs ? w_.norm[column] : w_.positive_norm[column]};
    const double down = double{norm} * double{signs ? w_.norm[column] : w_.negative_norm[column]};
    if (up > static_cast<double>(limits.high - block.value[c]) ||
        down > static_cast<double>(block.value[c] - limits.low)) {
      risky |= lowest_bit(bits);
    }
  }
  return risky;
}

bool ColumnProof::may_go_far(const ColumnBlock& block, const Limits& limits) const {
  const auto [up, down] = moves(static_cast<std::size_t>(block.first_col), p_.x_low, p_.x_high);
  return (up + down) / kFar > limits.high - limits.low;
}

std::uint32_t ColumnProof::not_bounded_loosely(const ColumnBlock& block, std::uint32_t open, LeftRows& left,
                                               const Limits& limits) {
  if (!coarse_pays_) return open;
  const std::uint32_t risky = above_norm(block, open, left.norm(true), limits);
  coarse_pays_ = risky == 0;  // else it has cost time and proved nothing
  return risky;
}

std::uint32_t ColumnProof::not_bounded(const ColumnBlock& block, std::uint32_t open, LeftRows& left,
                                       const Limits& limits) {
  std::uint32_t risky = above_norm(block, open, left.norm(), limits);
  if (risky == 0) return 0;
  // The range of the bytes, if what all codes could do is not too far off.
  for (std::uint32_t bits = risky; bits != 0; bits &= bits - 1) {
    const int c = std::countr_zero(bits);
    const auto [up, down] = moves(static_cast<std::size_t>(block.first_col + c), p_.x_low, p_.x_high);
    if (up > 2 * (limits.high - block.value[c]) || down > 2 * (block.value[c] - limits.low)) return risky;
  }
  const ByteRange bytes = left.range();
  const std::int64_t low = std::min(0, bytes.min - p_.offset);
  const std::int64_t high = std::max(0, bytes.max - p_.offset);
  for (std::uint32_t bits = risky; bits != 0; bits &= bits - 1) {
    const int c = std::countr_zero(bits);
    const auto [up, down] = moves(static_cast<std::size_t>(block.first_col + c), low, high);
    if (block.value[c] + up <= limits.high && block.value[c] - down >= limits.low) risky &= ~lowest_bit(bits);
  }
  return risky;
}

std::uint32_t ColumnProof::hopeless(const ColumnBlock& block, std::uint32_t risky, LeftRows& left,
                                    const Limits& limits) const {
  std::uint32_t found = risky & hopeless_[static_cast<std::size_t>(block.block)];
  const double share = double{left.norm()} / 2 / static_cast<double>(std::max<std::int64_t>(w_.chunks(), 1));
  for (std::uint32_t bits = risky & ~found; bits != 0; bits &= bits - 1) {
    const int c = std::countr_zero(bits);
    const std::int64_t room = std::min(limits.high - block.value[c], block.value[c] - limits.low);
    const float norm = w_.norm[static_cast<std::size_t>(block.first_col + c)];
    const bool near = room < (limits.high - limits.low) / kNear;
    if (near && share * double{norm} > static_cast<double>(room)) found |= lowest_bit(bits);
  }
  return found;
}

const ColumnProof::Segments& ColumnProof::segments(const ColumnBlock& block, std::int64_t chunks_each) {
  const std::int64_t count = (w_.chunks() + chunks_each - 1) / chunks_each;
  const auto size = static_cast<std::size_t>(count) * kNr;
  const bool keep = size * p_.columns.size() <= kKeptNorms;
  const auto at = static_cast<std::size_t>(keep ? block.block : 0);
  if (kept_.size() <= at) kept_.resize(keep ? p_.columns.size() : 1);
  Segments& s = kept_[at];
  if (s.block == &block && s.chunks_each == chunks_each) return s;
  s.block = &block;
  s.chunks_each = chunks_each;
  s.count = count;
  s.norms.resize(size);
  s.corrections.resize(p_.offset == 0 ? 0 : size);
  const auto width = static_cast<std::size_t>(w_.padded_cols);
  const auto first = static_cast<std::size_t>(block.first_col);
  const std::int32_t* total = &w_.column_sum[static_cast<std::size_t>(w_.chunks()) * width + first];
  for (std::int64_t segment = 0; segment < count; ++segment) {
    const std::int64_t end = std::min(w_.chunks(), (segment + 1) * chunks_each);
    std::int32_t squares[kNr] = {};
    for (std::int64_t chunk = segment * chunks_each; chunk < end; ++chunk) {
      const std::int32_t* from = &w_.squares[static_cast<std::size_t>(chunk) * width + first];
      for (int c = 0; c < kNr; ++c) squares[c] += from[c];
    }
    float* to = &s.norms[static_cast<std::size_t>(segment) * kNr];
    for (int c = 0; c < kNr; ++c) to[c] = half_norm_of(squares[c]);
    if (p_.offset == 0) continue;
    const std::int32_t* sum = &w_.column_sum[static_cast<std::size_t>(end) * width + first];
    std::int32_t* correction = &s.corrections[static_cast<std::size_t>(segment) * kNr];
    for (int c = 0; c < kNr; ++c) correction[c] = p_.offset * (total[c] - sum[c]);
  }
  return s;
}

WatchBlock ColumnProof::watch(const ColumnBlock& block, std::uint32_t risky, LeftRows& left, const Limits& limits) {
  // As many segments as let the column that moves most use half of the room of a sum in the middle; where only what has
  // been seen may be reached, a quarter.
  float norm = 0;
  for (std::uint32_t bits = risky; bits != 0; bits &= bits - 1) {
    norm = std::max(norm, w_.norm[static_cast<std::size_t>(block.first_col + std::countr_zero(bits))]);
  }
  const double move = double{left.norm()} * double{norm} / 2;
  const double room = static_cast<double>(std::max<std::int64_t>(limits.high - limits.low, 1)) / (p_.range ? 8 : 4);
  const auto wanted = static_cast<std::int64_t>(std::min(move / room * static_cast<double>(finer_), 1e6)) + 1;
  // The longest segments of which there are so many: each end costs.
  chunks_each_ = wanted == 1 ? std::max<std::int64_t>(1, w_.chunks())
                             : std::max<std::int64_t>(1, (w_.chunks() - 1) / (wanted - 1));
  const Segments& s = segments(block, chunks_each_);
  return {.segments = static_cast<int>(s.count),
          .segment_quads = chunks_each_ * w_.chunk / 4,
          .value = block.value,
          .correction = s.corrections.empty() ? nullptr : s.corrections.data(),
          .left = nullptr,
          .right = s.norms.data(),
          .low = static_cast<std::int32_t>(std::clamp(limits.low, -kMostSum, kMostSum)),
          .high = static_cast<std::int32_t>(std::clamp(limits.high, -kMostSum, kMostSum)),
          .failing = nullptr};
}

void ColumnProof::learn(const ColumnBlock& block, std::uint32_t risky, std::span<const std::uint32_t> failing) {
  std::size_t tiles = 0;
  std::uint32_t any = 0;
  for (const std::uint32_t columns : failing) {
    tiles += (columns & risky) != 0 ? 1 : 0;
    any |= columns & risky;
  }
  if (tiles * 8 < failing.size()) return;
  if (chunks_each_ > 1) {
    finer_ *= 2;
    return;
  }
  for (std::uint32_t bits = any; bits != 0; bits &= bits - 1) {
    const int c = std::countr_zero(bits);
    std::size_t fails = 0;
    for (const std::uint32_t columns : failing) fails += columns >> c & 1;
    if (fails * 4 >= failing.size() * 3) hopeless_[static_cast<std::size_t>(block.block)] |= lowest_bit(bits);
  }
}

}  // namespace guardbit::arith::detail
