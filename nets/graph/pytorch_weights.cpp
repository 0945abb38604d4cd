// Parameters from a PyTorch state_dict.
#include "nets/graph/detail/pytorch_weights.hpp"

#include <algorithm>

#include "nets/graph/detail/weight_report.hpp"

namespace guardbit::nets::detail {
namespace {

// [outer][c][h][w] -> [outer][h][w][c]
std::vector<float> channels_last(const std::vector<float>& data, std::int64_t channels, std::int64_t height,
                                 std::int64_t width) {
  std::vector<float> result(data.size());
  const std::int64_t plane = height * width;
  const std::int64_t outer = static_cast<std::int64_t>(data.size()) / (channels * plane);
  for (std::int64_t o = 0; o < outer; ++o) {
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t pixel = 0; pixel < plane; ++pixel) {
        result[static_cast<std::size_t>((o * plane + pixel) * channels + c)] =
            data[static_cast<std::size_t>((o * channels + c) * plane + pixel)];
      }
    }
  }
  return result;
}

// The activation behind a fully connected node before it was flattened: its elements have the order H, W, C here and
// C, H, W in PyTorch. Ops that only pass elements on are looked through.
Shape unflattened(const Network& network, const Node& node) {
  const Node* source = &network.node(node.inputs[0]);
  while (source->shape.h == 1 && source->shape.w == 1 && !source->inputs.empty()) {
    const bool passes = source->op == Op::Flatten || source->op == Op::Dropout || source->op == Op::Relu ||
                        source->op == Op::Relu6;
    if (!passes) break;
    source = &network.node(source->inputs[0]);
  }
  return source->shape;
}

class PytorchLoader {
 public:
  PytorchLoader(Network& network, const NamedArrays& arrays, const std::string& file)
      : network_(network), file_(file), report_(arrays, file) {}

  void load() {
    for (const Node& node : network_.nodes) {
      const std::string name = pytorch_name(node.name);
      if (node.op == Op::Conv2d) convolution(node, name);
      if (node.op == Op::FullyConnected) fully_connected(node, name);
      if (node.op == Op::BatchNorm) batch_norm(node, name);
    }
    report_.finish(network_.name);
    network_.parameters = std::move(parameters_);
  }

 private:
  static std::string pytorch_name(std::string name) {
    std::replace(name.begin(), name.end(), '/', '.');
    return name;
  }

  // Empty when it is not there; the report knows.
  std::vector<float> take(const std::string& name, const std::vector<std::int64_t>& shape) {
    const Array* const array = report_.take(name, shape);
    return array == nullptr ? std::vector<float>{} : array->as<float>(file_ + ": " + name);
  }
  void put(const std::string& name, const std::vector<std::int64_t>& shape, std::vector<float> data) {
    if (data.empty()) return;
    FloatTensor tensor;
    tensor.shape = shape;
    tensor.data = std::move(data);
    parameters_[name] = std::move(tensor);
  }

  void convolution(const Node& node, const std::string& name) {
    const auto& conv = std::get<ConvAttributes>(node.attributes);
    const Window& window = conv.window;
    const std::int64_t channels = network_.node(node.inputs[0]).shape.c / conv.groups;
    std::vector<float> data = take(name + ".weight", {conv.channels, channels, window.kernel_h, window.kernel_w});
    if (!data.empty()) data = channels_last(data, channels, window.kernel_h, window.kernel_w);
    put(node.name + ".weight", {conv.channels, window.kernel_h, window.kernel_w, channels}, std::move(data));
    bias(node, name, conv);
  }

  void fully_connected(const Node& node, const std::string& name) {
    const auto& conv = std::get<ConvAttributes>(node.attributes);
    const Shape in = unflattened(network_, node);
    std::vector<float> data = take(name + ".weight", {conv.channels, in.count()});
    if (!data.empty()) data = channels_last(data, in.c, in.h, in.w);
    put(node.name + ".weight", {conv.channels, 1, 1, in.count()}, std::move(data));
    bias(node, name, conv);
  }

  void bias(const Node& node, const std::string& name, const ConvAttributes& conv) {
    if (conv.bias) put(node.name + ".bias", {conv.channels}, take(name + ".bias", {conv.channels}));
  }

  void batch_norm(const Node& node, const std::string& name) {
    const std::vector<std::int64_t> shape{node.shape.c};
    put(node.name + ".gamma", shape, take(name + ".weight", shape));
    put(node.name + ".beta", shape, take(name + ".bias", shape));
    put(node.name + ".mean", shape, take(name + ".running_mean", shape));
    put(node.name + ".variance", shape, take(name + ".running_var", shape));
    report_.ignore(name + ".num_batches_tracked");
  }

  Network& network_;
  const std::string& file_;
  WeightReport report_;
  std::map<std::string, FloatTensor> parameters_;
};

}  // namespace

void load_pytorch(Network& network, const NamedArrays& arrays, const std::string& file) {
  PytorchLoader(network, arrays, file).load();
}

}  // namespace guardbit::nets::detail
