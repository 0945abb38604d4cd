// The sums [m, n] of one pass in the accumulator memory, and the evidence about them: what the accumulator memory does
// beside the PEs. Channels are consecutive; `at` below is m * channels + n.
#pragma once

#include <cstdint>

#include "arith/accumulate.hpp"
#include "arith/int128.hpp"
#include "sim/detail/layer_state.hpp"
#include "sim/detail/pe_grid.hpp"

namespace guardbit::sim {

// narrow(value) by the rules of a PE; true in `overflowed` when it changed.
[[nodiscard]] std::int64_t narrow_by(const PeRules& rules, arith::int128 value, bool& overflowed);

class SumBlock {
 public:
  SumBlock() = default;
  // value, exact, first: [m, n]; first_output: index of output (0, 0).
  SumBlock(const LayerState& state, const Fold& fold, std::int64_t* value, std::int64_t* exact, std::int64_t* first,
           std::int64_t first_output, arith::AccumulationEvidence& evidence);

  [[nodiscard]] std::int64_t pixels() const { return pixels_; }
  [[nodiscard]] std::int64_t channels() const { return channels_; }
  [[nodiscard]] std::int64_t value(std::int64_t at) const { return value_[at]; }
  [[nodiscard]] std::int64_t exact(std::int64_t at) const { return exact_[at]; }
  [[nodiscard]] std::int64_t first(std::int64_t at) const { return first_[at]; }
  [[nodiscard]] const PeRules& rules() const { return rules_; }
  [[nodiscard]] arith::AccumulationEvidence& evidence() const { return *evidence_; }

  // All sums become the narrowed biases, which is a narrowing like any other.
  void start() const;
  // A running sum comes back from the array. first: index of its first narrowing that overflowed, or kNoOverflow.
  void put(std::int64_t at, std::int64_t value, std::int64_t exact, std::int64_t first) const {
    value_[at] = value;
    exact_[at] = exact;
    first_[at] = first;
  }
  // A partial sum leaves the array after fold `fold` of `folds`: its own evidence, and the memory's addition.
  void add(std::int64_t at, std::int64_t sum, std::int64_t exact, std::int64_t first, std::int64_t fold,
           std::int64_t folds) const;
  // The sums are complete.
  void record() const;

 private:
  [[nodiscard]] std::int64_t output(std::int64_t at) const {
    return first_output_ + at / channels_ * row_step_ + at % channels_;
  }

  const std::int64_t* bias_ = nullptr;  // [n]
  std::int64_t *value_ = nullptr, *exact_ = nullptr, *first_ = nullptr;
  std::int64_t pixels_ = 0, channels_ = 0, first_output_ = 0, row_step_ = 0;
  PeRules rules_;  // of the accumulator format
  arith::AccumulationEvidence* evidence_ = nullptr;
};

}  // namespace guardbit::sim
