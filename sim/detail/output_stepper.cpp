#include "sim/detail/output_stepper.hpp"

#include <algorithm>

namespace guardbit::sim {
namespace {

// The wires of a side in a cycle in which lane l meets operand cycle - l: `operands` at these lanes, 0 at all others.
Lanes present(std::int64_t cycle, std::int64_t depth, std::int64_t used, std::int64_t lane_step, std::int64_t time_step,
              std::span<const std::int32_t> operands, std::vector<std::int32_t>& wires) {
  const std::int64_t begin = std::max<std::int64_t>(0, cycle - depth + 1), end = std::min(used, cycle + 1);
  std::fill(wires.begin(), wires.end(), 0);
  const Lanes lanes{begin * lane_step + (cycle - begin) * time_step, lane_step - time_step,
                    std::max<std::int64_t>(0, end - begin)};
  for (std::int64_t i = 0; i < lanes.count; ++i) {
    wires[static_cast<std::size_t>(begin + i)] = operands[static_cast<std::size_t>(lanes.first + i * lanes.step)];
  }
  return lanes;
}

}  // namespace

template <class T>
void OutputStepper<T>::begin(const FoldData& data) {
  data_ = data;
  const Fold& fold = *data.fold;
  const LayerState& state = *data.state;
  rows_ = state.machine->array.rows;
  columns_ = state.machine->array.columns;
  depth_ = fold.k.size();
  x_.assign(static_cast<std::size_t>(rows_), 0);
  w_.assign(static_cast<std::size_t>(columns_), 0);
  if (fold.first) {
    const auto& psum = state.accumulation.psum;
    grid_.configure(rows_, columns_, psum ? pe_rules(*psum, state.group_magnitude) : data.sums.rules());
    start_sums();
  }
  grid_.begin_stream(fold.k.begin, fold.k.end, state.view.depth, state.accumulation.psum ? 0 : 1,
                     static_cast<int>(fold.m.size()), static_cast<int>(fold.n.size()));
  cycle_ = issued_ = drained_ = 0;
}

// With psum the PEs start at 0 and the accumulator memory at the bias; else the PEs start at the bias themselves.
template <class T>
void OutputStepper<T>::start_sums() {
  const bool psum = data_.state->accumulation.psum.has_value();
  const std::int64_t* bias = data_.state->bias.data() + data_.fold->outputs.c.begin;
  for (int r = 0; r < data_.fold->m.size(); ++r) {
    for (int c = 0; c < data_.fold->n.size(); ++c) {
      bool overflowed = false;
      const std::int64_t acc = psum ? 0 : narrow_by(data_.sums.rules(), bias[c], overflowed);
      grid_.start(r, c, acc, psum ? 0 : bias[c], overflowed, !psum);
    }
  }
}

template <class T>
bool OutputStepper<T>::edge(nets::LayerCost& cost) {
  ++cost.array_busy_cycles;
  const std::int64_t all = depth_ * rows_ * columns_;
  if (issued_ < all) {
    ++(cycle_ < depth_ ? cost.stream_cycles : cost.fill_drain_cycles);
    return stream_edge() && !data_.fold->last;
  }
  ++cost.fill_drain_cycles;
  drain_edge();
  if (drained_ < rows_) {
    return false;
  }
  data_.sums.record();
  return true;
}

// Operand k enters row r in cycle k + r and column c in cycle k + c. True when every PE has seen every operand.
template <class T>
bool OutputStepper<T>::stream_edge() {
  const std::int64_t pixels = data_.fold->m.size(), channels = data_.fold->n.size();
  data_.access.read_activations(present(cycle_, depth_, pixels, depth_, 1, data_.activations, x_));
  data_.access.read_weights(present(cycle_, depth_, channels, 1, channels, data_.weights, w_));
  issued_ += grid_.step(x_, w_);
  ++cycle_;
  return issued_ == depth_ * rows_ * columns_;
}

// The bottom row is taken over, the others move down.
template <class T>
void OutputStepper<T>::drain_edge() {
  const std::int64_t row = rows_ - 1 - drained_;
  if (drained_ == 0 && data_.state->accumulation.psum) {
    data_.sums.start();
  }
  if (row < data_.sums.pixels()) {
    data_.access.write_sums({row * data_.sums.channels(), 1, data_.sums.channels()});
  }
  for (int c = 0; row < data_.sums.pixels() && c < data_.sums.channels(); ++c) {
    const OutputSum sum = grid_.bottom(c);
    const std::int64_t at = row * data_.sums.channels() + c;
    arith::AccumulationEvidence& evidence = data_.sums.evidence();
    if (data_.state->accumulation.psum) {
      evidence.psum.count += sum.overflows;
      data_.sums.add(at, sum.acc, sum.exact, sum.first, 0, 1);
    } else {
      evidence.accumulator.count += sum.overflows;
      evidence.exact.merge(sum.range);
      data_.sums.put(at, sum.acc, sum.exact, sum.first);
    }
  }
  grid_.shift_down();
  ++drained_;
}

template class OutputStepper<std::int32_t>;
template class OutputStepper<std::int64_t>;

}  // namespace guardbit::sim
