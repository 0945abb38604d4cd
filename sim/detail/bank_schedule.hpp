// How long the passes of a layer wait for the banks, without playing them: the cycles in which operands cross the edges
// of the array are known, so the words that each bank serves in each cycle are counted, once for all passes that look
// alike.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/detail/layer_state.hpp"

namespace guardbit::sim {

// Of each command of the layer's program: cycles by which bank conflicts lengthen it. Empty when nothing ever waits.
[[nodiscard]] std::vector<std::int64_t> bank_waits(const LayerState& state);

}  // namespace guardbit::sim
