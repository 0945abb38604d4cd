// What the rows at hand prove about the columns of a block.
#pragma once

#include "arith/detail/left_rows.hpp"

namespace guardbit::arith::detail {

// Where running sums must stay: in the accumulator's format, or in what has been seen of their range, too.
struct Limits {
  std::int64_t low = 0, high = 0;
};

class ColumnProof {
 public:
  explicit ColumnProof(const GemmPlan& plan) : p_(plan), w_(plan.weights), hopeless_(plan.columns.size()) {}

  // Whether all codes could take the block's first column so far beyond the limits that a glance at sums comes first.
  [[nodiscard]] bool may_go_far(const ColumnBlock& block, const Limits& limits) const;
  // The columns of `open` that a loose bound on the rows' norms does not prove, while that pays.
  [[nodiscard]] std::uint32_t not_bounded_loosely(const ColumnBlock& block, std::uint32_t open, LeftRows& left,
                                                  const Limits& limits);
  // Of those, the columns that neither the rows' norms nor the range of their bytes prove.
  [[nodiscard]] std::uint32_t not_bounded(const ColumnBlock& block, std::uint32_t open, LeftRows& left,
                                          const Limits& limits);

  // Of `risky` those whose sums begin, or have turned out to run, so near a bound that watching them proves nothing.
  [[nodiscard]] std::uint32_t hopeless(const ColumnBlock& block, std::uint32_t risky, LeftRows& left,
                                       const Limits& limits) const;

  // Segments that may do for `risky`, the rest of WatchBlock for the caller; valid until the next call.
  [[nodiscard]] WatchBlock watch(const ColumnBlock& block, std::uint32_t risky, LeftRows& left, const Limits& limits);
  [[nodiscard]] std::int64_t chunks_each() const { return chunks_each_; }

  // How watching went: `failing`, one word per tile.
  void learn(const ColumnBlock& block, std::uint32_t risky, std::span<const std::uint32_t> failing);

 private:
  // How far up and down a column's sums can move with values in [low, high], low <= 0 <= high.
  struct Moves {
    std::int64_t up, down;
  };
  [[nodiscard]] Moves moves(std::size_t column, std::int64_t low, std::int64_t high) const {
    return {high * w_.positive[column] - low * w_.negative[column],
            high * w_.negative[column] - low * w_.positive[column]};
  }
  [[nodiscard]] std::uint32_t above_norm(const ColumnBlock& block, std::uint32_t open, float norm,
                                         const Limits& limits) const;

  // A cut of the reduction, and what a watched product needs of the block's weights.
  struct Segments {
    const ColumnBlock* block = nullptr;
    std::int64_t chunks_each = 0, count = 0;
    LineVector<float> norms;               // [segments][kNr], halved
    LineVector<std::int32_t> corrections;  // [segments][kNr], or empty
  };
  [[nodiscard]] const Segments& segments(const ColumnBlock& block, std::int64_t chunks_each);

  const GemmPlan& p_;
  const PackedWeights::State& w_;
  bool coarse_pays_ = true;
  std::vector<std::uint32_t> hopeless_;  // per block, what watching found
  std::int64_t finer_ = 1;
  std::int64_t chunks_each_ = 1;
  std::vector<Segments> kept_;  // per block, or one for all where that would be much
};

}  // namespace guardbit::arith::detail
