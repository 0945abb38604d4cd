#include "sim/detail/fold_stepper.hpp"

#include <algorithm>

#include "arith/overflow.hpp"

namespace guardbit::sim {

std::int64_t narrow_by(const PeRules& rules, arith::int128 value, bool& overflowed) {
  overflowed = value < rules.low || value > rules.high;
  if (!overflowed) {
    return static_cast<std::int64_t>(value);
  }
  return static_cast<std::int64_t>(arith::fit(value, rules.format).value);
}

template <class T>
void FoldStepper<T>::begin(const FoldData& data) {
  data_ = data;
  const LayerState& state = *data.state;
  const Machine& machine = *state.machine;
  rows_ = machine.array.rows;
  columns_ = machine.array.columns;
  used_ = static_cast<int>(data.fold->n.size());
  pixels_ = data.fold->pixels();
  depth_ = data.fold->k.size();
  const auto& psum = state.accumulation.psum;
  memory_rules_ = pe_rules(state.accumulation.accumulator, state.magnitude);
  const std::int64_t fold_index = data.fold->k.begin / rows_;
  std::int64_t narrowing = 0;
  if (psum) {
    bubbles_.assign(static_cast<std::size_t>(used_), 0);
    grid_.configure(rows_, columns_, pe_rules(*psum, state.group_magnitude));
  } else {
    const auto bias = state.bias.begin() + data.fold->outputs.c.begin;
    bubbles_.assign(bias, bias + used_);
    grid_.configure(rows_, columns_, memory_rules_);
    const int step = memory_rules_.step == 0 ? rows_ : std::min(memory_rules_.step, rows_);
    narrowing = 1 + fold_index * ((rows_ + step - 1) / step);
  }
  grid_.reset(bubbles_.data(), used_, narrowing);
  loaded_rows_ = 0;
  cycle_ = 0;
  captured_ = 0;
  if (data.fold->first) {
    start_sums();
  }
}

// The accumulator memory starts with the narrowed biases.
template <class T>
void FoldStepper<T>::start_sums() {
  const auto bias = data_.state->bias.begin() + data_.fold->outputs.c.begin;
  for (int c = 0; c < used_; ++c) {
    bool overflowed = false;
    const std::int64_t value = narrow_by(memory_rules_, bias[c], overflowed);
    data_.evidence->exact.include(bias[c]);
    data_.evidence->accumulator.count += overflowed ? static_cast<std::uint64_t>(pixels_) : 0;
    for (std::int64_t m = 0; m < pixels_; ++m) {
      const std::int64_t at = m * used_ + c;
      data_.value[at] = value;
      data_.exact[at] = bias[c];
      data_.first[at] = overflowed ? 0 : kNoOverflow;
    }
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
  ++(cycle_ < pixels_ ? cost.stream_cycles : cost.fill_drain_cycles);
  capture();
  if (captured_ == pixels_ * columns_) {
    record_column_evidence();
    if (data_.fold->last) {
      record_outputs();
    }
    return true;
  }
  feed();
  grid_.step();
  ++cycle_;
  return false;
}

// The weights of the bottom row enter first.
template <class T>
void FoldStepper<T>::load_edge() {
  const std::int64_t k = rows_ - 1 - loaded_rows_;
  const bool used = k < depth_;
  grid_.push_weights(used ? data_.weights.data() + k * used_ : nullptr, used_);
  ++loaded_rows_;
}

// Operand of pixel m enters row r in cycle m + r, its sum enters column c in cycle m + c.
template <class T>
void FoldStepper<T>::feed() {
  for (int r = 0; r < rows_; ++r) {
    const std::int64_t m = cycle_ - r;
    const bool valid = m >= 0 && m < pixels_ && r < depth_;
    grid_.set_x(r, valid ? data_.operands[static_cast<std::size_t>(m * depth_ + r)] : 0);
  }
  const bool psum = data_.state->accumulation.psum.has_value();
  for (int c = 0; c < columns_; ++c) {
    const std::int64_t m = cycle_ - c;
    if (psum || m < 0 || m >= pixels_ || c >= used_) {
      grid_.set_bubble(c);
      continue;
    }
    const std::int64_t at = m * used_ + c;
    const T first = data_.first[at] == kNoOverflow ? PeGrid<T>::kNoOverflow : static_cast<T>(data_.first[at]);
    grid_.set_top(c, static_cast<T>(data_.value[at]), static_cast<T>(data_.exact[at]), first);
  }
}

// What stands in the output registers of the bottom row since the last edge.
template <class T>
void FoldStepper<T>::capture() {
  for (int c = 0; c < columns_; ++c) {
    const std::int64_t m = cycle_ - rows_ - c;
    if (m < 0 || m >= pixels_) {
      continue;
    }
    ++captured_;
    if (c >= used_) {
      continue;
    }
    const std::int64_t at = m * used_ + c;
    if (data_.state->accumulation.psum) {
      take_partial_sum(static_cast<std::size_t>(at), m, c);
      continue;
    }
    const T first = grid_.first(c);
    data_.value[at] = grid_.acc(c);
    data_.exact[at] = grid_.exact(c);
    data_.first[at] = first == PeGrid<T>::kNoOverflow ? kNoOverflow : first;
  }
}

// The fold's own sum is complete: its evidence, and the accumulator memory's addition.
template <class T>
void FoldStepper<T>::take_partial_sum(std::size_t at, std::int64_t pixel, int column) {
  const std::int64_t fold_index = data_.fold->k.begin / rows_;
  const std::int64_t folds = (data_.state->view.depth + rows_ - 1) / rows_;
  const std::int64_t output = data_.first_output + pixel * data_.state->view.output.c + column;
  const std::int64_t sum = grid_.acc(column), exact = grid_.exact(column);
  arith::OverflowCounts mine;
  mine.total = 1;
  mine.harmful = sum != exact ? 1 : 0;
  if (grid_.first(column) != PeGrid<T>::kNoOverflow) {
    mine.outputs = 1;
    mine.transient = sum == exact ? 1 : 0;
    mine.first = arith::FirstOverflow{output * folds + fold_index, grid_.first(column)};
  }
  data_.evidence->psum.merge(mine);

  bool overflowed = false;
  data_.value[at] = narrow_by(memory_rules_, arith::int128{data_.value[at]} + sum, overflowed);
  data_.exact[at] += exact;
  data_.evidence->exact.include(data_.exact[at]);
  if (overflowed) {
    ++data_.evidence->accumulator.count;
    data_.first[at] = std::min(data_.first[at], 1 + fold_index);
  }
}

template <class T>
void FoldStepper<T>::record_column_evidence() {
  const bool psum = data_.state->accumulation.psum.has_value();
  for (int c = 0; c < used_; ++c) {
    (psum ? data_.evidence->psum : data_.evidence->accumulator).count += grid_.overflows(c);
    if (!psum) {
      data_.evidence->exact.merge(grid_.range(c));
    }
  }
}

template <class T>
void FoldStepper<T>::record_outputs() {
  arith::OverflowCounts& counts = data_.evidence->accumulator;
  for (std::int64_t m = 0; m < pixels_; ++m) {
    for (int c = 0; c < used_; ++c) {
      const std::int64_t at = m * used_ + c;
      const bool exact = data_.value[at] == data_.exact[at];
      arith::OverflowCounts mine;
      mine.total = 1;
      mine.harmful = exact ? 0 : 1;
      if (data_.first[at] != kNoOverflow) {
        mine.outputs = 1;
        mine.transient = exact ? 1 : 0;
        mine.first = arith::FirstOverflow{data_.first_output + m * data_.state->view.output.c + c, data_.first[at]};
      }
      counts.merge(mine);
    }
  }
}

template class FoldStepper<std::int32_t>;
template class FoldStepper<std::int64_t>;

}  // namespace guardbit::sim
