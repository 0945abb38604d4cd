// Evidence and final values of what lanes computed, and of initial values that overflow.
#pragma once

#include "arith/detail/gemm_plan.hpp"

namespace guardbit::arith::detail {

// Of rows, kNr each.
struct LaneResults {
  const std::int32_t* sums;
  const std::int32_t* overflows;
  const std::int32_t* losses;
};

class BlockCounts {
 public:
  BlockCounts(const GemmPlan& plan, OverflowCounts& counts) : p_(plan), counts_(counts) {}

  void new_rows() { row_ = col_ = -1; }

  // Begins to bring the rows' outputs into the nearest cache.
  static void fetch(std::span<const std::int32_t> rows, const std::int32_t* out, std::int64_t stride) {
    for (const std::int32_t row : rows) {
      for (int c = 0; c < kNr; c += kHalf) __builtin_prefetch(out + row * stride + c, 1);
    }
  }

  // A row that lanes computed whole. `out` holds its plain product, and then its values.
  void settle_row(const ColumnBlock& block, std::int64_t row, const std::int32_t* sums, const std::int32_t* overflows,
                  std::int32_t* out);
  // Some such rows without the plain product, if all outputs that overflowed lost something modulo 2^16. If not, only
  // the exact sum tells: false, and nothing is done. Row r's values go to out + r * stride.
  [[nodiscard]] bool settle_lost_rows(const ColumnBlock& block, std::span<const std::int32_t> rows,
                                      const LaneResults& lanes, std::int32_t* out, std::int64_t stride);
  // One column of rows first .. first + count - 1.
  void settle_column(const ColumnBlock& block, int column, std::int64_t first, std::int64_t count,
                     const std::int32_t* sums, const std::int32_t* overflows, std::int32_t* out, std::int64_t stride);
  // Outputs whose initial value overflows and nothing else does: what that narrowing changed stays.
  void add_starts(const ColumnBlock& block, std::int64_t outputs);
  void add_total(std::int64_t outputs) { counts_.total += static_cast<std::uint64_t>(outputs); }

  // The first output of these rows with an overflow; -1: none. Rows ascend: the first rows with one decide.
  [[nodiscard]] std::int64_t first_row() const { return row_; }
  [[nodiscard]] std::int64_t first_col() const { return col_; }
  [[nodiscard]] bool found() const { return counts_.first.has_value(); }
  void set_first(FirstOverflow first) { counts_.first = first; }

 private:
  void add(std::int64_t changed, std::int64_t outputs, std::int64_t harmful);
  void candidate(std::int64_t row, std::int64_t col);
  void first_of_row(const ColumnBlock& block, std::int64_t row, const std::int32_t* overflows, std::int32_t outputs);

  const GemmPlan& p_;
  OverflowCounts& counts_;
  std::int64_t row_ = -1, col_ = -1;
};

}  // namespace guardbit::arith::detail
