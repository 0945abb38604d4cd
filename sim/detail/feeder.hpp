// The address generator between the activation scratchpad and the array: which activation meets which weight.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/detail/layer_state.hpp"

namespace guardbit::sim {

// Writes the operands [m, k] of a pass: code - zero point, 0 for padded taps. `scratchpad` is the whole memory.
void gather(const LayerState& state, const Fold& fold, std::span<const std::int32_t> scratchpad,
            std::vector<std::int32_t>& operands);

}  // namespace guardbit::sim
