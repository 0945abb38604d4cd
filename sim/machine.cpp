// What a machine can hold, and the accumulation it implies.
#include "sim/machine.hpp"

#include "arith/error.hpp"
#include "sim/check.hpp"

namespace guardbit::sim {

std::string_view name(Dataflow dataflow) {
  switch (dataflow) {
#define X(id, text)  \
  case Dataflow::id: \
    return text;
    GUARDBIT_DATAFLOWS(X)
#undef X
  }
  fail_check(__FILE__, __LINE__, "a dataflow without a name");
}

std::string_view name(LoopOrder order) {
  switch (order) {
#define X(id, text)   \
  case LoopOrder::id: \
    return text;
    GUARDBIT_LOOP_ORDERS(X)
#undef X
  }
  fail_check(__FILE__, __LINE__, "a loop order without a name");
}

namespace {

bool holds(const arith::Format& operand, const arith::Format& codes) {
  return codes.has_linear_codes() && operand.contains(codes.min_code()) && operand.contains(codes.max_code());
}

std::string misfit(const nets::IntegerLayer& layer, const char* what, const arith::Format& found, const char* key,
                   const arith::Format& allowed) {
  return "layer " + layer.name + ": found " + what + " of format " + arith::to_string(found) +
         ", allowed codes that fit machine.numerics." + key + " = " + arith::to_string(allowed);
}

}  // namespace

void check_machine(const Machine& machine) {
  const Machine::Array& array = machine.array;
  if (array.rows < 1 || array.rows > kMaxArraySide || array.columns < 1 || array.columns > kMaxArraySide) {
    throw Error("machine.array: found " + std::to_string(array.rows) + " rows and " + std::to_string(array.columns) +
                " columns, allowed 1 to " + std::to_string(kMaxArraySide) + " of each");
  }
  if (array.dataflow == Dataflow::OutputStationary && machine.mapping.loop_order == LoopOrder::ReductionOuter) {
    throw Error(
        "machine.mapping.loop_order: found reduction_outer with dataflow output_stationary, allowed reduction_inner: "
        "sums stay in the PEs until they are complete");
  }
  const Machine::Scratchpads& pads = machine.scratchpads;
  if (pads.activation_bytes < 1 || pads.weight_bytes < 1 || pads.accumulator_bytes < 1 || pads.banks < 1 ||
      pads.word < 1 || pads.ports < 0) {
    throw Error("machine.scratchpads: found a size, banks or word below 1 or ports below 0, allowed 1 (ports 0) up");
  }
  if (machine.dram.bytes_per_cycle < 1 || machine.dram.latency_cycles < 0 || machine.vector_unit.lanes < 1) {
    throw Error("machine: found dram.bytes_per_cycle " + std::to_string(machine.dram.bytes_per_cycle) +
                ", dram.latency_cycles " + std::to_string(machine.dram.latency_cycles) + ", vector_unit.lanes " +
                std::to_string(machine.vector_unit.lanes) + ", allowed at least 1, 0 and 1");
  }
  for (const arith::Format& format : {machine.numerics.activation, machine.numerics.weight}) {
    if (format.kind != arith::Kind::Integer || format.width < 1 || format.width > 16) {
      throw Error("machine.numerics: found operands of format " + arith::to_string(format) +
                  ", allowed integer formats of 1 to 16 bits");
    }
  }
  arith::check_accumulation(accumulation(machine), "machine.numerics");
}

void check_compatible(const Machine& machine, const nets::IntegerNetwork& network) {
  const Machine::Numerics& numerics = machine.numerics;
  if (network.output_policy != numerics.output) {
    throw Error("network " + network.name + ": found output policy " + network.output_policy +
                ", allowed machine.numerics.output = " + numerics.output + "; set machine.numerics.output=" +
                network.output_policy + " or convert the network again");
  }
  for (const nets::IntegerLayer& layer : network.layers) {
    if (!holds(numerics.activation, layer.output.format)) {
      throw Error(misfit(layer, "activations", layer.output.format, "activation", numerics.activation));
    }
    if (layer.weighted() && !holds(numerics.weight, layer.weight_format)) {
      throw Error(misfit(layer, "weights", layer.weight_format, "weight", numerics.weight));
    }
  }
}

// Output stationary PEs see the whole reduction in time; elsewhere it passes through the rows, fold by fold.
arith::Accumulation accumulation(const Machine& machine) {
  const bool in_pes = machine.array.dataflow == Dataflow::OutputStationary;
  return {machine.numerics.accumulator, machine.numerics.psum, in_pes ? 0 : machine.array.rows};
}

std::vector<arith::Accumulation> accumulations(const Machine& machine, const nets::IntegerNetwork& network) {
  return std::vector<arith::Accumulation>(network.layers.size(), accumulation(machine));
}

}  // namespace guardbit::sim
