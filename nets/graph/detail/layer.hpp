// One YAML layer -> its nodes (nets/graph/build.hpp lists the keys).
#pragma once

#include <vector>

#include "nets/config/section.hpp"
#include "nets/graph/network.hpp"

namespace guardbit::nets::detail {

// Appends the nodes of `layer` (named after the section) to a network whose nodes so far have their shapes.
// Returns the index of the node that is the layer's output.
int append_layer(Network& network, const Section& layer, const std::vector<int>& inputs);

}  // namespace guardbit::nets::detail
