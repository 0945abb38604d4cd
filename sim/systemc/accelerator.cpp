#include "sim/systemc/accelerator.hpp"

// The SystemC library brings a main() that calls this; the process has its own main() and never gets here.
extern "C" int sc_main(int, char**) { return 1; }

namespace guardbit::sim {

Accelerator::Accelerator(sc_core::sc_module_name name)
    : sc_module(name),
      dma_read_("dma_read", sequencer_.wake(), activations_, weights_, accumulators_, spilled_),
      dma_write_("dma_write", sequencer_.wake(), activations_, weights_, accumulators_, spilled_),
      array_tile_("array_tile", sequencer_.wake(), activations_, weights_, accumulators_),
      array_cycle_("array_cycle", sequencer_.wake(), activations_, weights_, accumulators_),
      vector_unit_("vector_unit", sequencer_.wake(), activations_, accumulators_) {}

Accelerator& Accelerator::instance() {
  // Never destroyed: SystemC's own globals may be gone before a static object's destructor runs.
  static Accelerator* const kOnly = [] {
    auto* accelerator = new Accelerator("accelerator");
    sc_core::sc_start(sc_core::SC_ZERO_TIME);
    return accelerator;
  }();
  return *kOnly;
}

void Accelerator::run(const Job& job) {
  const Machine& machine = *job.state->machine;
  activations_.configure(machine.scratchpads.activation_bytes, machine.activation_element_bytes());
  weights_.configure(machine.scratchpads.weight_bytes, machine.weight_element_bytes());
  accumulators_.configure(machine.scratchpads.accumulator_bytes, machine.accumulator_element_bytes());
  UnitModule* const array = job.cycle_by_cycle ? static_cast<UnitModule*>(&array_cycle_) : &array_tile_;
  const std::array<UnitModule*, kUnits> units{&dma_read_, &dma_write_, array, &vector_unit_};  // order of enum Unit
  for (UnitModule* unit : units) {
    unit->configure(job);
  }
  sequencer_.configure(job, units);
  const int layer = job.state->program.layer;
  if (job.observer != nullptr) {
    job.observer->begin_layer(job.image, layer, now_in_cycles() - job.origin);
  }
  sequencer_.start();
  sc_core::sc_start();  // returns when nothing is left to happen
  GUARDBIT_SIM_CHECK(sequencer_.finished());
  if (job.observer != nullptr) {
    job.observer->end_layer(job.image, layer, now_in_cycles() - job.origin);
  }
  account_cycles(job.state->program, sequencer_.schedule(), *job.cost);
}

}  // namespace guardbit::sim
