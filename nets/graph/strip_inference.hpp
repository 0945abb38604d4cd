// Removes what inference on codes does not need: dropout, and a softmax that is the network's output (it does not
// change which class is largest).
#pragma once

#include <string>
#include <vector>

#include "nets/graph/network.hpp"

namespace guardbit::nets {

struct Stripped {
  Network network;
  std::vector<std::string> removed;  // names of the removed nodes, in order
};
// keep_softmax: a softmax at the output stays.
[[nodiscard]] Stripped strip_inference(const Network& network, bool keep_softmax = false);

}  // namespace guardbit::nets
