// One pass of an output-stationary array, cycle by cycle: skewed operands at the edges of an OutputGrid; after the pass
// that ends the reduction the bottom row leaves into the accumulator memory, once per array row. Counts its own cycles;
// knows no formula for them.
#pragma once

#include "sim/detail/fold_stepper.hpp"
#include "sim/detail/output_grid.hpp"

namespace guardbit::sim {

// Rows hold m, columns hold n, k is streamed. Passes of one block (m, n) follow each other without a stranger between.
template <class T>
class OutputStepper {
 public:
  void begin(const FoldData& data);
  // One clock edge; true when the last operand has been added or, if the pass drains, the last sum taken over.
  [[nodiscard]] bool edge(nets::LayerCost& cost);

 private:
  void start_sums();
  bool stream_edge();
  void drain_edge();

  FoldData data_;
  OutputGrid<T> grid_;
  std::vector<std::int32_t> x_, w_;  // wires at the left and at the top
  int rows_ = 0, columns_ = 0;
  std::int64_t depth_ = 0;    // of this pass
  std::int64_t cycle_ = 0;    // since streaming began
  std::int64_t issued_ = 0;   // multiplications, those of unused PEs included
  std::int64_t drained_ = 0;  // rows taken over
};

}  // namespace guardbit::sim
