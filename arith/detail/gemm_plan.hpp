// How one call of gemm() computes: what the format, the operands and the weights allow.
#pragma once

#include <optional>
#include <vector>

#include "arith/detail/packed_weights.hpp"

namespace guardbit::arith::detail {

// Rows of the left operand that are made when they are needed: patches of a convolution.
class RowSource {
 public:
  virtual ~RowSource() = default;
  // Codes of rows first .. first + count - 1, `stride` bytes apart.
  virtual void rows(std::int64_t first, std::int64_t count, std::uint8_t* to, std::int64_t stride) const = 0;
  // Values k .. k + depth - 1 of such rows, one after the other.
  virtual void values(std::int64_t first, std::int64_t count, std::int64_t k, std::int64_t depth,
                      std::int32_t* to) const = 0;
};

// Up to kNr columns: where their sums begin, and what weights and codes alone say about them. One bit per column.
struct ColumnBlock {
  std::int64_t block = 0, first_col = 0;
  int cols = 0;
  std::uint32_t used = 0;         // the columns there are
  std::uint32_t proven = 0;       // no narrowing but the initial value's can overflow
  std::uint32_t overflowing = 0;  // whose initial value does
  // Initial values: narrowed, exact, what lanes begin with, its overflows, what they lost, and what a plain product
  // begins with.
  alignas(64) std::int32_t value[kNr] = {};
  alignas(64) std::int32_t exact[kNr] = {};
  alignas(64) std::int32_t lane_value[kNr] = {};
  alignas(64) std::int32_t lane_count[kNr] = {};
  alignas(64) std::int32_t lane_loss[kNr] = {};  // exact - value, modulo 2^32
  alignas(64) std::int32_t plain[kNr] = {};
};

// The block path: 8-bit operands, sums that fit 32 bits, and groups that lanes can follow.
struct GemmPlan {
  const GemmLhs& lhs;
  const PackedWeights::State& weights;
  std::span<const std::int64_t> initial;
  const Accumulation& accumulation;
  std::int64_t rows = 0;
  const RowSource* source = nullptr;  // else rows are at lhs.data
  const GemmKernels* kernels = nullptr;

  std::int64_t low = 0, high = 0;      // of the accumulator's format
  std::int32_t offset = 0;             // value = byte - offset, byte = code, or code + 128
  std::int32_t flip = 0;               // byte = code ^ flip
  std::int64_t x_low = 0, x_high = 0;  // values of any code
  std::int64_t step = 1;               // products per group
  std::int64_t chunk = 0;              // products that lanes take at once: whole groups, whole quads
  std::vector<ColumnBlock> columns = {};
  bool all_proven = false;  // by weights and codes alone

  bool lanes = false;  // lanes16 or lanes32 can compute it
  bool lanes16 = false;
  bool lanes32 = false;
  LaneFit fit = LaneFit::Clamp;  // of lanes32
  bool watchable = false;        // sums, before zero points are corrected, fit 32 bits at every step
  bool use_lanes16 = false;      // of the two
  bool use_static = true;        // skip the guard where weights and codes prove
  bool use_guard = true;
  bool rangeable = false;   // lanes can follow the groups, with exact sums
  bool range = false;       // the range of the exact sums is wanted
  bool may_give_up = true;  // switch the guard off while it keeps failing

  [[nodiscard]] std::int64_t start(std::int64_t col) const {
    return initial.empty() ? 0 : initial[static_cast<std::size_t>(col)];
  }
  // Rows that are worked on together: what proofs and lanes need of them is made once for all columns.
  [[nodiscard]] std::int64_t rows_together() const;
  [[nodiscard]] std::int64_t chunks() const { return (weights.depth + chunk - 1) / chunk; }
  // The running sums of lanes are exact sums (and wrapped at the end), not values.
  [[nodiscard]] bool keeps_exact() const { return !use_lanes16 && fit == LaneFit::Toggle; }
  // Lanes tell by how much values and exact sums differ, modulo 2^16; wrapped sums differ by multiples of that.
  [[nodiscard]] bool tells_loss() const {
    return use_lanes16 && accumulation.accumulator.format.overflow != Overflow::WRAP;
  }
  [[nodiscard]] std::uint32_t mask() const {
    const int width = accumulation.accumulator.format.width;
    return width >= 32 ? ~0U : static_cast<std::uint32_t>((std::uint64_t{1} << width) - 1);
  }
  [[nodiscard]] std::int32_t wrapped(std::int32_t sum) const {
    const auto base = static_cast<std::uint32_t>(low);
    return static_cast<std::int32_t>(((static_cast<std::uint32_t>(sum) - base) & mask()) + base);
  }
};

// Null when the block path cannot do it at all.
[[nodiscard]] std::optional<GemmPlan> make_gemm_plan(const GemmLhs& lhs, std::int64_t rows,
                                                     const PackedWeights& weights,
                                                     std::span<const std::int64_t> initial,
                                                     const Accumulation& accumulation);
// What lanes begin with depends on which lanes.
void set_lane_starts(GemmPlan& plan);

// The first narrowing of an output that changes its sum, by the definition; `bytes` are its row's.
[[nodiscard]] std::int64_t first_narrowing(const GemmPlan& plan, const std::uint8_t* bytes, std::int64_t col);

// Rows first .. last - 1 and column blocks first_block .. last_block - 1 of the block path.
void gemm_blocks(const GemmPlan& plan, std::int64_t first, std::int64_t last, std::int64_t first_block,
                 std::int64_t last_block, const GemmOut& out, AccumulationEvidence& evidence, GemmWork& work);

}  // namespace guardbit::arith::detail
