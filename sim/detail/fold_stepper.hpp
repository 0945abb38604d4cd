// One pass of a weight- or input-stationary array, cycle by cycle: load of the operands that stay, skewed operands at
// the edges of a PeGrid, results into the accumulator memory. Counts its own cycles; knows no formula for them.
//
// Rows hold k. Weight stationary: columns hold n, m is streamed. Input stationary: columns hold m, n is streamed.
#pragma once

#include <span>

#include "nets/engines/engine.hpp"
#include "sim/detail/pass_access.hpp"
#include "sim/detail/sum_block.hpp"

namespace guardbit::sim {

// What a pass works on.
struct FoldData {
  const LayerState* state = nullptr;
  const Fold* fold = nullptr;
  std::span<const std::int32_t> activations;  // [m, k]
  std::span<const std::int32_t> weights;      // [k, n]
  SumBlock sums;                              // [m, n]
  PassAccess access;
};

template <class T>
class FoldStepper {
 public:
  void begin(const FoldData& data);
  // One clock edge; true when the last result has been taken over by the accumulator memory.
  [[nodiscard]] bool edge(nets::LayerCost& cost);

 private:
  void arrange();
  void load_edge();
  void capture();
  void feed();
  void feed_operands();
  void feed_sums();
  void record_column_evidence();
  [[nodiscard]] Span in_time(std::int64_t cycle, std::int64_t lanes) const;
  // Where the sum of streamed operand t in column c stands.
  [[nodiscard]] std::int64_t place(std::int64_t t, std::int64_t c) const { return t * time_step_ + c * column_step_; }
  // The sums of operand cycle - c in columns c.
  [[nodiscard]] Lanes lanes_of(const Span& columns, std::int64_t cycle) const {
    return {place(cycle - columns.begin, columns.begin), column_step_ - time_step_, columns.size()};
  }

  FoldData data_;
  PeGrid<T> grid_;
  std::span<const std::int32_t> staying_, streamed_;  // [k, columns used], [time, k]
  std::vector<std::int32_t> transposed_[2];           // what they show where it is not the data as it came
  std::vector<std::int64_t> bubbles_;
  bool pixels_in_columns_ = false;  // input stationary
  int rows_ = 0, columns_ = 0, used_ = 0;
  std::int64_t time_ = 0, depth_ = 0;  // operands streamed, reduction indices
  std::int64_t time_step_ = 0, column_step_ = 0;
  std::int64_t fold_index_ = 0, folds_ = 0;
  int loaded_rows_ = 0;
  std::int64_t cycle_ = 0;     // since streaming began
  std::int64_t captured_ = 0;  // results that left the array, of all columns
};

}  // namespace guardbit::sim
