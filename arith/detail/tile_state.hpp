// State of an AccumulatorTile: one lane per output, in arrays, because the kernels work on whole rows of outputs.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "arith/accumulate.hpp"

namespace guardbit::arith {

// The first psum overflow of a row: column, fold, narrowing within the fold.
struct FirstPsumOverflow {
  int col = 0;
  std::int64_t fold = 0;
  std::int64_t narrowing = 0;
};

struct AccumulatorTile::State {
  static constexpr std::int64_t kNone = -1;

  Accumulation accumulation;
  int max_rows = 0;
  int max_cols = 0;

  int rows = 0;
  int cols = 0;
  std::int64_t narrowings = 0;  // so far, the same for every output; the initial value's is the first
  std::int64_t depth = 0;       // products so far, per output
  std::int64_t folds = 0;       // folds so far

  // [max_rows * max_cols], row stride max_cols
  std::vector<std::int64_t> value;
  std::vector<std::int64_t> exact;
  std::vector<std::int64_t> exact_min;
  std::vector<std::int64_t> exact_max;
  std::vector<std::uint64_t> overflows;
  std::vector<std::int64_t> first;  // narrowing index of the first overflow, or kNone

  OverflowCounts psum;                                      // its `first` is in first_psum
  std::vector<std::optional<FirstPsumOverflow>> first_psum;  // per row

  // Scratch, one per column.
  std::vector<std::int64_t> group_sum;
  std::vector<std::int64_t> psum_value;
  std::vector<std::int64_t> psum_exact;
  std::vector<std::int64_t> psum_first;
};

namespace detail {

// A block of operands: lhs [rows, depth], rhs [depth, cols].
struct Operands {
  const std::int32_t* lhs;
  std::int64_t lhs_stride;
  const std::int32_t* rhs;
  std::int64_t rhs_stride;
  int depth;
};

// Any accumulation, one group of one row at a time.
void accumulate_general(AccumulatorTile::State& state, int row, const Operands& operands);

}  // namespace detail
}  // namespace guardbit::arith
