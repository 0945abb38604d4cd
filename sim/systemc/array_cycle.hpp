// The PE array, clock edge by clock edge: one process for the whole array. Durations are counted.
#pragma once

#include <variant>

#include "sim/detail/output_stepper.hpp"
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
  BankClock banks_;
  std::vector<std::int64_t> addresses_;  // of operands_
  bool ended_ = false;                   // the last edge is over, but not what it waits for
  std::vector<std::int32_t> operands_;  // [m, k]
  FoldStepper<std::int32_t> fold_32_;
  FoldStepper<std::int64_t> fold_64_;
  OutputStepper<std::int32_t> output_32_;
  OutputStepper<std::int64_t> output_64_;
  using Stepper = std::variant<FoldStepper<std::int32_t>*, FoldStepper<std::int64_t>*, OutputStepper<std::int32_t>*,
                               OutputStepper<std::int64_t>*>;
  Stepper stepper_ = &fold_64_;  // of the pass that runs
};

}  // namespace guardbit::sim
