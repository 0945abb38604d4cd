// Batch norm folding, in double.
#include "nets/graph/fold_batch_norm.hpp"

#include <cmath>

#include "nets/graph/dead_nodes.hpp"

namespace guardbit::nets {
namespace {

bool weighted(const Node& node) { return node.op == Op::Conv2d || node.op == Op::FullyConnected; }

// Scales the weights of `node` (and of its parameters in `network`) by the batch norm `norm` that follows it.
void fold(Network& network, Node& node, const Node& norm) {
  const double epsilon = std::get<BatchNormAttributes>(norm.attributes).epsilon;
  const FloatTensor& gamma = network.parameter(norm.name + ".gamma");
  const FloatTensor& beta = network.parameter(norm.name + ".beta");
  const FloatTensor& mean = network.parameter(norm.name + ".mean");
  const FloatTensor& variance = network.parameter(norm.name + ".variance");
  auto& conv = std::get<ConvAttributes>(node.attributes);

  FloatTensor bias({conv.channels});
  if (conv.bias) bias = network.parameter(node.name + ".bias");
  FloatTensor weight = network.parameter(node.name + ".weight");
  const std::size_t depth = weight.data.size() / static_cast<std::size_t>(conv.channels);
  for (std::size_t k = 0; k < bias.data.size(); ++k) {
    const double factor = double{gamma.data[k]} / std::sqrt(double{variance.data[k]} + epsilon);
    for (std::size_t i = k * depth; i < (k + 1) * depth; ++i) {
      weight.data[i] = static_cast<float>(factor * double{weight.data[i]});
    }
    bias.data[k] = static_cast<float>(double{beta.data[k]} + factor * (double{bias.data[k]} - double{mean.data[k]}));
  }
  conv.bias = true;
  network.parameters[node.name + ".weight"] = std::move(weight);
  network.parameters[node.name + ".bias"] = std::move(bias);
}

}  // namespace

Network fold_batch_norm(const Network& network) {
  check_parameters(network);
  Network result = network;
  std::vector<int> readers(network.nodes.size(), 0);
  for (const Node& node : network.nodes) {
    for (const int input : node.inputs) ++readers[static_cast<std::size_t>(input)];
  }
  std::vector<bool> bypass(network.nodes.size(), false);
  for (std::size_t i = 0; i < network.nodes.size(); ++i) {
    const Node& norm = network.nodes[i];
    if (norm.op != Op::BatchNorm) continue;
    // A chain of batch norms folds one by one: look through those already folded.
    auto source = static_cast<std::size_t>(norm.inputs[0]);
    bool alone = readers[source] == 1 && static_cast<int>(source) != network.output;
    while (bypass[source]) {
      source = static_cast<std::size_t>(network.nodes[source].inputs[0]);
    }
    if (!alone || !weighted(network.nodes[source])) continue;
    fold(result, result.nodes[source], norm);
    bypass[i] = true;
  }
  return bypass_nodes(result, bypass);
}

}  // namespace guardbit::nets
