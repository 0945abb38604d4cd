// The accumulator memory beside the PE array: where running sums come from, where they go, and the adder that takes the
// partial sums of a pass. Scalar, one sum at a time.
#pragma once

#include <cstdint>

#include "sim/detail/layer_state.hpp"
#include "sim/systemc/pe_arithmetic.hpp"
#include "sim/systemc/pe_wires.hpp"

namespace guardbit::sim {

class PeSums {
 public:
  // Sums [m, n] of the accumulator memory, with what is known of each.
  struct Memory {
    std::int64_t *sum = nullptr, *exact = nullptr, *first = nullptr;
  };
  // first_output: index of output (pixel 0, channel 0) of the pass.
  void begin(const LayerState& state, const Fold& fold, const Memory& memory, std::int64_t first_output,
             arith::AccumulationEvidence& evidence);

  // What enters the array for output (m, n); zero where the pass has no such output.
  [[nodiscard]] PartialSum entering(std::int64_t m, std::int64_t n) const;
  // What came out of the array for output (m, n); ignored where the pass has no such output.
  void take(std::int64_t m, std::int64_t n, const PartialSum& sum);
  // Evidence of the outputs that are complete now.
  void finish();

  // Has the pass this output, and where does its sum stand?
  [[nodiscard]] bool has(std::int64_t m, std::int64_t n) const { return m < pixels_ && n < channels_; }
  [[nodiscard]] std::int64_t at(std::int64_t m, std::int64_t n) const { return m * channels_ + n; }
  [[nodiscard]] bool in_array() const { return fold_partial_sums_ == 0; }  // the running sum itself is in the array
  [[nodiscard]] std::int64_t fold_index() const { return fold_index_; }
  [[nodiscard]] const PeRegisterRules& rules() const { return memory_rules_; }

 private:
  void start();
  void add(std::size_t at, std::int64_t output, const PartialSum& sum);
  [[nodiscard]] std::size_t index(std::int64_t m, std::int64_t n) const { return static_cast<std::size_t>(at(m, n)); }
  [[nodiscard]] std::int64_t output(std::int64_t m, std::int64_t n) const;

  const LayerState* state_ = nullptr;
  const Fold* fold_ = nullptr;
  Memory memory_;
  std::int64_t first_output_ = 0;
  arith::AccumulationEvidence* evidence_ = nullptr;
  PeRegisterRules memory_rules_;
  std::int64_t pixels_ = 0, channels_ = 0;
  std::int64_t fold_index_ = 0;
  std::int64_t fold_partial_sums_ = 0;  // partial sums per output; 0: none, the running sum goes through the array
};

}  // namespace guardbit::sim
