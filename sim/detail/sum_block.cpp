#include "sim/detail/sum_block.hpp"

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

SumBlock::SumBlock(const LayerState& state, const Fold& fold, std::int64_t* value, std::int64_t* exact,
                   std::int64_t* first, std::int64_t first_output, arith::AccumulationEvidence& evidence)
    : bias_(state.bias.data() + fold.outputs.c.begin),
      value_(value),
      exact_(exact),
      first_(first),
      pixels_(fold.m.size()),
      channels_(fold.n.size()),
      first_output_(first_output),
      row_step_(state.view.output.c),
      rules_(pe_rules(state.accumulation.accumulator, state.magnitude)),
      evidence_(&evidence) {}

void SumBlock::start() const {
  for (std::int64_t n = 0; n < channels_; ++n) {
    bool overflowed = false;
    const std::int64_t value = narrow_by(rules_, bias_[n], overflowed);
    evidence_->exact.include(bias_[n]);
    evidence_->accumulator.count += overflowed ? static_cast<std::uint64_t>(pixels_) : 0;
    for (std::int64_t m = 0; m < pixels_; ++m) {
      put(m * channels_ + n, value, bias_[n], overflowed ? 0 : kNoOverflow);
    }
  }
}

void SumBlock::add(std::int64_t at, std::int64_t sum, std::int64_t exact, std::int64_t first, std::int64_t fold,
                   std::int64_t folds) const {
  arith::OverflowCounts mine;
  mine.total = 1;
  mine.harmful = sum != exact ? 1 : 0;
  if (first != kNoOverflow) {
    mine.outputs = 1;
    mine.transient = sum == exact ? 1 : 0;
    mine.first = arith::FirstOverflow{output(at) * folds + fold, first};
  }
  evidence_->psum.merge(mine);

  bool overflowed = false;
  value_[at] = narrow_by(rules_, arith::int128{value_[at]} + sum, overflowed);
  exact_[at] += exact;
  evidence_->exact.include(exact_[at]);
  if (overflowed) {
    ++evidence_->accumulator.count;
    first_[at] = std::min(first_[at], 1 + fold);
  }
}

void SumBlock::record() const {
  for (std::int64_t at = 0; at < pixels_ * channels_; ++at) {
    const bool exact = value_[at] == exact_[at];
    arith::OverflowCounts mine;
    mine.total = 1;
    mine.harmful = exact ? 0 : 1;
    if (first_[at] != kNoOverflow) {
      mine.outputs = 1;
      mine.transient = exact ? 1 : 0;
      mine.first = arith::FirstOverflow{output(at), first_[at]};
    }
    evidence_->accumulator.merge(mine);
  }
}

}  // namespace guardbit::sim
