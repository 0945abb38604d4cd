// The PE array, one event per fold: exact values through arith::AccumulatorTile, duration by formula.
#pragma once

#include <optional>

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

  Scratchpad& activations_;
  Scratchpad& weights_;
  AccumulatorMemory& accumulators_;
  std::vector<std::int32_t> operands_;  // [pixels, k]
  std::optional<arith::AccumulatorTile> sums_;
};

}  // namespace guardbit::sim
