#include "sim/detail/fold_stepper.hpp"

#include <algorithm>

namespace guardbit::sim {
namespace {

std::span<const std::int32_t> transpose(std::span<const std::int32_t> from, std::int64_t rows, std::int64_t columns,
                                        std::vector<std::int32_t>& to) {
  to.resize(from.size());
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      to[static_cast<std::size_t>(c * rows + r)] = from[static_cast<std::size_t>(r * columns + c)];
    }
  }
  return to;
}

}  // namespace

// Who stays and who moves.
template <class T>
void FoldStepper<T>::arrange() {
  const Fold& fold = *data_.fold;
  depth_ = fold.k.size();
  pixels_in_columns_ = data_.state->machine->array.dataflow == Dataflow::InputStationary;
  if (pixels_in_columns_) {
    used_ = static_cast<int>(fold.m.size());
    time_ = fold.n.size();
    time_step_ = 1;
    column_step_ = fold.n.size();
    staying_ = transpose(data_.activations, fold.m.size(), depth_, transposed_[0]);
    streamed_ = transpose(data_.weights, depth_, fold.n.size(), transposed_[1]);
  } else {
    used_ = static_cast<int>(fold.n.size());
    time_ = fold.m.size();
    time_step_ = fold.n.size();
    column_step_ = 1;
    staying_ = data_.weights;
    streamed_ = data_.activations;
  }
}

template <class T>
void FoldStepper<T>::begin(const FoldData& data) {
  data_ = data;
  const LayerState& state = *data.state;
  const Machine& machine = *state.machine;
  rows_ = machine.array.rows;
  columns_ = machine.array.columns;
  arrange();
  fold_index_ = data.fold->k.begin / rows_;
  folds_ = (state.view.depth + rows_ - 1) / rows_;
  const auto& psum = state.accumulation.psum;
  std::int64_t narrowing = 0;
  // A bubble carries an exact value that the column's range contains anyway: one of the biases it starts from.
  bubbles_.assign(static_cast<std::size_t>(used_), 0);
  if (psum) {
    grid_.configure(rows_, columns_, pe_rules(*psum, state.group_magnitude));
  } else {
    const std::int64_t* bias = state.bias.data() + data.fold->outputs.c.begin;
    for (int c = 0; c < used_; ++c) {
      bubbles_[static_cast<std::size_t>(c)] = bias[place(0, c) % data.fold->n.size()];
    }
    const PeRules& rules = data.sums.rules();
    grid_.configure(rows_, columns_, rules);
    const int step = rules.step == 0 ? rows_ : std::min(rules.step, rows_);
    narrowing = 1 + fold_index_ * ((rows_ + step - 1) / step);
  }
  grid_.reset(bubbles_.data(), used_, narrowing);
  loaded_rows_ = 0;
  cycle_ = 0;
  captured_ = 0;
  if (data.fold->first) {
    data_.sums.start();
  }
}

template <class T>
bool FoldStepper<T>::edge(nets::LayerCost& cost) {
  ++cost.array_busy_cycles;
  if (loaded_rows_ < rows_) {
    ++cost.weight_load_cycles;
    load_edge();
    return false;
  }
  ++(cycle_ < time_ ? cost.stream_cycles : cost.fill_drain_cycles);
  capture();
  if (captured_ == time_ * columns_) {
    record_column_evidence();
    if (data_.fold->last) {
      data_.sums.record();
    }
    return true;
  }
  feed();
  grid_.step();
  ++cycle_;
  return false;
}

// The operands of the bottom row enter first.
template <class T>
void FoldStepper<T>::load_edge() {
  const std::int64_t k = rows_ - 1 - loaded_rows_;
  const bool used = k < depth_;
  grid_.push_weights(used ? staying_.data() + k * used_ : nullptr, used_);
  if (used && pixels_in_columns_) {
    data_.access.read_activations({k, depth_, used_});
  } else if (used) {
    data_.access.read_weights({k * used_, 1, used_});
  }
  ++loaded_rows_;
}

