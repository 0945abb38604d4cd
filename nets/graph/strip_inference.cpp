// Removal of dropout and of a final softmax.
#include "nets/graph/strip_inference.hpp"

#include "nets/graph/dead_nodes.hpp"

namespace guardbit::nets {

Stripped strip_inference(const Network& network, bool keep_softmax) {
  std::vector<bool> bypass(network.nodes.size(), false);
  for (std::size_t i = 0; i < network.nodes.size(); ++i) bypass[i] = network.nodes[i].op == Op::Dropout;

  // From the output back through softmax and dropout: nothing else that matters can read these nodes.
  for (auto i = static_cast<std::size_t>(network.output);; i = static_cast<std::size_t>(network.nodes[i].inputs[0])) {
    const Op op = network.nodes[i].op;
    if ((op != Op::Softmax || keep_softmax) && op != Op::Dropout) break;
    bypass[i] = true;
  }

  Stripped result{bypass_nodes(network, bypass), {}};
  for (std::size_t i = 0; i < network.nodes.size(); ++i) {
    if (bypass[i]) result.removed.push_back(network.nodes[i].name);
  }
  return result;
}

}  // namespace guardbit::nets
