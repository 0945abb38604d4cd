// How one call of gemm() computes: what the format, the operands and the weights allow.
#pragma once

#include <optional>

#include "arith/detail/packed_weights.hpp"

namespace guardbit::arith::detail {

// The block path: 8-bit operands, sums that fit 32 bits, and groups that lanes can follow.
struct GemmPlan {
  const GemmLhs& lhs;
  const PackedWeights::State& weights;
  std::span<const std::int64_t> initial;
  const Accumulation& accumulation;
  std::int64_t rows = 0;
  const GemmKernels* kernels = nullptr;

  std::int64_t low = 0, high = 0;      // of the accumulator's format
  std::int32_t offset = 0;             // value = byte - offset, byte = code, or code + 128
  std::int32_t flip = 0;               // byte = code ^ flip
  std::int64_t x_low = 0, x_high = 0;  // values of any code
  std::int64_t step = 1;               // products per group
  std::int64_t chunk = 0;              // products that are proven or redone together: whole groups, whole proof blocks
  bool all_proven = false;             // by weights and codes alone

  bool lanes = false;  // lanes16 or lanes32 can redo a chunk
  bool lanes16 = false;
  bool lanes32 = false;
  LaneFit fit = LaneFit::Clamp;  // of lanes32
  bool use_lanes16 = false;      // what a redo uses
  bool use_static = true;        // skip the guard where weights and codes prove
  bool use_guard = true;
  bool may_give_up = true;  // switch the guard off while it keeps failing

  [[nodiscard]] std::int64_t start(std::int64_t col) const {
    return initial.empty() ? 0 : initial[static_cast<std::size_t>(col)];
  }
  [[nodiscard]] std::int64_t chunks() const { return (weights.depth + chunk - 1) / chunk; }
  // The running sums of a block are exact sums (and wrapped at the end), not values.
  [[nodiscard]] bool keeps_exact() const { return !use_lanes16 && fit == LaneFit::Toggle; }
};

// Null when the block path cannot do it at all.
[[nodiscard]] std::optional<GemmPlan> make_gemm_plan(const GemmLhs& lhs, std::int64_t rows,
                                                     const PackedWeights& weights,
                                                     std::span<const std::int64_t> initial,
                                                     const Accumulation& accumulation);

// Rows first .. last - 1 and column blocks first_block .. last_block - 1 of the block path.
void gemm_blocks(const GemmPlan& plan, std::int64_t first, std::int64_t last, std::int64_t first_block,
                 std::int64_t last_block, const GemmOut& out, AccumulationEvidence& evidence, GemmWork& work);

}  // namespace guardbit::arith::detail
