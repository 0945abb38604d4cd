// The PE array, one event per fold: exact values through arith::AccumulatorTile, duration by formula.
#pragma once

#include <map>
#include <vector>

#include "sim/systemc/accumulator_memory.hpp"
#include "sim/systemc/scratchpad.hpp"
#include "sim/systemc/unit_module.hpp"

namespace guardbit::sim {

class ArrayTile : public UnitModule {
 public:
  ArrayTile(sc_core::sc_module_name name, sc_core::sc_event& done, Scratchpad& activations, Scratchpad& weights,
            AccumulatorMemory& accumulators)
      : UnitModule(name, done), activations_(activations), weights_(weights), accumulators_(accumulators) {}

  void configure(const Job& job) override;

 protected:
  std::int64_t begin(const Command& command) override;

 private:
  void compute(const Fold& fold);
  void collect(const Fold& fold, std::span<const std::int32_t> weights);
  [[nodiscard]] arith::AccumulatorTile& sums_of(const Fold& fold);

  Scratchpad& activations_;
  Scratchpad& weights_;
  AccumulatorMemory& accumulators_;
  std::vector<std::int32_t> operands_;                       // [m, k]
  std::vector<std::int32_t> chain_operands_, chain_weights_;  // [m, K], [K, n]: a reduction that comes in pieces
  std::int64_t most_pixels_ = 0, most_channels_ = 0;          // of any pass of the layer
  std::map<std::int64_t, arith::AccumulatorTile> in_flight_;  // unfinished sums, by the index of their first output
  std::vector<arith::AccumulatorTile> spare_;
};

}  // namespace guardbit::sim
