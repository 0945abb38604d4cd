// The PE array, clock edge by clock edge: one process for the whole array. Durations are counted.
#pragma once

#include "sim/detail/fold_stepper.hpp"
#include "sim/systemc/accumulator_memory.hpp"
#include "sim/systemc/scratchpad.hpp"
#include "sim/systemc/unit_module.hpp"

namespace guardbit::sim {

class ArrayCycle : public UnitModule {
 public:
  ArrayCycle(sc_core::sc_module_name name, sc_core::sc_event& done, Scratchpad& activations, Scratchpad& weights,
             AccumulatorMemory& accumulators)
      : UnitModule(name, done), activations_(activations), weights_(weights), accumulators_(accumulators) {}

 protected:
  std::int64_t begin(const Command& command) override;
  std::int64_t advance(const Command& command) override;

 private:
  void observe(const Fold& fold);

  Scratchpad& activations_;
  Scratchpad& weights_;
  AccumulatorMemory& accumulators_;
  std::vector<std::int32_t> operands_;  // [pixels, k]
  bool narrow_registers_ = false;
  FoldStepper<std::int32_t> stepper_32_;
  FoldStepper<std::int64_t> stepper_64_;
};

}  // namespace guardbit::sim
