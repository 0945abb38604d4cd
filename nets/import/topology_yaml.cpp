// Topologies as YAML.
#include <fmt/format.h>

#include "nets/import/topology.hpp"

namespace guardbit::nets {
namespace {

Value pair(int a, int b) { return Value::list({Value(a), Value(b)}); }

TopologyLayer read_layer(const Section& section) {
  TopologyLayer layer;
  layer.name = section.text("name");
  const std::vector<std::int64_t> input = section.integers("input", 1, kMaxTopologyExtent);
  if (input.size() != 3) section.fail("input", fmt::format("{} numbers", input.size()), "[height, width, channels]");
  layer.input = {static_cast<int>(input[0]), static_cast<int>(input[1]), static_cast<int>(input[2])};
  const auto kernel = section.pair("kernel", 1, kMaxTopologyExtent);
  const auto stride = section.pair("stride", 1, kMaxTopologyExtent, std::array<std::int64_t, 2>{1, 1});
  layer.kernel_h = static_cast<int>(kernel[0]);
  layer.kernel_w = static_cast<int>(kernel[1]);
  layer.stride_h = static_cast<int>(stride[0]);
  layer.stride_w = static_cast<int>(stride[1]);
  layer.filters = static_cast<int>(section.integer("filters", 1, kMaxTopologyExtent));
  layer.groups = static_cast<int>(section.integer("groups", 1, kMaxTopologyExtent, 1));
  if (layer.name.empty()) section.fail("name", "an empty name", "text");
  if (const std::string problem = problem_of(layer); !problem.empty()) section.fail(problem);
  return layer;
}

}  // namespace

Value to_value(const Topology& topology) {
  std::vector<Value> layers;
  for (const TopologyLayer& layer : topology.layers) {
    layers.push_back(Value::map({{"name", Value::quoted(layer.name)},
                                 {"input", Value::list({layer.input.h, layer.input.w, layer.input.c})},
                                 {"kernel", pair(layer.kernel_h, layer.kernel_w)},
                                 {"stride", pair(layer.stride_h, layer.stride_w)},
                                 {"filters", layer.filters},
                                 {"groups", layer.groups}}));
  }
  return Value::map({{"name", Value::quoted(topology.name)},
                     {"source", Value::quoted(topology.source)},
                     {"sha256", Value::quoted(topology.sha256)},
                     {"layers", Value::list(std::move(layers))}});
}

Topology read_topology(const Section& section) {
  Topology topology;
  topology.name = section.text("name");
  topology.source = section.text("source", "");
  topology.sha256 = section.text("sha256", "");
  for (const Section& layer : section.sections("layers")) topology.layers.push_back(read_layer(layer));
  if (topology.layers.empty() || topology.layers.size() > kMaxTopologyLayers) {
    section.fail("layers", fmt::format("{} layers", topology.layers.size()),
                 fmt::format("1 to {}", kMaxTopologyLayers));
  }
  return topology;
}

}  // namespace guardbit::nets
