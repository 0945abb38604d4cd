// Shape inference, and with it the verification of a network's structure.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <set>

#include "arith/error.hpp"
#include "nets/graph/network.hpp"
#include "nets/graph/text.hpp"

namespace guardbit::nets {
namespace {

constexpr int kMaxSide = 1 << 20;  // of H, W, C and of every window parameter: keeps products inside 64 bits

// Reports about one node.
class Checker {
 public:
  Checker(const Network& network, const Node& node) : network_(network), node_(node) {}

  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> text, Args&&... args) const {
    throw Error(where(network_, node_) + ": " + fmt::format(text, std::forward<Args>(args)...));
  }
  void range(const char* what, std::int64_t value, std::int64_t min, std::int64_t max) const {
    if (value < min || value > max) fail("{} is {}, allowed {} to {}", what, value, min, max);
  }
  template <class T>
  const T& attributes() const {
    if (const T* found = std::get_if<T>(&node_.attributes)) return *found;
    fail("has the attributes of another op");
  }
  const Shape& input(std::size_t i = 0) const { return network_.node(node_.inputs[i]).shape; }
  const Node& node() const { return node_; }

  void input_count(std::size_t min, std::size_t max) const {
    const std::size_t count = node_.inputs.size();
    if (count >= min && count <= max) return;
    if (max == std::numeric_limits<std::size_t>::max()) fail("has {} inputs, allowed {} or more", count, min);
    fail("has {} inputs, allowed {}", count, min);
  }

 private:
  const Network& network_;
  const Node& node_;
};

void check_shape(const Checker& at, const Shape& shape) {
  const bool sides = std::min({shape.h, shape.w, shape.c}) >= 1 && std::max({shape.h, shape.w, shape.c}) <= kMaxSide;
  if (!sides || shape.count() > std::numeric_limits<std::int32_t>::max()) {
    at.fail("its output would have shape {}, allowed: sides of 1 to {} and at most 2^31 - 1 elements", to_text(shape),
            kMaxSide);
  }
}

void check_padding(const Checker& at, const Padding& padding) {
  at.range("padding at the top", padding.top, 0, kMaxSide);
  at.range("padding at the bottom", padding.bottom, 0, kMaxSide);
  at.range("padding at the left", padding.left, 0, kMaxSide);
  at.range("padding at the right", padding.right, 0, kMaxSide);
}

// One axis of a window: its output size.
int slide(const Checker& at, const char* axis, int in, int before, int after, int kernel, int stride, int dilation) {
  const std::int64_t extent = std::int64_t{dilation} * (kernel - 1) + 1;
  const std::int64_t padded = std::int64_t{in} + before + after;
  if (extent > padded) {
    at.fail("the window covers {} {}, allowed: at most the {} of its padded input", extent, axis, padded);
  }
  return static_cast<int>((padded - extent) / stride + 1);
}

void check_window(const Checker& at, const Window& window) {
  at.range("kernel height", window.kernel_h, 1, kMaxSide);
  at.range("kernel width", window.kernel_w, 1, kMaxSide);
  at.range("stride height", window.stride_h, 1, kMaxSide);
  at.range("stride width", window.stride_w, 1, kMaxSide);
  at.range("dilation height", window.dilation_h, 1, kMaxSide);
  at.range("dilation width", window.dilation_w, 1, kMaxSide);
  check_padding(at, window.padding);
}

Shape slide(const Checker& at, const Window& window) {
  check_window(at, window);
  const Shape& in = at.input();
  const Padding& pad = window.padding;
  return {slide(at, "rows", in.h, pad.top, pad.bottom, window.kernel_h, window.stride_h, window.dilation_h),
          slide(at, "columns", in.w, pad.left, pad.right, window.kernel_w, window.stride_w, window.dilation_w), in.c};
}

// Every output of a pool needs at least one tap inside the input.
void check_taps(const Checker& at, const char* axis, int out, int in, int before, int kernel, int stride,
                int dilation) {
  for (std::int64_t o = 0; o < out; ++o) {
    const std::int64_t first = o * stride - before;
    const std::int64_t tap = first >= 0 ? 0 : (-first + dilation - 1) / dilation;
    if (tap >= kernel || first + tap * dilation >= in) {
      at.fail("output {} {} has a window entirely in the padding, allowed: padding smaller than the window", axis, o);
    }
  }
}

Shape pool_shape(const Checker& at) {
  const auto& window = at.attributes<PoolAttributes>().window;
  const Shape shape = slide(at, window);
  check_taps(at, "row", shape.h, at.input().h, window.padding.top, window.kernel_h, window.stride_h,
             window.dilation_h);
  check_taps(at, "column", shape.w, at.input().w, window.padding.left, window.kernel_w, window.stride_w,
             window.dilation_w);
  return shape;
}

// Bounds what loading allocates, and with the bound on outputs keeps MAC counts inside 64 bits.
void check_weights(const Checker& at, int outputs, std::int64_t window_taps, std::int64_t depth) {
  const double count = static_cast<double>(outputs) * static_cast<double>(window_taps) * static_cast<double>(depth);
  if (count > std::numeric_limits<std::int32_t>::max()) at.fail("has {} weights, allowed: at most 2^31 - 1", count);
}

Shape conv_shape(const Checker& at) {
  const auto& conv = at.attributes<ConvAttributes>();
  at.range("channels", conv.channels, 1, kMaxSide);
  at.range("groups", conv.groups, 1, kMaxSide);
  const int in_channels = at.input().c;
  if (in_channels % conv.groups != 0 || conv.channels % conv.groups != 0) {
    at.fail("{} groups over {} input and {} output channels, allowed: a common divisor", conv.groups, in_channels,
            conv.channels);
  }
  Shape shape = slide(at, conv.window);
  check_weights(at, conv.channels, std::int64_t{conv.window.kernel_h} * conv.window.kernel_w,
                in_channels / conv.groups);
  shape.c = conv.channels;
  return shape;
}

Shape fully_connected_shape(const Checker& at) {
  const auto& conv = at.attributes<ConvAttributes>();
  at.range("channels", conv.channels, 1, kMaxSide);
  if (conv.window != Window{} || conv.groups != 1) at.fail("has a window or groups, allowed: 1x1 and one group");
  check_weights(at, conv.channels, 1, at.input().count());
  return {1, 1, conv.channels};
}

Shape add_shape(const Checker& at) {
  for (std::size_t i = 1; i < at.node().inputs.size(); ++i) {
    if (at.input(i) != at.input(0)) {
      at.fail("inputs have shapes {} and {}, allowed: equal shapes", to_text(at.input(0)), to_text(at.input(i)));
    }
  }
  return at.input(0);
}

Shape concat_shape(const Checker& at) {
  Shape shape = at.input(0);
  for (std::size_t i = 1; i < at.node().inputs.size(); ++i) {
    const Shape& other = at.input(i);
    if (other.h != shape.h || other.w != shape.w) {
      at.fail("inputs have shapes {} and {}, allowed: equal H and W", to_text(at.input(0)), to_text(other));
    }
    if (other.c > kMaxSide - shape.c) at.fail("its output would have more than {} channels", kMaxSide);
    shape.c += other.c;
  }
  return shape;
}

Shape pad_shape(const Checker& at) {
  const auto& pad = at.attributes<PadAttributes>();
  check_padding(at, pad.padding);
  at.range("channels before", pad.channels_before, 0, kMaxSide);
  at.range("channels after", pad.channels_after, 0, kMaxSide);
  const Shape& in = at.input();
  return {in.h + pad.padding.top + pad.padding.bottom, in.w + pad.padding.left + pad.padding.right,
          in.c + pad.channels_before + pad.channels_after};
}

Shape batch_norm_shape(const Checker& at) {
  const auto& norm = at.attributes<BatchNormAttributes>();
  if (!(norm.epsilon >= 0.0) || !std::isfinite(norm.epsilon)) at.fail("epsilon is {}, allowed 0 or more", norm.epsilon);
  if (!(norm.momentum >= 0.0 && norm.momentum <= 1.0)) at.fail("momentum is {}, allowed 0 to 1", norm.momentum);
  return at.input();
}

Shape dropout_shape(const Checker& at) {
  const double rate = at.attributes<DropoutAttributes>().rate;
  if (!(rate >= 0.0 && rate < 1.0)) at.fail("rate is {}, allowed 0 up to, not including, 1", rate);
  return at.input();
}

Shape shape_of(const Checker& at) {
  switch (at.node().op) {
    case Op::Input: return at.node().shape;
    case Op::Conv2d: return conv_shape(at);
    case Op::FullyConnected: return fully_connected_shape(at);
    case Op::BatchNorm: return batch_norm_shape(at);
    case Op::MaxPool:
    case Op::AveragePool: return pool_shape(at);
    case Op::Add: return add_shape(at);
    case Op::Concat: return concat_shape(at);
    case Op::Pad: return pad_shape(at);
    case Op::Flatten: return {1, 1, static_cast<int>(at.input().count())};
    case Op::Dropout: return dropout_shape(at);
    case Op::Relu:
    case Op::Relu6:
    case Op::Softmax: return at.input();
  }
  std::abort();
}

}  // namespace

