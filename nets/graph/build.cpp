// The `model` section -> Network.
#include "nets/graph/build.hpp"

#include <set>

#include "nets/graph/detail/layer.hpp"
#include "nets/graph/detail/window.hpp"
#include "nets/graph/detail/wiring.hpp"

namespace guardbit::nets {
namespace {

Node input_node(const Section& model) {
  const std::vector<std::int64_t> sides = model.integers("input", 1, detail::kMaxValue);
  if (sides.size() != 3) model.fail("input", std::to_string(sides.size()) + " numbers", "[height, width, channels]");
  Node node;
  node.name = node.layer = "input";
  node.shape = {static_cast<int>(sides[0]), static_cast<int>(sides[1]), static_cast<int>(sides[2])};
  return node;
}

std::vector<std::string> layer_names(const Section& layers) {
  std::vector<std::string> names = layers.keys();
  for (const std::string& name : names) {
    if (name == "input" || name == "output" || name.empty() || name.find('.') != std::string::npos) {
      layers.fail(name, "a layer of this name", "a name without dots that is not input or output");
    }
  }
  return names;
}

}  // namespace

Network build_network(const Section& model, std::vector<std::string>* removed) {
  Network network;
  network.name = model.text("name", "network");
  network.nodes.push_back(input_node(model));
  const Section layers = model.section("layers");
  const std::vector<std::string> names = layer_names(layers);
  const detail::Wiring wiring = detail::read_wiring(model, names);

  std::map<std::string, int> node_of{{"input", 0}};  // output node of each layer
  for (const detail::WiredLayer& wired : wiring.layers) {
    std::vector<int> inputs;
    for (const std::string& input : wired.inputs) inputs.push_back(node_of.at(input));
    const Section layer = layers.section(wired.name);
    node_of[wired.name] = detail::append_layer(network, layer, inputs);
    layer.done();
  }
  network.output = node_of.at(wiring.output);
  for (const std::string& name : names) {
    if (node_of.contains(name)) continue;
    layers.ignore(name);
    if (removed != nullptr) removed->push_back(name);
  }
  model.done();
  infer_shapes(network);  // verifies the whole
  return network;
}

}  // namespace guardbit::nets
