// Mapping: from a layer and a machine to a program. Pure functions, no SystemC. The rules stand in sim/README.md.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/machine.hpp"
#include "sim/program.hpp"

namespace guardbit::sim {

// Tile of a layer's output: `p` whole output rows, or, if even one row is too much, `q` pixels of one row.
struct TileShape {
  std::int64_t p = 0, q = 0;
  friend bool operator==(const TileShape&, const TileShape&) = default;
};

// How a layer is cut. A weighted layer's output is cut into blocks of `n` channels, those into tiles of pixels; a tile
// is computed in passes of at most `m` pixels and `k` reduction indices.
struct Tiling {
  TileShape tile;
  std::int64_t n = 0;  // output channels of a block; weight and output stationary: columns
  std::int64_t m = 0;  // weight stationary: the whole tile; output stationary: rows; input stationary: columns
  std::int64_t k = 0;  // weight and input stationary: rows; output stationary: as much as the weight scratchpad holds
  bool input_resident = false;    // the group's whole input stays in the activation scratchpad
  bool weights_resident = false;  // all weights of a block stay in the weight scratchpad
  bool sums_resident = false;     // the sums of all tiles of a block fit the accumulator memory
};

// The largest tile that fits the scratchpads; Error naming the layer, needed and available bytes if the smallest (one
// pixel; input stationary: of one channel) does not.
[[nodiscard]] Tiling choose_tiling(const Machine& machine, const nets::IntegerNetwork& network, int layer);

[[nodiscard]] LayerProgram map_layer(const Machine& machine, const nets::IntegerNetwork& network, int layer);
[[nodiscard]] std::vector<LayerProgram> map_network(const Machine& machine, const nets::IntegerNetwork& network);

// The index that moves past the PEs: its number of operands in this pass, one per cycle.
[[nodiscard]] std::int64_t streamed(Dataflow dataflow, const Fold& fold);

// Part of input `input` that `outputs` needs, clipped to the tensor; may be empty where a window lies in padding.
[[nodiscard]] Box input_box(const nets::IntegerNetwork& network, const nets::IntegerLayer& layer, int input,
                            const Box& outputs);

// Cycles of one pass with ideal memory, by what the array does. T operands are streamed.
//   weight_stationary, input_stationary: `rows` to load the operands that stay, T to stream, rows + columns - 1 until
//     the last sum is in the accumulator memory: 2*rows + columns + T - 1.
//   output_stationary: the PE in row r and column c multiplies operand k in cycle k + r + c: T + rows + columns - 2
//     until the last PE has added; then, if the pass drains, `rows` in each of which the bottom row is taken over.
struct FoldCycles {
  std::int64_t load = 0, stream = 0, fill_drain = 0;
  [[nodiscard]] constexpr std::int64_t total() const { return load + stream + fill_drain; }
};
[[nodiscard]] FoldCycles fold_cycles(const Machine::Array& array, std::int64_t streamed, bool drains);
[[nodiscard]] FoldCycles fold_cycles(const Machine::Array& array, const Fold& fold);

// What SCALE-Sim v2 counts. Weight and input stationary one cycle less than ours, 2*rows + columns + T - 2: it stops at
// the cycle in which the last PE adds, we at the next, in which the accumulator memory takes the registered sum over.
// Output stationary `rows` less than ours, rows + columns + T - 2: column c starts to leave the array, bottom row
// first, in cycle T - 1 + c, which is rows - 1 cycles before the PE of that row has added its last product.
[[nodiscard]] std::int64_t scale_sim_fold_cycles(const Machine::Array& array, std::int64_t streamed);

// Cycles and SCALE-Sim's cycles of a whole layer for one image with ideal memory that holds the whole layer; 0 for
// layers without weights.
struct IdealCycles {
  std::int64_t ours = 0, scale_sim = 0;
};
[[nodiscard]] IdealCycles ideal_cycles(const Machine& machine, const nets::IntegerNetwork& network, int layer);

[[nodiscard]] constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

}  // namespace guardbit::sim
