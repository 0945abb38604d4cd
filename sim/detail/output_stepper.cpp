#include "sim/detail/output_stepper.hpp"

namespace guardbit::sim {

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
  const Fold& fold = *data_.fold;
  for (std::int64_t r = 0; r < fold.m.size(); ++r) {
    const std::int64_t k = cycle_ - r;
    const bool valid = k >= 0 && k < depth_;
    x_[static_cast<std::size_t>(r)] = valid ? data_.activations[static_cast<std::size_t>(r * depth_ + k)] : 0;
    if (valid) {
      data_.access.read_activation(r, k);
    }
  }
  for (std::int64_t c = 0; c < fold.n.size(); ++c) {
    const std::int64_t k = cycle_ - c;
    const bool valid = k >= 0 && k < depth_;
    w_[static_cast<std::size_t>(c)] = valid ? data_.weights[static_cast<std::size_t>(k * fold.n.size() + c)] : 0;
    if (valid) {
      data_.access.read_weight(k, c);
    }
  }
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
  for (int c = 0; row < data_.sums.pixels() && c < data_.sums.channels(); ++c) {
    const OutputSum sum = grid_.bottom(c);
    const std::int64_t at = row * data_.sums.channels() + c;
    data_.access.write_sum(at);
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
