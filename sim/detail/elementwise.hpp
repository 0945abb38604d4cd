// The vector unit's work on layers without weights: one tile, from the regions of its inputs to its outputs.
#pragma once

#include <cstdint>
#include <span>

#include "sim/detail/layer_state.hpp"

namespace guardbit::sim {

// scratchpad: the whole activation memory. out: [outputs] in C order. Adds to `counts` what `stages` changed.
void compute_elementwise(const LayerState& state, const Elementwise& work, std::span<const std::int32_t> scratchpad,
                         std::span<std::int32_t> out, arith::StageCounts& counts);

}  // namespace guardbit::sim
