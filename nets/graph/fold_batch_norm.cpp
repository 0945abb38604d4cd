// Batch norm folding, in double.
#include "nets/graph/fold_batch_norm.hpp"

#include <Eigen/Core>
#include <iterator>

#include "nets/graph/dead_nodes.hpp"

namespace guardbit::nets {
namespace {

bool weighted(const Node& node) { return node.op == Op::Conv2d || node.op == Op::FullyConnected; }

// One value per output channel of a parameter, in double.
Eigen::ArrayXd channels(const FloatTensor& parameter) {
  return Eigen::Map<const Eigen::ArrayXf>(parameter.data.data(), std::ssize(parameter.data)).cast<double>();
}

// Scales the weights of `node` (and of its parameters in `network`) by the batch norm `norm` that follows it.
void fold(Network& network, Node& node, const Node& norm) {
  const double epsilon = std::get<BatchNormAttributes>(norm.attributes).epsilon;
  const auto of_norm = [&](const char* suffix) { return channels(network.parameter(norm.name + suffix)); };
  const Eigen::ArrayXd factor = of_norm(".gamma") / (of_norm(".variance") + epsilon).sqrt();
  auto& conv = std::get<ConvAttributes>(node.attributes);

  FloatTensor bias({conv.channels});
  if (conv.bias) bias = network.parameter(node.name + ".bias");
  const Eigen::ArrayXd folded_bias = of_norm(".beta") + factor * (channels(bias) - of_norm(".mean"));
  Eigen::Map<Eigen::ArrayXf>(bias.data.data(), std::ssize(bias.data)) = folded_bias.cast<float>();

  FloatTensor weight = network.parameter(node.name + ".weight");
  using Rows = Eigen::Array<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;  // [K, R * S * C / groups]
  Eigen::Map<Rows> rows(weight.data.data(), conv.channels, std::ssize(weight.data) / conv.channels);
  rows = (rows.cast<double>().colwise() * factor).cast<float>();

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
