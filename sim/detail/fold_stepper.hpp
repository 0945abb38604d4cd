// One fold, cycle by cycle: weight load, skewed operands at the edges of a PeGrid, results into the accumulator memory.
// Counts its own cycles; knows no formula for them.
#pragma once

#include <span>

#include "nets/engines/engine.hpp"
#include "sim/detail/layer_state.hpp"
#include "sim/detail/pe_grid.hpp"

namespace guardbit::sim {

// What a fold works on. Sums are [pixels, columns used] of the accumulator memory.
struct FoldData {
  const LayerState* state = nullptr;
  const Fold* fold = nullptr;
  std::span<const std::int32_t> operands;  // [pixels, k]
  std::span<const std::int32_t> weights;   // [k, n]
  std::int64_t *value = nullptr, *exact = nullptr, *first = nullptr;
  std::int64_t first_output = 0;  // index of output (pixel 0, column 0); pixels are K apart
  arith::AccumulationEvidence* evidence = nullptr;
};

template <class T>
class FoldStepper {
 public:
  void begin(const FoldData& data);
  // One clock edge; true when the last result has been taken over by the accumulator memory.
  [[nodiscard]] bool edge(nets::LayerCost& cost);

 private:
  void load_edge();
  void start_sums();
  void capture();
  void feed();
  void take_partial_sum(std::size_t at, std::int64_t pixel, int column);
  void record_column_evidence();
  void record_outputs();

  FoldData data_;
  PeGrid<T> grid_;
  PeRules memory_rules_;  // of the accumulator memory's own adder, with psum
  std::vector<std::int64_t> bubbles_;
  int rows_ = 0, columns_ = 0, used_ = 0;
  std::int64_t pixels_ = 0, depth_ = 0;
  int loaded_rows_ = 0;
  std::int64_t cycle_ = 0;     // since streaming began
  std::int64_t captured_ = 0;  // results that left the array, of all columns
};

// narrow(value) by the rules of a PE; true in `overflowed` when it changed.
[[nodiscard]] std::int64_t narrow_by(const PeRules& rules, arith::int128 value, bool& overflowed);

}  // namespace guardbit::sim
