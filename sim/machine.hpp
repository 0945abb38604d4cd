// Machine: the accelerator that is simulated, as plain values read from the YAML section `machine`.
//
// `guardbit config print-default` prints print_default_machine(), where every key stands with its meaning.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "arith/accumulate.hpp"
#include "arith/format.hpp"
#include "nets/config/section.hpp"
#include "nets/quantize/integer_network.hpp"

namespace guardbit::sim {

// What stays in the PEs while the rest moves past them. X(enumerator, text); meaning: program.hpp, struct Fold.
#define GUARDBIT_DATAFLOWS(X)                  \
  X(WeightStationary, "weight_stationary")     \
  X(OutputStationary, "output_stationary")     \
  X(InputStationary, "input_stationary")

// Where the loop over folds of the reduction stands: inside the loop over the tiles of the output, whose sums are then
// finished one tile after the other, or outside, so that weights are loaded once and the sums of all tiles wait.
#define GUARDBIT_LOOP_ORDERS(X)          \
  X(ReductionInner, "reduction_inner")   \
  X(ReductionOuter, "reduction_outer")

#define X(id, text) id,
enum class Dataflow : unsigned char { GUARDBIT_DATAFLOWS(X) };
enum class LoopOrder : unsigned char { GUARDBIT_LOOP_ORDERS(X) };
#undef X
[[nodiscard]] std::string_view name(Dataflow dataflow);
[[nodiscard]] std::string_view name(LoopOrder order);

// The largest array: bounds what a configuration can make the simulator allocate.
inline constexpr int kMaxArraySide = 1024;

struct Machine {
  struct Array {
    int rows = 16;     // weight and input stationary: reduction indices; output stationary: pixels
    int columns = 16;  // weight and output stationary: output channels; input stationary: pixels
    Dataflow dataflow = Dataflow::WeightStationary;
    friend bool operator==(const Array&, const Array&) = default;
  };
  struct Mapping {
    LoopOrder loop_order = LoopOrder::ReductionInner;
    friend bool operator==(const Mapping&, const Mapping&) = default;
  };
  struct Numerics {
    arith::Format activation = arith::integer_format(8);
    arith::Format weight = arith::integer_format(8);
    arith::AccumulatorSpec accumulator;
    std::optional<arith::AccumulatorSpec> psum;  // in-array partial sums, when they have their own width
    std::string output = "tflite_double";        // output policy the network must have been converted with
    friend bool operator==(const Numerics&, const Numerics&) = default;
  };
  struct Scratchpads {
    std::int64_t activation_bytes = 64 * 1024;
    std::int64_t weight_bytes = 64 * 1024;
    std::int64_t accumulator_bytes = 32 * 1024;
    int banks = 8;  // of each scratchpad and of the accumulator memory (sim/bank.hpp)
    int word = 1;   // consecutive elements of one bank
    int ports = 0;  // words a bank reads, and writes, per cycle; 0: as many as are asked for
    bool double_buffered = true;
    friend bool operator==(const Scratchpads&, const Scratchpads&) = default;
  };
  struct Dram {
    std::int64_t bytes_per_cycle = 16;  // of each direction
    std::int64_t latency_cycles = 64;   // of each transfer, before its first byte
    friend bool operator==(const Dram&, const Dram&) = default;
  };
  struct VectorUnit {
    int lanes = 16;
    friend bool operator==(const VectorUnit&, const VectorUnit&) = default;
  };
  // pJ per event. Defaults: M. Horowitz, "Computing's Energy Problem", ISSCC 2014, figure 1.1.9, 45 nm, 0.9 V:
  // 8-bit multiply 0.2 + 32-bit add 0.1; a 64-bit read of a 32 KiB cache 20; of DRAM 1.3 to 2.6 nJ (the lower bound).
  struct EnergyPj {
    double mac = 0.3;            // every issued MAC, padded ones included (key mac_int8)
    double vector_op = 0.1;      // one element in one lane
    double sram_byte = 2.5;      // scratchpads and accumulator memory, read or written
    double dram_byte = 162.5;
    std::string source = "Horowitz, ISSCC 2014, 45 nm 0.9 V";
    friend bool operator==(const EnergyPj&, const EnergyPj&) = default;
  };

  Array array;
  Mapping mapping;
  Numerics numerics;
  Scratchpads scratchpads;
  Dram dram;
  VectorUnit vector_unit;
  double clock_ns = 1.0;
  EnergyPj energy_pj;
  friend bool operator==(const Machine&, const Machine&) = default;

  // Bytes of one element in its memory: whole bytes.
  [[nodiscard]] int activation_element_bytes() const { return (numerics.activation.width + 7) / 8; }
  [[nodiscard]] int weight_element_bytes() const { return (numerics.weight.width + 7) / 8; }
  [[nodiscard]] int accumulator_element_bytes() const { return (numerics.accumulator.format.width + 7) / 8; }
  // Copies of each buffer: 2 when double buffered.
  [[nodiscard]] int buffers() const { return scratchpads.double_buffered ? 2 : 1; }
};

// Reads the section `machine` (not its parent); every key may be absent. Bad values are Errors that name file, line,
// key, what was found and what is allowed. The caller's Section::done() complains about unknown keys.
[[nodiscard]] Machine read_machine(const nets::Section& section);

// A commented YAML document `machine: ...` of the default machine; reading it gives Machine{}.
[[nodiscard]] std::string print_default_machine();

// All keys as dot paths ("machine.array.rows", ...), each with one line of meaning, in print order.
struct MachineKey {
  std::string path, meaning;
};
[[nodiscard]] std::vector<MachineKey> machine_keys();

// The rules of read_machine for a machine made by a program. Error if one is broken.
void check_machine(const Machine& machine);

// Can the machine hold this network's operands, and was the network converted for its output stage? One-line Error
// naming the layer if not.
void check_compatible(const Machine& machine, const nets::IntegerNetwork& network);

// How this machine adds up the products of an output.
[[nodiscard]] arith::Accumulation accumulation(const Machine& machine);

// The accumulation each layer sees on this machine; to be passed to every engine. One per layer.
[[nodiscard]] std::vector<arith::Accumulation> accumulations(const Machine& machine,
                                                             const nets::IntegerNetwork& network);

}  // namespace guardbit::sim
