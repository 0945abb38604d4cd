// Removal of dropout and of a final softmax.
#include "nets/graph/strip_inference.hpp"

#include "nets/graph/dead_nodes.hpp"

namespace guardbit::nets {

Stripped strip_inference(const Network& network) {
  std::vector<bool> bypass(network.nodes.size(), false);
  for (std::size_t i = 0; i < network.nodes.size(); ++i) bypass[i] = network.nodes[i].op == Op::Dropout;

  // From the output back, through dropout, as long as there is a softmax that nobody else reads.
  std::vector<int> readers(network.nodes.size(), 0);
  for (const Node& node : network.nodes) {
    for (const int input : node.inputs) ++readers[static_cast<std::size_t>(input)];
  }
  for (auto i = static_cast<std::size_t>(network.output); readers[i] <= (static_cast<int>(i) == network.output ? 0 : 1);
       i = static_cast<std::size_t>(network.nodes[i].inputs[0])) {
    const Op op = network.nodes[i].op;
    if (op == Op::Softmax) bypass[i] = true;
    if (op != Op::Softmax && op != Op::Dropout) break;
  }

  Stripped result{bypass_nodes(network, bypass), {}};
  for (std::size_t i = 0; i < network.nodes.size(); ++i) {
    if (bypass[i]) result.removed.push_back(network.nodes[i].name);
  }
  return result;
}

}  // namespace guardbit::nets
