// Costs per layer and in total.
#include "nets/graph/info.hpp"

#include <algorithm>
#include <string_view>

namespace guardbit::nets {
namespace {

using Count = std::optional<std::int64_t>;

std::int64_t element_count(const ParameterSpec& spec) {
  std::int64_t count = 1;
  for (const std::int64_t side : spec.shape) count *= side;
  return count;
}

void add_to(Count& sum, std::int64_t value) { sum = sum.value_or(0) + value; }
void add_to(Count& sum, const Count& value) {
  if (value) add_to(sum, *value);
}

// The countings of SPEC 2.10 for one weighted node.
void add_weighted(LayerInfo& row, const Network& network, const Node& node, const InfoWidths& widths) {
  const Shape& in = network.node(node.inputs[0]).shape;
  const auto& conv = std::get<ConvAttributes>(node.attributes);
  const bool depthwise = node.op == Op::Conv2d && conv.groups > 1 && conv.groups == in.c;
  const std::int64_t node_macs = macs(network, node);
  const std::int64_t weights = element_count(parameter_specs(network, node).front());
  row.macs += node_macs;
  row.weights += weights;
  if (widths.weight_bits) {
    const std::int64_t bits = *widths.weight_bits;
    const bool counts_bias = node.op == Op::Conv2d && !depthwise;  // whether or not there is one, as Mayo does
    add_to(row.bitops_mayo, node_macs * bits);
    add_to(row.memory_mayo, weights * bits);
    add_to(row.mem_weights, (weights + (counts_bias ? conv.channels : 0)) * bits);
    if (widths.activation_bits) add_to(row.bitops_wa, node_macs * bits * *widths.activation_bits);
  }
  if (widths.activation_bits) {
    const std::int64_t bits = *widths.activation_bits;
    const std::int64_t inputs = in.count() * bits;
    const std::int64_t outputs = node.shape.count() * bits;
    add_to(row.mem_activation, depthwise ? std::max(inputs, outputs) : inputs + outputs);
  }
}

void add_node(LayerInfo& row, InfoTotals& totals, const Network& network, const Node& node, const InfoWidths& widths) {
  row.shape = node.shape;
  if (node.op == Op::Conv2d || node.op == Op::FullyConnected) add_weighted(row, network, node, widths);
  for (const ParameterSpec& spec : parameter_specs(network, node)) {
    if (spec.trainable) {
      row.trainables += element_count(spec);
    } else {
      totals.nontrainables += element_count(spec);
    }
  }
}

void add_row(InfoTotals& totals, const LayerInfo& row) {
  totals.macs += row.macs;
  totals.weights += row.weights;
  totals.trainables += row.trainables;
  add_to(totals.bitops_mayo, row.bitops_mayo);
  add_to(totals.memory_mayo, row.memory_mayo);
  add_to(totals.bitops_wa, row.bitops_wa);
  add_to(totals.mem_weights, row.mem_weights);
  add_to(totals.mem_activation, row.mem_activation);
}

// The members that rows and totals share.
template <class Row>
nlohmann::json counts_json(const Row& row) {
  nlohmann::json json{{"macs", row.macs}, {"weights", row.weights}, {"trainables", row.trainables}};
  const auto put = [&](const char* key, const Count& value) {
    if (value) json[key] = *value;
  };
  put("bitops_mayo", row.bitops_mayo);
  put("memory_mayo", row.memory_mayo);
  put("bitops_wa", row.bitops_wa);
  put("mem_weights", row.mem_weights);
  put("mem_activation", row.mem_activation);
  return json;
}

nlohmann::json shape_json(const Shape& shape) { return {shape.h, shape.w, shape.c}; }

}  // namespace

InfoWidths read_info_widths(const Section& info) {
  InfoWidths widths;
  if (info.has("width")) widths.weight_bits = static_cast<int>(info.integer("width", 1, 64));
  widths.activation_bits = widths.weight_bits;
  if (info.has("activation_width")) {
    widths.activation_bits = static_cast<int>(info.integer("activation_width", 1, 64));
  }
  return widths;
}

NetworkInfo network_info(const Network& network, const InfoWidths& widths) {
  NetworkInfo info{network.name, network.nodes.at(0).shape, {}, {}};
  for (std::size_t i = 1; i < network.nodes.size(); ++i) {
    const Node& node = network.nodes[i];
    auto row = std::find_if(info.layers.begin(), info.layers.end(),
                            [&](const LayerInfo& layer) { return layer.name == node.layer; });
    if (row == info.layers.end()) {
      row = info.layers.insert(row, LayerInfo{});
      row->name = node.layer;
      row->op = node.op;
    }
    add_node(*row, info.totals, network, node, widths);
  }
  for (const LayerInfo& row : info.layers) add_row(info.totals, row);
  return info;
}

nlohmann::json to_json(const NetworkInfo& info) {
  nlohmann::json layers = nlohmann::json::array();
  for (const LayerInfo& row : info.layers) {
    nlohmann::json json = counts_json(row);
    json["name"] = row.name;
    json["op"] = std::string(name(row.op));
    json["shape"] = shape_json(row.shape);
    layers.push_back(std::move(json));
  }
  nlohmann::json totals = counts_json(info.totals);
  totals["nontrainables"] = info.totals.nontrainables;
  return {{"name", info.name}, {"input", shape_json(info.input)}, {"layers", layers}, {"totals", totals}};
}

}  // namespace guardbit::nets