// Of the first `lanes` lanes, those that meet an operand in this cycle: lane l meets operand t in cycle t + l.
template <class T>
Span FoldStepper<T>::in_time(std::int64_t cycle, std::int64_t lanes) const {
  const std::int64_t begin = std::max<std::int64_t>(0, cycle - time_ + 1);
  return {begin, std::max(begin, std::min(lanes, cycle + 1))};
}

template <class T>
void FoldStepper<T>::feed() {
  feed_operands();
  if (!data_.state->accumulation.psum) {  // else all columns start from what bubbles carry
    feed_sums();
  }
}

// Streamed operand t enters row r in cycle t + r.
template <class T>
void FoldStepper<T>::feed_operands() {
  const Span now = in_time(cycle_, depth_);
  if (now.begin > 0) {
    grid_.set_x(static_cast<int>(std::min(now.begin, depth_)) - 1, 0);
  }
  if (now.size() == 0) {
    return;
  }
  // Operand t of row r is element t * depth + r of what is streamed.
  const std::int64_t first = cycle_ * depth_ - now.begin * (depth_ - 1), step = 1 - depth_;
  const std::int32_t* operand = streamed_.data() + first;
  for (std::int64_t r = now.begin; r < now.end; ++r, operand += step) {
    grid_.set_x(static_cast<int>(r), *operand);
  }
  if (pixels_in_columns_) {  // row r reads weight [r, cycle - r]
    data_.access.read_weights({cycle_ + now.begin * (time_ - 1), time_ - 1, now.size()});
  } else {
    data_.access.read_activations({first, step, now.size()});
  }
}

// The sum of operand t enters column c in cycle t + c.
template <class T>
void FoldStepper<T>::feed_sums() {
  const Span now = in_time(cycle_, used_);
  if (now.begin > 0) {
    grid_.set_bubble(static_cast<int>(std::min<std::int64_t>(now.begin, used_)) - 1);
  }
  const Lanes lanes = lanes_of(now, cycle_);
  if (!data_.fold->first) {
    data_.access.read_sums(lanes);
  }
  const SumBlock& sums = data_.sums;
  std::int64_t at = lanes.first;
  for (std::int64_t c = now.begin; c < now.end; ++c, at += lanes.step) {
    const std::int64_t known = sums.first(at);
    const T first = known == kNoOverflow ? PeGrid<T>::kNoOverflow : static_cast<T>(known);
    grid_.set_top(static_cast<int>(c), static_cast<T>(sums.value(at)), static_cast<T>(sums.exact(at)), first);
  }
}

// What stands in the output registers of the bottom row since the last edge.
template <class T>
void FoldStepper<T>::capture() {
  captured_ += in_time(cycle_ - rows_, columns_).size();
  const Span now = in_time(cycle_ - rows_, used_);
  const Lanes lanes = lanes_of(now, cycle_ - rows_);
  const bool psum = data_.state->accumulation.psum.has_value();
  if (psum && !data_.fold->first) {
    data_.access.read_sums(lanes);
  }
  data_.access.write_sums(lanes);
  const SumBlock& sums = data_.sums;
  std::int64_t at = lanes.first;
  for (std::int64_t column = now.begin; column < now.end; ++column, at += lanes.step) {
    const auto c = static_cast<int>(column);
    const std::int64_t first = grid_.first(c) == PeGrid<T>::kNoOverflow ? kNoOverflow : grid_.first(c);
    if (psum) {
      sums.add(at, grid_.acc(c), grid_.exact(c), first, fold_index_, folds_);
    } else {
      sums.put(at, grid_.acc(c), grid_.exact(c), first);
    }
  }
}

template <class T>
void FoldStepper<T>::record_column_evidence() {
  const bool psum = data_.state->accumulation.psum.has_value();
  arith::AccumulationEvidence& evidence = data_.sums.evidence();
  for (int c = 0; c < used_; ++c) {
    (psum ? evidence.psum : evidence.accumulator).count += grid_.overflows(c);
    if (!psum) {
      evidence.exact.merge(grid_.range(c));
    }
  }
}

template class FoldStepper<std::int32_t>;
template class FoldStepper<std::int64_t>;

}  // namespace guardbit::sim
