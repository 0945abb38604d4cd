// The YAML section `machine`: reading it and printing its default.
#include <algorithm>
#include <array>

#include "arith/error.hpp"
#include "sim/machine.hpp"

namespace guardbit::sim {
namespace {

constexpr std::int64_t kMaxBytes = std::int64_t{1} << 30;
constexpr std::int64_t kMaxCycles = std::int64_t{1} << 20;

struct Key {
  const char* path;  // below `machine`
  const char* value;
  const char* meaning;
};

constexpr Key kKeys[] = {
    {"array.rows", "16", "PEs from top to bottom (1 to 1024): reduction indices; output stationary: pixels"},
    {"array.columns", "16", "PEs from left to right (1 to 1024): output channels; input stationary: pixels"},
    {"array.dataflow", "weight_stationary", "what stays in the PEs: weight_, output_ or input_stationary"},
    {"mapping.loop_order", "reduction_inner",
     "reduction_inner finishes one tile after the other; reduction_outer loads weights once for all tiles and spills "
     "partial sums that do not fit (not output_stationary)"},
    {"numerics.activation", "int8", "largest activation format, integer, 1 to 16 bits"},
    {"numerics.weight", "int8", "largest weight format, integer, 1 to 16 bits"},
    {"numerics.accumulator.format", "int<32,WRAP>", "running sum, integer, 2 to 64 bits (unsigned 2 to 63)"},
    {"numerics.accumulator.step", "1", "products added exactly before each narrowing; 0: a whole pass"},
    {"numerics.psum", "null", "{format, step}: the partial sum of one pass, narrowed on its own; null: none"},
    {"numerics.narrow_accumulator", "false",
     "true allows an accumulator or psum that cannot hold every product of activation and weight, to study overflow"},
    {"numerics.output", "tflite_double", "output policy the network was converted with"},
    {"scratchpads.activation", "64KiB", "inputs and outputs of a layer's tiles"},
    {"scratchpads.weight", "64KiB", "weights of the coming folds"},
    {"scratchpads.accumulator", "32KiB", "partial sums of a tile"},
    {"scratchpads.banks", "8", "of each scratchpad and of the accumulator memory (1 to 1024)"},
    {"scratchpads.word", "1", "consecutive elements of one bank, read or written together (1 to 1024)"},
    {"scratchpads.ports", "0", "words a bank reads, and writes, per cycle (1 to 1024); 0: no conflicts"},
    {"scratchpads.double_buffered", "true", "halves in turn, so that transfers overlap with the array"},
    {"dram.bytes_per_cycle", "16", "bandwidth of each direction"},
    {"dram.latency_cycles", "64", "of each transfer, before its first byte"},
    {"vector_unit.lanes", "16", "elements per cycle: requantize, add, pooling, softmax"},
    {"clock_ns", "1", "cycle time"},
    {"energy_pj.mac_int8", "0.3", "one issued MAC (8-bit multiply 0.2, 32-bit add 0.1)"},
    {"energy_pj.vector_op", "0.1", "one lane operation of the vector unit (32-bit add)"},
    {"energy_pj.sram_byte", "2.5", "one byte of a scratchpad or of the accumulator memory (32 KiB: 20 pJ for 8 bytes)"},
    {"energy_pj.dram_byte", "162.5", "one byte of DRAM (1.3 nJ for 8 bytes)"},
    {"energy_pj.source", "\"Horowitz, ISSCC 2014, 45 nm 0.9 V\"", "where the figures come from"},
};

struct Widths {
  int min = 1, max = 16, max_unsigned = 16;
};

arith::Format read_format(const nets::Section& section, const char* key, const arith::Format& absent,
                          const Widths& widths) {
  const std::string text = section.text(key, arith::to_string(absent), "an integer format");
  const std::string allowed = "an integer format of " + std::to_string(widths.min) + " to " +
                              std::to_string(widths.max) + " bits, for example " + arith::to_string(absent);
  arith::Format format;
  try {
    format = arith::parse_format(text);
  } catch (const Error&) {
    section.fail(key, text, allowed);
  }
  const int max = format.is_signed ? widths.max : widths.max_unsigned;
  if (format.kind != arith::Kind::Integer || format.width < widths.min || format.width > max) {
    section.fail(key, text, allowed);
  }
  return format;
}

arith::AccumulatorSpec read_accumulator(const nets::Section& section) {
  arith::AccumulatorSpec spec;
  spec.format = read_format(section, "format", spec.format, {2, 64, 63});
  spec.step = static_cast<int>(section.integer("step", 0, 1 << 20, 1));
  return spec;
}

Machine::Array read_array(const nets::Section& section) {
  Machine::Array array;
  array.rows = static_cast<int>(section.integer("rows", 1, kMaxArraySide, array.rows));
  array.columns = static_cast<int>(section.integer("columns", 1, kMaxArraySide, array.columns));
  array.dataflow = section.one_of<Dataflow>("dataflow",
                                            {
#define X(id, text) {text, Dataflow::id},
                                                GUARDBIT_DATAFLOWS(X)
#undef X
                                            },
                                            array.dataflow);
  return array;
}

Machine::Mapping read_mapping(const nets::Section& section, Dataflow dataflow) {
  Machine::Mapping mapping;
  mapping.loop_order = section.one_of<LoopOrder>("loop_order",
                                                 {
#define X(id, text) {text, LoopOrder::id},
                                                     GUARDBIT_LOOP_ORDERS(X)
#undef X
                                                 },
                                                 mapping.loop_order);
  if (mapping.loop_order == LoopOrder::ReductionOuter && dataflow == Dataflow::OutputStationary) {
    section.fail("loop_order", "reduction_outer with dataflow output_stationary",
                 "reduction_inner: sums stay in the PEs until they are complete");
  }
  return mapping;
}

// An adder narrower than the multiplier before it is a mistake, unless it is the subject of the study.
void check_holds_products(const Machine::Numerics& numerics, const arith::Format& sum, const nets::Section& section) {
  const arith::Format &x = numerics.activation, &w = numerics.weight;
  for (const arith::int128 a : {x.min_code(), x.max_code()}) {
    for (const arith::int128 b : {w.min_code(), w.max_code()}) {
      if (!sum.contains(a * b)) {
        section.fail("format", arith::to_string(sum),
                     "a format that holds every product of " + arith::to_string(x) + " and " + arith::to_string(w) +
                         " (or machine.numerics.narrow_accumulator=true)");
      }
    }
  }
}

Machine::Numerics read_numerics(const nets::Section& section) {
  Machine::Numerics numerics;
  numerics.activation = read_format(section, "activation", numerics.activation, {});
  numerics.weight = read_format(section, "weight", numerics.weight, {});
  numerics.accumulator = read_accumulator(section.section_or_empty("accumulator"));
  const bool narrow = section.boolean("narrow_accumulator", false);
  if (section.has("psum")) {
    numerics.psum = read_accumulator(section.section("psum"));
    if (!narrow) {
      check_holds_products(numerics, numerics.psum->format, section.section("psum"));
    }
  }
  if (!narrow) {
    check_holds_products(numerics, numerics.accumulator.format, section.section_or_empty("accumulator"));
  }
  numerics.output = section.choice("output", {"tflite_double", "tflite_single", "onnx_float", "pow2"}, numerics.output);
  return numerics;
}

Machine::EnergyPj read_energy(const nets::Section& section) {
  Machine::EnergyPj energy;
  constexpr double kMax = 1e9;
  energy.mac = section.number("mac_int8", 0, kMax, energy.mac);
  energy.vector_op = section.number("vector_op", 0, kMax, energy.vector_op);
  energy.sram_byte = section.number("sram_byte", 0, kMax, energy.sram_byte);
  energy.dram_byte = section.number("dram_byte", 0, kMax, energy.dram_byte);
  energy.source = section.text("source", energy.source);
  return energy;
}

}  // namespace

Machine read_machine(const nets::Section& section) {
  Machine machine;
  machine.array = read_array(section.section_or_empty("array"));
  machine.mapping = read_mapping(section.section_or_empty("mapping"), machine.array.dataflow);
  machine.numerics = read_numerics(section.section_or_empty("numerics"));
  const nets::Section pads = section.section_or_empty("scratchpads");
  machine.scratchpads.activation_bytes = pads.bytes("activation", 1, kMaxBytes, machine.scratchpads.activation_bytes);
  machine.scratchpads.weight_bytes = pads.bytes("weight", 1, kMaxBytes, machine.scratchpads.weight_bytes);
  machine.scratchpads.accumulator_bytes =
      pads.bytes("accumulator", 1, kMaxBytes, machine.scratchpads.accumulator_bytes);
  machine.scratchpads.banks = static_cast<int>(pads.integer("banks", 1, 1024, machine.scratchpads.banks));
  machine.scratchpads.word = static_cast<int>(pads.integer("word", 1, 1024, machine.scratchpads.word));
  machine.scratchpads.ports = static_cast<int>(pads.integer("ports", 0, 1024, machine.scratchpads.ports));
  machine.scratchpads.double_buffered = pads.boolean("double_buffered", machine.scratchpads.double_buffered);
  const nets::Section dram = section.section_or_empty("dram");
  machine.dram.bytes_per_cycle = dram.integer("bytes_per_cycle", 1, kMaxCycles, machine.dram.bytes_per_cycle);
  machine.dram.latency_cycles = dram.integer("latency_cycles", 0, kMaxCycles, machine.dram.latency_cycles);
  machine.vector_unit.lanes = static_cast<int>(
      section.section_or_empty("vector_unit").integer("lanes", 1, 1 << 16, machine.vector_unit.lanes));
  machine.clock_ns = section.number("clock_ns", 1e-6, 1e9, machine.clock_ns);
  machine.energy_pj = read_energy(section.section_or_empty("energy_pj"));
  return machine;
}

std::string print_default_machine() {
  std::string text = "machine:\n";
  std::vector<std::string> open;  // groups the last printed key stands in
  for (const Key& key : kKeys) {
    const std::vector<std::string> path = nets::split_path(key.path);
    for (std::size_t depth = 0; depth + 1 < path.size(); ++depth) {
      if (depth >= open.size() || open[depth] != path[depth]) {
        open.resize(depth);
        open.push_back(path[depth]);
        text += std::string(2 * depth + 2, ' ') + path[depth] + ":\n";
      }
    }
    open.resize(path.size() - 1);
    std::string line = std::string(2 * path.size(), ' ') + path.back() + ": " + key.value;
    line.resize(std::max<std::size_t>(line.size() + 2, 32), ' ');
    text += line + "# " + key.meaning + "\n";
  }
  return text;
}

std::vector<MachineKey> machine_keys() {
  std::vector<MachineKey> keys;
  for (const Key& key : kKeys) {
    keys.push_back({std::string("machine.") + key.path, key.meaning});
  }
  return keys;
}

}  // namespace guardbit::sim