Shape infer_shape(const Network& network, const Node& node) {
  const Checker at(network, node);
  const bool joins = node.op == Op::Add || node.op == Op::Concat;
  if (node.op == Op::Input) {
    at.input_count(0, 0);
  } else if (joins) {
    at.input_count(2, std::numeric_limits<std::size_t>::max());
  } else {
    at.input_count(1, 1);
  }
  for (const int input : node.inputs) {
    at.range("index of an input", input, 0, static_cast<std::int64_t>(network.nodes.size()) - 1);
  }
  const Shape shape = shape_of(at);
  check_shape(at, shape);
  return shape;
}

void infer_shapes(Network& network) {
  std::set<std::string_view> names;
  if (network.nodes.empty()) {
    throw Error(fmt::format("network {}: has no nodes, allowed: an input first", network.name));
  }
  for (std::size_t i = 0; i < network.nodes.size(); ++i) {
    Node& node = network.nodes[i];
    const Checker at(network, node);
    if ((node.op == Op::Input) != (i == 0)) at.fail("is at position {}, allowed: exactly one input, first", i);
    if (node.name.empty()) at.fail("has no name");
    if (!names.insert(node.name).second) at.fail("the name is used twice, allowed: unique names");
    for (const int input : node.inputs) {
      if (input < 0 || input >= static_cast<int>(i)) {
        at.fail("input {} of node {}, allowed: earlier nodes (topological order)", input, i);
      }
    }
    node.shape = infer_shape(network, node);
  }
  if (network.output < 0 || network.output >= static_cast<int>(network.nodes.size())) {
    throw Error(fmt::format("network {}: output is node {}, allowed 0 to {}", network.name, network.output,
                            network.nodes.size() - 1));
  }
}

}  // namespace guardbit::nets
