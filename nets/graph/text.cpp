// Printing of networks.
#include "nets/graph/text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace guardbit::nets {
namespace {

std::string pair_text(const char* what, int first, int second) { return fmt::format(" {}={}x{}", what, first, second); }

std::string padding_text(const Padding& padding) {
  if (padding == Padding{}) return "";
  return fmt::format(" padding=[{}, {}, {}, {}]", padding.top, padding.bottom, padding.left, padding.right);
}

std::string window_text(const Window& window) {
  std::string text = pair_text("kernel", window.kernel_h, window.kernel_w);
  if (window.stride_h != 1 || window.stride_w != 1) text += pair_text("stride", window.stride_h, window.stride_w);
  if (window.dilation_h != 1 || window.dilation_w != 1) {
    text += pair_text("dilation", window.dilation_h, window.dilation_w);
  }
  return text + padding_text(window.padding);
}

// One overload per alternative of Attributes.
struct AttributesText {
  Op op;
  std::string operator()(const std::monostate&) const { return ""; }
  std::string operator()(const ConvAttributes& conv) const {
    std::string text = op == Op::FullyConnected ? "" : window_text(conv.window);
    if (conv.groups != 1) text += fmt::format(" groups={}", conv.groups);
    return text + (conv.bias ? " bias" : "");
  }
  std::string operator()(const PoolAttributes& pool) const { return window_text(pool.window); }
  std::string operator()(const BatchNormAttributes& norm) const {
    return fmt::format(" epsilon={} momentum={}", norm.epsilon, norm.momentum);
  }
  std::string operator()(const PadAttributes& pad) const {
    std::string text = padding_text(pad.padding);
    if (pad.channels_before != 0 || pad.channels_after != 0) {
      text += fmt::format(" channels=[{}, {}]", pad.channels_before, pad.channels_after);
    }
    return text;
  }
  std::string operator()(const DropoutAttributes& dropout) const { return fmt::format(" rate={}", dropout.rate); }
};

}  // namespace

std::string to_text(const Shape& shape) { return fmt::format("[{}, {}, {}]", shape.h, shape.w, shape.c); }
std::string to_text(const std::vector<std::int64_t>& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

std::string to_text(const Network& network) {
  std::string text = fmt::format("network {}: output {}\n", network.name, network.node(network.output).name);
  for (const Node& node : network.nodes) {
    std::vector<std::string_view> inputs;
    for (const int input : node.inputs) inputs.push_back(network.node(input).name);
    text += fmt::format("{}: {}({}) -> {}{}\n", node.name, name(node.op), fmt::join(inputs, ", "), to_text(node.shape),
                        std::visit(AttributesText{node.op}, node.attributes));
  }
  return text;
}

}  // namespace guardbit::nets
