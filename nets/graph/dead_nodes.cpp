// Removal of nodes that the output does not depend on.
#include "nets/graph/dead_nodes.hpp"

namespace guardbit::nets {
namespace {

std::vector<bool> live_nodes(const Network& network) {
  std::vector<bool> live(network.nodes.size(), false);
  live[0] = true;
  live[static_cast<std::size_t>(network.output)] = true;
  for (std::size_t i = network.nodes.size(); i-- > 0;) {  // topological order: readers come later
    if (!live[i]) continue;
    for (const int input : network.nodes[i].inputs) live[static_cast<std::size_t>(input)] = true;
  }
  return live;
}

}  // namespace

Network remove_dead_nodes(const Network& network) {
  const std::vector<bool> live = live_nodes(network);
  Network result;
  result.name = network.name;
  result.preprocess = network.preprocess;
  std::vector<int> moved(network.nodes.size(), -1);
  for (std::size_t i = 0; i < network.nodes.size(); ++i) {
    if (!live[i]) continue;
    Node node = network.nodes[i];
    for (int& input : node.inputs) input = moved[static_cast<std::size_t>(input)];
    moved[i] = static_cast<int>(result.nodes.size());
    result.nodes.push_back(std::move(node));
  }
  result.output = moved[static_cast<std::size_t>(network.output)];
  for (const ParameterSpec& spec : parameter_specs(result)) {
    const auto found = network.parameters.find(spec.name);
    if (found != network.parameters.end()) result.parameters.insert(*found);
  }
  return result;
}

Network bypass_nodes(const Network& network, const std::vector<bool>& bypass) {
  Network result = network;
  std::vector<int> source(network.nodes.size());
  for (std::size_t i = 0; i < network.nodes.size(); ++i) {
    for (int& input : result.nodes[i].inputs) input = source[static_cast<std::size_t>(input)];
    source[i] = bypass[i] ? result.nodes[i].inputs.at(0) : static_cast<int>(i);
  }
  result.output = source[static_cast<std::size_t>(network.output)];
  return remove_dead_nodes(result);
}

}  // namespace guardbit::nets
