// Network: the float graph. Nodes are values in topological order and refer to each other by index.
//
// A YAML layer may expand into several nodes (convolution, batch norm, activation); `layer` keeps its name.
// Parameters are named after their node:
//   conv2d, fully_connected   NODE.weight [K, R, S, C / groups], NODE.bias [K]  (fully connected: R = S = 1)
//   batch_norm                NODE.gamma, NODE.beta, NODE.mean, NODE.variance   [C]
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "nets/data/preprocess.hpp"
#include "nets/graph/tensor.hpp"

namespace guardbit::nets {

// X(enumerator, text)
#define GUARDBIT_OPS(X)              \
  X(Input, "input")                  \
  X(Conv2d, "conv2d")                \
  X(FullyConnected, "fully_connected") \
  X(BatchNorm, "batch_norm")         \
  X(Relu, "relu")                    \
  X(Relu6, "relu6")                  \
  X(MaxPool, "max_pool")             \
  X(AveragePool, "average_pool")     \
  X(Add, "add")                      \
  X(Concat, "concat")                \
  X(Pad, "pad")                      \
  X(Flatten, "flatten")              \
  X(Dropout, "dropout")              \
  X(Softmax, "softmax")

enum class Op : unsigned char {
#define X(id, text) id,
  GUARDBIT_OPS(X)
#undef X
};
[[nodiscard]] std::string_view name(Op op);

struct Padding {
  int top = 0, bottom = 0, left = 0, right = 0;
  friend constexpr bool operator==(const Padding&, const Padding&) = default;
};

// A sliding window over [H, W]; out = (in + padding - dilation * (kernel - 1) - 1) / stride + 1, floored.
struct Window {
  int kernel_h = 1, kernel_w = 1;
  int stride_h = 1, stride_w = 1;
  int dilation_h = 1, dilation_w = 1;
  Padding padding{};
  friend constexpr bool operator==(const Window&, const Window&) = default;
};

struct ConvAttributes {  // Conv2d; FullyConnected: window of 1x1 over the input flattened in H, W, C order
  Window window{};
  int channels = 1;  // K
  int groups = 1;    // depthwise: groups == C
  bool bias = true;
  friend constexpr bool operator==(const ConvAttributes&, const ConvAttributes&) = default;
};
struct PoolAttributes {  // average: over the valid (unpadded) part of the window
  Window window{};
  friend constexpr bool operator==(const PoolAttributes&, const PoolAttributes&) = default;
};
struct BatchNormAttributes {
  double epsilon = 1e-3;
  double momentum = 0.99;  // share of the old running statistics kept at each training step
  friend constexpr bool operator==(const BatchNormAttributes&, const BatchNormAttributes&) = default;
};
struct PadAttributes {  // with real zeros
  Padding padding{};
  int channels_before = 0, channels_after = 0;
  friend constexpr bool operator==(const PadAttributes&, const PadAttributes&) = default;
};
struct DropoutAttributes {
  double rate = 0.5;
  friend constexpr bool operator==(const DropoutAttributes&, const DropoutAttributes&) = default;
};
using Attributes = std::variant<std::monostate, ConvAttributes, PoolAttributes, BatchNormAttributes, PadAttributes,
                                DropoutAttributes>;

struct Node {
  std::string name;   // unique
  std::string layer;  // the YAML layer it belongs to
  Op op = Op::Input;
  Attributes attributes{};
  std::vector<int> inputs{};  // indices of earlier nodes
  Shape shape{};              // of the output, set by shape inference
};

struct Network {
  std::string name;
  std::vector<Node> nodes;  // nodes[0] is the only Input
  int output = 0;           // index of the node whose output is the result
  std::map<std::string, FloatTensor> parameters;
  Preprocess preprocess;

  [[nodiscard]] const Node& node(int index) const { return nodes[static_cast<std::size_t>(index)]; }
  [[nodiscard]] std::optional<int> find(std::string_view node_name) const;
  [[nodiscard]] const FloatTensor& parameter(const std::string& parameter_name) const;  // Error when absent
};

// Fills every Node::shape from nodes[0].shape and verifies the structure on the way: unique names, topological order,
// one input node, numbers and shapes of inputs, attributes in range. Error names the node, what was found, what is
// allowed.
void infer_shapes(Network& network);
// Output shape of one node, from the shapes of its inputs; the same checks. `node` need not be in the network yet.
[[nodiscard]] Shape infer_shape(const Network& network, const Node& node);
// "network NAME: node NODE (op)": the beginning of every message about a node.
[[nodiscard]] std::string where(const Network& network, const Node& node);

// Useful multiply-accumulates of one node for one image (0 for ops without weights): P*Q*K*R*S*C/groups.
[[nodiscard]] std::int64_t macs(const Network& network, const Node& node);

// Parameter names and shapes that `node` needs, in a fixed order.
struct ParameterSpec {
  std::string name;
  std::vector<std::int64_t> shape;
  bool trainable = true;
};
[[nodiscard]] std::vector<ParameterSpec> parameter_specs(const Network& network, const Node& node);
// Of all nodes, in network order.
[[nodiscard]] std::vector<ParameterSpec> parameter_specs(const Network& network);
// Error unless every parameter is there with its shape, and no other.
void check_parameters(const Network& network);

}  // namespace guardbit::nets
