// DMA engine of one direction: one transfer at a time, latency first, then bytes_per_cycle. Values move when the
// transfer starts; nobody may look before it ends.
#pragma once

#include "sim/systemc/accumulator_memory.hpp"
#include "sim/systemc/scratchpad.hpp"
#include "sim/systemc/unit_module.hpp"

namespace guardbit::sim {

class Dma : public UnitModule {
 public:
  Dma(sc_core::sc_module_name name, sc_core::sc_event& done, Scratchpad& activations, Scratchpad& weights,
      AccumulatorMemory& accumulators, SpilledSums& spilled)
      : UnitModule(name, done),
        activations_(activations),
        weights_(weights),
        accumulators_(accumulators),
        spilled_(spilled) {}

 protected:
  std::int64_t begin(const Command& command) override;

 private:
  void move(const LoadActivations& load);
  void move(const LoadWeights& load);
  void move(const StoreOutputs& store);
  void move(const SpillSums& spill);
  void move(const ReloadSums& reload);

  Scratchpad& activations_;
  Scratchpad& weights_;
  AccumulatorMemory& accumulators_;
  SpilledSums& spilled_;
};

}  // namespace guardbit::sim
