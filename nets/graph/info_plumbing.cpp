#include "nets/graph/info_plumbing.hpp"

#include <algorithm>

#include "nets/graph/info.hpp"

namespace guardbit::nets {
namespace {

Value integers(const std::vector<std::int64_t>& numbers) {
  std::vector<Value> items(numbers.begin(), numbers.end());
  return Value::list(std::move(items));
}

bool is_depthwise(const Network& network, const Node& node) {
  if (node.op != Op::Conv2d) return false;
  const int groups = std::get<ConvAttributes>(node.attributes).groups;
  return groups > 1 && groups == network.node(node.inputs[0]).shape.c;
}

struct Variable {
  std::string name;  // without the ":0" of TensorFlow
  std::vector<std::int64_t> shape;
  bool trainable = true;
};

Variable variable_of(const Network& network, const Node& node, const ParameterSpec& spec) {
  const std::string scope = network.name + "/" + node.layer + "/";
  const std::string own = spec.name.substr(spec.name.rfind('.') + 1);
  if (node.op == Op::BatchNorm) {
    const std::string called = own == "mean" ? "moving_mean" : own == "variance" ? "moving_variance" : own;
    return {scope + "BatchNorm/" + called, spec.shape, spec.trainable};
  }
  if (own == "bias") return {scope + "biases", spec.shape, spec.trainable};
  const std::vector<std::int64_t>& s = spec.shape;  // [K, R, S, C / groups]
  if (node.op == Op::FullyConnected) return {scope + "weights", {s[1] * s[2] * s[3], s[0]}, spec.trainable};
  if (is_depthwise(network, node))
    return {scope + "depthwise_weights", {s[1], s[2], s[0] / s[3], s[3]}, spec.trainable};
  return {scope + "weights", {s[1], s[2], s[3], s[0]}, spec.trainable};
}

std::vector<Variable> variables_of(const Network& network, const std::string& layer) {
  std::vector<Variable> all;
  for (const Node& node : network.nodes) {
    if (node.layer != layer) continue;
    for (const ParameterSpec& spec : parameter_specs(network, node)) all.push_back(variable_of(network, node, spec));
  }
  return all;
}

Value layer_row(const std::string& name, const std::vector<std::int64_t>& shape, Value macs, Value bitops,
                Value memory) {
  return Value::map({{"bitops", std::move(bitops)}, {"layer", Value(name)}, {"macs", std::move(macs)},
                     {"memory", std::move(memory)}, {"shape", integers(shape)}});
}

std::vector<std::int64_t> with_batch(const Shape& shape) { return {1, shape.h, shape.w, shape.c}; }

Value layers_of(const Network& network, const Plumbing& plumbing, const NetworkInfo& info) {
  std::vector<Value> rows{layer_row("/input", with_batch(info.input), {}, {}, {})};
  for (const LayerInfo& layer : info.layers) {
    const auto bits = plumbing.weight_bits.find(layer.name);
    const bool costs = layer.macs > 0;
    const bool wide = costs && bits != plumbing.weight_bits.end();
    rows.push_back(layer_row(network.name + "/" + layer.name, with_batch(layer.shape),
                             costs ? Value(layer.macs) : Value(),
                             wide ? Value(static_cast<double>(layer.macs * bits->second)) : Value(),
                             wide ? Value(static_cast<double>(layer.weights * bits->second)) : Value()));
  }
  const Shape& out = network.node(network.output).shape;
  const bool flat = out.h == 1 && out.w == 1;
  rows.push_back(layer_row("/output", flat ? std::vector<std::int64_t>{1, out.c} : with_batch(out), {}, {}, {}));
  return Value::map({{"footer", Value::map({{"macs", Value(info.totals.macs)}})},
                     {"items", Value::list(std::move(rows))}});
}

Value variable_row(const std::string& name, const std::vector<std::int64_t>& shape) {
  return Value::map({{"nontrainable", Value(name + ":0")}, {"shape", integers(shape)}});
}

// In Mayo's order: layer by layer weights, statistics, activations; then gradients from the last layer on; then what
// the optimizer keeps.
Value nontrainables_of(const Network& network, const Plumbing& plumbing, const NetworkInfo& info) {
  std::vector<Value> rows{variable_row("imgs_seen", {})};
  const auto add = [&](const std::string& layer, const std::string& place) {
    for (const PlumbingOverrider& one : plumbing.overriders) {
      if (one.layer != layer || one.place != place) continue;
      for (const std::string& variable : one.variables)
        rows.push_back(variable_row(network.name + "/" + layer + "/" + place + "/" + one.type + "." + variable, {}));
    }
  };
  for (const LayerInfo& layer : info.layers) {
    add(layer.name, "weights");
    add(layer.name, "biases");
    for (const Variable& variable : variables_of(network, layer.name))
      if (!variable.trainable) rows.push_back(variable_row(variable.name, variable.shape));
    add(layer.name, "activations");
  }
  for (auto layer = info.layers.rbegin(); layer != info.layers.rend(); ++layer) {
    add(layer->name, "errors/gradient");
    add(layer->name, "weights/gradient");
  }
  for (const LayerInfo& layer : info.layers) {
    for (const Variable& variable : variables_of(network, layer.name)) {
      if (!variable.trainable) continue;
      for (const std::string& slot : plumbing.slots)
        rows.push_back(variable_row(variable.name + "/" + slot, variable.shape));
    }
  }
  return Value::map({{"items", Value::list(std::move(rows))}});
}

Value trainables_of(const Network& network, const NetworkInfo& info) {
  std::vector<Value> rows;
  for (const LayerInfo& layer : info.layers) {
    for (const Variable& variable : variables_of(network, layer.name)) {
      if (!variable.trainable) continue;
      std::int64_t count = 1;
      for (const std::int64_t side : variable.shape) count *= side;
      rows.push_back(Value::map({{"count", Value(count)}, {"shape", integers(variable.shape)},
                                 {"trainable", Value(variable.name + ":0")}}));
    }
  }
  return Value::map({{"footer", Value::map({{"count", Value(info.totals.trainables)}})},
                     {"items", Value::list(std::move(rows))}});
}

Value overrider_row(const Network& network, const PlumbingOverrider& one) {
  Value row = Value::map({{"name", Value(network.name + "/" + one.layer + "/" + one.place)}});
  if (one.point) {
    row.set("point", Value(*one.point));
  } else if (one.scales.size() == 1) {
    row.set("scale", Value(one.scales[0]));
  } else {
    row.set("scale", Value::list({one.scales.begin(), one.scales.end()}));
  }
  row.set("width", Value(one.width));
  if (!one.point) row.set("zero_point", Value(one.zero_point));
  return row;
}

Value overriders_of(const Network& network, const Plumbing& plumbing) {
  std::map<std::string, std::vector<Value>> classes;
  for (const PlumbingOverrider& one : plumbing.overriders) classes[one.type].push_back(overrider_row(network, one));
  Value all = Value::map();
  for (auto& [type, rows] : classes) all.set(type, Value::map({{"items", Value::list(std::move(rows))}}));
  return all;
}

}  // namespace

Value info_plumbing(const Network& network, const Plumbing& plumbing) {
  const NetworkInfo info = network_info(network);
  Value accuracies;
  if (plumbing.accuracies) {
    accuracies = Value::map({{"top1", Value(plumbing.accuracies->first)},
                             {"top5", Value(plumbing.accuracies->second)}});
  }
  return Value::map({{"accuracies", std::move(accuracies)},
                     {"layers", layers_of(network, plumbing, info)},
                     {"nontrainables", nontrainables_of(network, plumbing, info)},
                     {"overriders", overriders_of(network, plumbing)},
                     {"trainables", trainables_of(network, info)}});
}

}  // namespace guardbit::nets
