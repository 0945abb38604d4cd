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
      array_pe_("array_pe", sequencer_.wake(), activations_, weights_, accumulators_),
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

UnitModule& Accelerator::array(ArrayModel model) {
  switch (model) {
    case ArrayModel::Tile:
      return array_tile_;
    case ArrayModel::Cycle:
      return array_cycle_;
    case ArrayModel::Pe:
      return array_pe_;
  }
  fail_check(__FILE__, __LINE__, "a model of the array that is none");
}

void Accelerator::run(const Job& job) {
  const Machine& machine = *job.state->machine;
  activations_.configure(machine.scratchpads.activation_bytes, machine.activation_element_bytes());
  weights_.configure(machine.scratchpads.weight_bytes, machine.weight_element_bytes());
  accumulators_.configure(machine.scratchpads.accumulator_bytes, machine.accumulator_element_bytes());
  // In the order of enum Unit.
  const std::array<UnitModule*, kUnits> units{&dma_read_, &dma_write_, &array(job.array), &vector_unit_};
  for (UnitModule* unit : units) {
    unit->configure(job);
  }
  sequencer_.configure(job, units);
  if (job.observer != nullptr) {
    job.observer->begin_layer(job.image, job.state->program, now_in_cycles() - job.origin);
  }
  sequencer_.start();
  sc_core::sc_start();  // returns when nothing is left to happen
  GUARDBIT_SIM_CHECK(sequencer_.finished());
  if (job.observer != nullptr) {
    job.observer->end_layer(job.image, job.state->program, now_in_cycles() - job.origin);
  }
  job.live->finish(machine, *job.cost);
  account(job);
}

// The causes of cycles are those of the run without stalls; what the layer took longer is a cause of its own.
void Accelerator::account(const Job& job) const {
  const LayerProgram& program = job.state->program;
  const Schedule& schedule = sequencer_.schedule();
  if (!job.stalls.any()) {
    account_cycles(program, schedule, *job.cost);
    return;
  }
  const Schedule free = without_stalls(program, schedule, sequencer_.frozen());
  account_cycles(program, free, *job.cost);
  const std::uint64_t longer = schedule.layer_end - free.layer_end;
  job.cost->cycles += longer;
  job.cost->injected_stall_cycles += longer;
}

}  // namespace guardbit::sim
