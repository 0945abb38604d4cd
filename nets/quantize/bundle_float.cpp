// The folded float graph as YAML, and the small values shared with integer layers.
#include <fmt/format.h>

#include <array>

#include "nets/quantize/bundle_parts.hpp"

namespace guardbit::nets::bundle_parts {
namespace {

constexpr int kMaxExtent = 1 << 20;

Value list_of(std::initializer_list<int> numbers) {
  std::vector<Value> items;
  for (const int n : numbers) items.emplace_back(n);
  return Value::list(items);
}

std::vector<int> read_ints(const Section& section, std::string_view key, std::size_t count) {
  const auto numbers = section.integers(key, 0, kMaxExtent);
  if (numbers.size() != count) section.fail(key, fmt::format("{} numbers", numbers.size()), fmt::format("{}", count));
  return {numbers.begin(), numbers.end()};
}

std::array<int, 2> read_pair(const Section& section, std::string_view key) {
  const auto pair = section.pair(key, 1, kMaxExtent);
  return {static_cast<int>(pair[0]), static_cast<int>(pair[1])};
}

Op read_op(const Section& section) {
#define X(id, text) {text, Op::id},
  return section.one_of<Op>("op", {GUARDBIT_OPS(X)});
#undef X
}

}  // namespace

Value padding_value(const Padding& p) { return list_of({p.top, p.bottom, p.left, p.right}); }

Padding read_padding(const Section& section, std::string_view key) {
  const std::vector<int> p = read_ints(section, key, 4);
  return {p[0], p[1], p[2], p[3]};
}

Value shape_value(const Shape& shape) { return list_of({shape.h, shape.w, shape.c}); }

Shape read_shape(const Section& section, std::string_view key) {
  const std::vector<int> s = read_ints(section, key, 3);
  return {s[0], s[1], s[2]};
}

Value window_value(const Window& w) {
  return Value::map({{"kernel", list_of({w.kernel_h, w.kernel_w})},
                     {"stride", list_of({w.stride_h, w.stride_w})},
                     {"dilation", list_of({w.dilation_h, w.dilation_w})},
                     {"padding", padding_value(w.padding)}});
}

Window read_window(const Section& section) {
  Window w;
  const auto kernel = read_pair(section, "kernel");
  const auto stride = read_pair(section, "stride");
  const auto dilation = read_pair(section, "dilation");
  w.kernel_h = kernel[0], w.kernel_w = kernel[1];
  w.stride_h = stride[0], w.stride_w = stride[1];
  w.dilation_h = dilation[0], w.dilation_w = dilation[1];
  w.padding = read_padding(section, "padding");
  return w;
}

Value node_value(const Node& node) {
  Value map = Value::map();
  map.set("name", Value(node.name));
  map.set("layer", Value(node.layer));
  map.set("op", Value(std::string(name(node.op))));
  std::vector<Value> inputs;
  for (const int input : node.inputs) inputs.emplace_back(input);
  map.set("inputs", Value::list(inputs));
  map.set("shape", shape_value(node.shape));
  if (const auto* conv = std::get_if<ConvAttributes>(&node.attributes)) {
    map.set("window", window_value(conv->window));
    map.set("channels", Value(conv->channels));
    map.set("groups", Value(conv->groups));
    map.set("bias", Value(conv->bias));
  } else if (const auto* pool = std::get_if<PoolAttributes>(&node.attributes)) {
    map.set("window", window_value(pool->window));
  } else if (const auto* norm = std::get_if<BatchNormAttributes>(&node.attributes)) {
    map.set("epsilon", Value(norm->epsilon));
    map.set("momentum", Value(norm->momentum));
  } else if (const auto* pad = std::get_if<PadAttributes>(&node.attributes)) {
    map.set("padding", padding_value(pad->padding));
    map.set("channels", list_of({pad->channels_before, pad->channels_after}));
  } else if (const auto* dropout = std::get_if<DropoutAttributes>(&node.attributes)) {
    map.set("rate", Value(dropout->rate));
  }
  return map;
}

Node read_node(const Section& section) {
  Node node;
  node.name = section.text("name");
  node.layer = section.text("layer");
  node.op = read_op(section);
  for (const std::int64_t input : section.integers("inputs", 0, kMaxExtent, std::vector<std::int64_t>{})) {
    node.inputs.push_back(static_cast<int>(input));
  }
  node.shape = read_shape(section, "shape");
  if (node.op == Op::Conv2d || node.op == Op::FullyConnected) {
    ConvAttributes conv;
    conv.window = read_window(section.section("window"));
    conv.channels = static_cast<int>(section.integer("channels", 1, kMaxExtent));
    conv.groups = static_cast<int>(section.integer("groups", 1, kMaxExtent));
    conv.bias = section.boolean("bias");
    node.attributes = conv;
  } else if (node.op == Op::MaxPool || node.op == Op::AveragePool) {
    node.attributes = PoolAttributes{read_window(section.section("window"))};
  } else if (node.op == Op::BatchNorm) {
    node.attributes = BatchNormAttributes{section.number("epsilon", 0, 1), section.number("momentum", 0, 1)};
  } else if (node.op == Op::Pad) {
    PadAttributes pad;
    pad.padding = read_padding(section, "padding");
    const std::vector<int> channels = read_ints(section, "channels", 2);
    pad.channels_before = channels[0], pad.channels_after = channels[1];
    node.attributes = pad;
  } else if (node.op == Op::Dropout) {
    node.attributes = DropoutAttributes{section.number("rate", 0, 1)};
  }
  return node;
}

}  // namespace guardbit::nets::bundle_parts
