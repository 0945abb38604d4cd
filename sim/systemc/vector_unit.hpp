// Vector unit: requantizes finished tiles, and computes the layers that have no weights.
#pragma once

#include "sim/systemc/accumulator_memory.hpp"
#include "sim/systemc/scratchpad.hpp"
#include "sim/systemc/unit_module.hpp"

namespace guardbit::sim {

class VectorUnit : public UnitModule {
 public:
  VectorUnit(sc_core::sc_module_name name, sc_core::sc_event& done, Scratchpad& activations,
             AccumulatorMemory& accumulators)
      : UnitModule(name, done), activations_(activations), accumulators_(accumulators) {}

 protected:
  std::int64_t begin(const Command& command) override;

 private:
  void compute(const RequantizeTile& tile);

  Scratchpad& activations_;
  AccumulatorMemory& accumulators_;
};

}  // namespace guardbit::sim
