#include "sim/systemc/pe_sums.hpp"

#include <algorithm>

#include "sim/detail/pe_grid.hpp"

namespace guardbit::sim {
namespace {

// What one finished sum says about overflow; `output` is its index.
arith::OverflowCounts counts_of(std::int64_t sum, std::int64_t exact, std::int64_t first, std::int64_t output) {
  arith::OverflowCounts counts;
  counts.total = 1;
  counts.harmful = sum != exact ? 1 : 0;
  if (first != kNoOverflow) {
    counts.outputs = 1;
    counts.transient = sum == exact ? 1 : 0;
    counts.first = arith::FirstOverflow{output, first};
  }
  return counts;
}

}  // namespace

void PeSums::begin(const LayerState& state, const Fold& fold, const Memory& memory, std::int64_t first_output,
                   arith::AccumulationEvidence& evidence) {
  state_ = &state;
  fold_ = &fold;
  memory_ = memory;
  first_output_ = first_output;
  evidence_ = &evidence;
  memory_rules_ = PeRegisterRules(state.accumulation.accumulator.format);
  pixels_ = fold.m.size();
  channels_ = fold.n.size();
  const std::int64_t length = state.accumulation.fold;  // products per partial sum; 0: all
  fold_index_ = length == 0 ? 0 : fold.k.begin / length;
  fold_partial_sums_ = 0;
  if (state.accumulation.psum) {
    fold_partial_sums_ = length == 0 ? 1 : (state.view.depth + length - 1) / length;
  }
  if (fold.first) {
    start();
  }
}

std::int64_t PeSums::output(std::int64_t m, std::int64_t n) const {
  return first_output_ + m * state_->view.output.c + n;
}

// Every sum begins as the narrowed bias.
void PeSums::start() {
  for (std::int64_t m = 0; m < pixels_; ++m) {
    for (std::int64_t n = 0; n < channels_; ++n) {
      const std::int64_t bias = state_->bias[static_cast<std::size_t>(fold_->outputs.c.begin + n)];
      const PeRegisterRules::Result narrowed = memory_rules_.narrow(bias);
      evidence_->accumulator.count += narrowed.overflowed ? 1 : 0;
      evidence_->exact.include(bias);
      memory_.sum[index(m, n)] = narrowed.value;
      memory_.exact[index(m, n)] = bias;
      memory_.first[index(m, n)] = narrowed.overflowed ? 0 : kNoOverflow;
    }
  }
}

PartialSum PeSums::entering(std::int64_t m, std::int64_t n) const {
  if (!in_array() || !has(m, n)) {
    return {.first = kNoOverflow};
  }
  return {.sum = memory_.sum[index(m, n)], .exact = memory_.exact[index(m, n)], .first = memory_.first[index(m, n)]};
}

void PeSums::take(std::int64_t m, std::int64_t n, const PartialSum& sum) {
  if (!has(m, n)) {
    return;
  }
  if (!in_array()) {
    add(index(m, n), output(m, n), sum);
    return;
  }
  memory_.sum[index(m, n)] = sum.sum;
  memory_.exact[index(m, n)] = sum.exact;
  memory_.first[index(m, n)] = sum.first;
}

// The partial sum of a fold, complete: its own evidence, and the accumulator memory's addition.
void PeSums::add(std::size_t at, std::int64_t output, const PartialSum& partial) {
  evidence_->psum.merge(
      counts_of(partial.sum, partial.exact, partial.first, output * fold_partial_sums_ + fold_index_));
  const auto narrowed = memory_rules_.narrow(arith::int128{memory_.sum[at]} + partial.sum);
  memory_.sum[at] = narrowed.value;
  memory_.exact[at] += partial.exact;
  evidence_->exact.include(memory_.exact[at]);
  if (narrowed.overflowed) {
    ++evidence_->accumulator.count;
    memory_.first[at] = memory_.first[at] == kNoOverflow ? fold_index_ + 1 : memory_.first[at];
  }
}

void PeSums::finish() {
  if (!fold_->last) {
    return;
  }
  for (std::int64_t m = 0; m < pixels_; ++m) {
    for (std::int64_t n = 0; n < channels_; ++n) {
      const std::size_t i = index(m, n);
      evidence_->accumulator.merge(counts_of(memory_.sum[i], memory_.exact[i], memory_.first[i], output(m, n)));
    }
  }
}

}  // namespace guardbit::sim
