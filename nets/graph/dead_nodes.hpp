// Removes nodes (and their parameters) that the output does not depend on. The input always stays.
#pragma once

#include <string>
#include <vector>

#include "nets/graph/network.hpp"

namespace guardbit::nets {

[[nodiscard]] Network remove_dead_nodes(const Network& network);

// Shared by the passes: makes every reader of a node marked in `bypass` (size: nodes) read that node's first input
// instead, then removes dead nodes. The input cannot be bypassed.
[[nodiscard]] Network bypass_nodes(const Network& network, const std::vector<bool>& bypass);

}  // namespace guardbit::nets
