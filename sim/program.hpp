// Program: what the mapper hands to the sequencer for one layer. Commands of four units, each executed in queue order;
// a command starts when its unit is free and all its dependencies have ended.
//
// Blocks of a layer. A weighted layer is one matrix product per group: rows m (output pixels p * Q + q), reduction k
// (order r, s, c), columns n (output channels of the group). Any dataflow is a sequence of blocks (m, k, n).
// Addresses count elements from the start of a scratchpad.
#pragma once

#include <array>
#include <cstdint>
#include <variant>
#include <vector>

namespace guardbit::sim {

enum class Unit : unsigned char { DmaRead, DmaWrite, Array, Vector };
inline constexpr int kUnits = 4;
[[nodiscard]] const char* name(Unit unit);

// Half-open range of one index.
struct Span {
  std::int64_t begin = 0, end = 0;
  [[nodiscard]] std::int64_t size() const { return end - begin; }
  friend bool operator==(const Span&, const Span&) = default;
};

// Part of one activation tensor: [h, w, c].
struct Box {
  Span h, w, c;
  [[nodiscard]] std::int64_t count() const { return h.size() * w.size() * c.size(); }
  friend bool operator==(const Box&, const Box&) = default;
};

// A region of the activation scratchpad that holds `box` of one tensor in C order.
struct Region {
  std::int64_t address = 0;
  Box box;
  friend bool operator==(const Region&, const Region&) = default;
};

// DRAM -> activation scratchpad: rows `rows` of the region's box, of the output of layer `source`.
struct LoadActivations {
  int source = 0;
  Region region;
  Span rows;
};
// DRAM -> weight scratchpad: W[k, n] of one group, k-major; `bias` when the biases of columns n come along.
struct LoadWeights {
  int group = 0;
  Span k, n;
  std::int64_t address = 0;
  bool bias = false;
};
// One pass of the array: the block (m, k, n) of a layer's product. What stays in the PEs and what is streamed past them
// is the machine's dataflow:
//
//                      rows  columns  streamed   sums
//   weight_stationary   k      n        m        move down; from and to the accumulator memory
//   output_stationary   m      n        k        stay in the PEs until the pass with `last` drains them
//   input_stationary    k      m        n        move down; from and to the accumulator memory
//
// A pass has at most as many indices as the array has rows and columns; the streamed index is bounded by memory only.
struct Fold {
  int group = 0;
  Box outputs;  // of the tile: h = p, w = q, c = output channels of the layer (all of n); pixels in row-major order
  Span m;       // of the tile's pixels, counted in row-major order from its first
  Span k, n;
  Region input;
  std::int64_t weights = 0;       // address of W[k, n]
  std::int64_t accumulators = 0;  // address of [m, n]; the tile's sums are [pixels, n]
  bool first = false;             // starts from the bias instead of the accumulator memory or the PEs
  bool last = false;              // ends the reduction
};
// Accumulator memory -> stages -> activation scratchpad [pixels, n.size()].
struct RequantizeTile {
  Box outputs;
  std::int64_t accumulators = 0;
  std::int64_t address = 0;
};
// Accumulator memory -> DRAM, DRAM -> accumulator memory: unfinished sums of a tile that have to make room between two
// of its passes, as elements of the accumulator format.
struct SpillSums {
  Box outputs;
  std::int64_t accumulators = 0;
};
struct ReloadSums {
  Box outputs;
  std::int64_t accumulators = 0;
};
// Lane operations of each pass over a tile; a pass begins when the last lane of the one before has ended. One pass:
// elements x inputs, or elements x taps of a pool. Softmax: largest codes, sums, reciprocals, results.
using LanePasses = std::array<std::int64_t, 4>;
// A layer without weights, one tile: regions of all inputs -> `outputs` at `address`.
struct Elementwise {
  Box outputs;
  std::vector<Region> inputs;
  std::int64_t address = 0;
  LanePasses passes{};
  int reads = 1;  // passes that read the inputs
};
// Activation scratchpad -> DRAM.
struct StoreOutputs {
  Box outputs;
  std::int64_t address = 0;
};

using Operation = std::variant<LoadActivations, LoadWeights, Fold, RequantizeTile, Elementwise, StoreOutputs, SpillSums,
                               ReloadSums>;

struct Command {
  Operation operation;
  std::vector<int> after;  // indices of earlier commands of the same program
  [[nodiscard]] Unit unit() const;
};

struct LayerProgram {
  int layer = 0;
  std::vector<Command> commands;  // empty for input and flatten
};

}  // namespace guardbit::sim
