// Names, look-up, MAC counts and parameter lists of networks.
#include "nets/graph/network.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <set>

#include "arith/error.hpp"
#include "nets/graph/text.hpp"

namespace guardbit::nets {

std::string_view name(Op op) {
  switch (op) {
#define X(id, text) \
  case Op::id:      \
    return text;
    GUARDBIT_OPS(X)
#undef X
  }
  std::abort();
}

std::string where(const Network& network, const Node& node) {
  return fmt::format("network {}: node {} ({})", network.name, node.name, name(node.op));
}

std::optional<int> Network::find(std::string_view node_name) const {
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i].name == node_name) return static_cast<int>(i);
  }
  return std::nullopt;
}

const FloatTensor& Network::parameter(const std::string& parameter_name) const {
  const auto found = parameters.find(parameter_name);
  if (found == parameters.end()) {
    throw Error(fmt::format("network {}: parameter {} is absent; the network has {} parameters, allowed: one trained, "
                            "initialised or loaded with weights=FILE",
                            name, parameter_name, parameters.size()));
  }
  return found->second;
}

std::int64_t macs(const Network& network, const Node& node) {
  if (node.op != Op::Conv2d && node.op != Op::FullyConnected) return 0;
  const auto& conv = std::get<ConvAttributes>(node.attributes);
  const Shape& in = network.node(node.inputs.at(0)).shape;
  if (node.op == Op::FullyConnected) return in.count() * conv.channels;
  return node.shape.count() * conv.window.kernel_h * conv.window.kernel_w * (in.c / conv.groups);
}

std::vector<ParameterSpec> parameter_specs(const Network& network, const Node& node) {
  std::vector<ParameterSpec> specs;
  if (node.op == Op::BatchNorm) {
    for (const char* part : {"gamma", "beta", "mean", "variance"}) {
      const bool trainable = part[0] == 'g' || part[0] == 'b';
      specs.push_back({node.name + "." + part, {node.shape.c}, trainable});
    }
  }
  if (node.op == Op::Conv2d || node.op == Op::FullyConnected) {
    const auto& conv = std::get<ConvAttributes>(node.attributes);
    const Shape& in = network.node(node.inputs.at(0)).shape;
    if (node.op == Op::FullyConnected) {
      specs.push_back({node.name + ".weight", {conv.channels, 1, 1, in.count()}});
    } else {
      specs.push_back({node.name + ".weight",
                       {conv.channels, conv.window.kernel_h, conv.window.kernel_w, in.c / conv.groups}});
    }
    if (conv.bias) specs.push_back({node.name + ".bias", {conv.channels}});
  }
  return specs;
}

std::vector<ParameterSpec> parameter_specs(const Network& network) {
  std::vector<ParameterSpec> all;
  for (const Node& node : network.nodes) {
    for (ParameterSpec& spec : parameter_specs(network, node)) all.push_back(std::move(spec));
  }
  return all;
}

void check_parameters(const Network& network) {
  std::set<std::string> wanted;
  for (const ParameterSpec& spec : parameter_specs(network)) {
    const FloatTensor& tensor = network.parameter(spec.name);
    if (tensor.shape != spec.shape || tensor.data.size() != static_cast<std::size_t>(tensor.count())) {
      throw Error(fmt::format("network {}: parameter {} has shape {} and {} elements, allowed: shape {}", network.name,
                              spec.name, to_text(tensor.shape), tensor.data.size(), to_text(spec.shape)));
    }
    wanted.insert(spec.name);
  }
  for (const auto& [parameter_name, tensor] : network.parameters) {
    if (!wanted.contains(parameter_name)) {
      throw Error(fmt::format("network {}: parameter {} belongs to no node", network.name, parameter_name));
    }
  }
}

}  // namespace guardbit::nets
