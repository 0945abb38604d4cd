// The whole machine: modules are built once per process and set up again for every job.
#pragma once

#include "sim/systemc/accumulator_memory.hpp"
#include "sim/systemc/array_cycle.hpp"
#include "sim/systemc/array_tile.hpp"
#include "sim/systemc/dma.hpp"
#include "sim/systemc/pe_array.hpp"
#include "sim/systemc/scratchpad.hpp"
#include "sim/systemc/sequencer.hpp"
#include "sim/systemc/vector_unit.hpp"

namespace guardbit::sim {

class Accelerator : public sc_core::sc_module {
 public:
  // The only one of this process. Elaborates SystemC at the first call.
  static Accelerator& instance();

  // Simulates until the job's program has ended and adds to its cost (cycles, stalls and everything charged).
  void run(const Job& job);

 private:
  explicit Accelerator(sc_core::sc_module_name name);
  [[nodiscard]] UnitModule& array(ArrayModel model);
  void account(const Job& job) const;

  Scratchpad activations_{"activation_scratchpad"};
  Scratchpad weights_{"weight_scratchpad"};
  AccumulatorMemory accumulators_{"accumulator_memory"};
  SpilledSums spilled_;  // DRAM, not a module
  Sequencer sequencer_{"sequencer"};
  Dma dma_read_;
  Dma dma_write_;
  ArrayTile array_tile_;
  ArrayCycle array_cycle_;
  PeArray array_pe_;
  VectorUnit vector_unit_;
};

}  // namespace guardbit::sim
