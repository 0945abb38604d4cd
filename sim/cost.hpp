// Accounting: what a command moves and computes, where the cycles of a layer went, and what can never be wrong.
//
// Cycles of a layer are divided by what the array does: busy (weight load, stream, fill and drain), stalled on DRAM or
// stalled on the vector unit; the four always add up to `cycles`. An idle stretch before a fold belongs to the unit of
// the dependency that ended last (DRAM if both ended together). After the last fold, and in layers without folds,
// cycles in which the vector unit works are vector stalls, the others DRAM stalls.
#pragma once

#include <cstdint>
#include <vector>

#include "nets/engines/engine.hpp"
#include "sim/gemm_view.hpp"
#include "sim/machine.hpp"
#include "sim/program.hpp"

namespace guardbit::sim {

// Bytes a DMA command moves; 0 for other commands. Biases travel in accumulator elements.
[[nodiscard]] std::int64_t dram_bytes(const Machine& machine, const Operation& operation);

// Cycles of a command other than a fold: DMA latency + ceil(bytes / bytes_per_cycle); vector ceil(operations / lanes),
// summed over the passes of the command.
[[nodiscard]] std::int64_t command_cycles(const Machine& machine, const Operation& operation);

// Adds bytes of every memory, MACs and vector cycles of one executed command. A pass reads each of its activations and
// weights once, padded taps included: the scratchpad supplies the zero.
void charge(const Machine& machine, const Operation& operation, nets::LayerCost& cost);

// When each command of a layer started and ended, in cycles.
struct Schedule {
  std::vector<std::uint64_t> begin, end;
  std::uint64_t layer_begin = 0, layer_end = 0;
};

// Adds cycles and stalls.
void account_cycles(const LayerProgram& program, const Schedule& schedule, nets::LayerCost& cost);

// Energy of everything charged so far.
[[nodiscard]] double energy_pj(const Machine& machine, const nets::LayerCost& cost, std::uint64_t vector_operations);
[[nodiscard]] std::int64_t vector_operations(const LayerProgram& program);

// Least DRAM traffic of a layer for one image: every used input, weight and bias read once, every output written once.
struct Compulsory {
  std::uint64_t read_bytes = 0, write_bytes = 0;
};
[[nodiscard]] Compulsory compulsory(const Machine& machine, const nets::IntegerNetwork& network, int layer);

// Aborts unless the invariants of nets::LayerCost hold for `images` images of this layer.
void check_cost(const Machine& machine, const nets::IntegerNetwork& network, int layer, std::uint64_t images,
                const nets::LayerCost& cost);

}  // namespace guardbit::sim
