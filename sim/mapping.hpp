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

struct Tiling {
  TileShape tile;
  bool input_resident = false;    // the group's whole input stays in the activation scratchpad
  bool weights_resident = false;  // all k folds of one n fold stay in the weight scratchpad
};

// The largest tile that fits the scratchpads; Error naming the layer, needed and available bytes if one pixel does not.
[[nodiscard]] Tiling choose_tiling(const Machine& machine, const nets::IntegerNetwork& network, int layer);

[[nodiscard]] LayerProgram map_layer(const Machine& machine, const nets::IntegerNetwork& network, int layer);
[[nodiscard]] std::vector<LayerProgram> map_network(const Machine& machine, const nets::IntegerNetwork& network);

// Part of input `input` that `outputs` needs, clipped to the tensor; may be empty where a window lies in padding.
[[nodiscard]] Box input_box(const nets::IntegerNetwork& network, const nets::IntegerLayer& layer, int input,
                            const Box& outputs);

// Cycles of one fold with ideal memory: `rows` to load the weights, then pixels + rows + columns - 1 until the last
// sum is in the accumulator memory. SCALE-Sim (2*rows + columns + T - 2) counts one fewer: it stops at the cycle in
// which the last PE adds, we at the next, in which the accumulator memory takes the registered sum over.
[[nodiscard]] constexpr std::int64_t fold_cycles(std::int64_t rows, std::int64_t columns, std::int64_t pixels) {
  return 2 * rows + columns + pixels - 1;
}
[[nodiscard]] constexpr std::int64_t scale_sim_fold_cycles(std::int64_t rows, std::int64_t columns,
                                                           std::int64_t pixels) {
  return 2 * rows + columns + pixels - 2;
}

// Cycles and SCALE-Sim's cycles of a whole layer for one image with ideal memory, whole-layer tiles (T = P * Q); 0 for
// layers without weights.
struct IdealCycles {
  std::int64_t ours = 0, scale_sim = 0;
};
[[nodiscard]] IdealCycles ideal_cycles(const Machine& machine, const nets::IntegerNetwork& network, int layer);

[[nodiscard]] constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

}  // namespace guardbit::sim
