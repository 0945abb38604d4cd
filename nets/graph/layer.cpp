// One YAML layer -> its nodes.
#include "nets/graph/detail/layer.hpp"

#include "nets/graph/detail/window.hpp"

namespace guardbit::nets::detail {
namespace {

enum class Type : unsigned char {
  Convolution, DepthwiseConvolution, FullyConnected, AveragePool, MaxPool, BatchNormalization, Activation, Add, Concat,
  Pad, Flatten, Dropout, Softmax, Identity
};

Type read_type(const Section& layer) {
  return layer.one_of<Type>("type", {{"convolution", Type::Convolution},
                                     {"depthwise_convolution", Type::DepthwiseConvolution},
                                     {"fully_connected", Type::FullyConnected},
                                     {"average_pool", Type::AveragePool},
                                     {"max_pool", Type::MaxPool},
                                     {"batch_normalization", Type::BatchNormalization},
                                     {"activation", Type::Activation},
                                     {"add", Type::Add},
                                     {"concat", Type::Concat},
                                     {"pad", Type::Pad},
                                     {"flatten", Type::Flatten},
                                     {"dropout", Type::Dropout},
                                     {"softmax", Type::Softmax},
                                     {"identity", Type::Identity}});
}

// Appends the nodes of one layer.
class LayerBuilder {
 public:
  LayerBuilder(Network& network, const Section& layer, const std::vector<int>& inputs)
      : network_(network), layer_(layer), inputs_(inputs) {}

  int build() {
    switch (read_type(layer_)) {
      case Type::Convolution: return convolution(false);
      case Type::DepthwiseConvolution: return convolution(true);
      case Type::FullyConnected: return fully_connected();
      case Type::AveragePool: return append(Op::AveragePool, "", PoolAttributes{pool_window(layer_, in(), false)});
      case Type::MaxPool: return append(Op::MaxPool, "", PoolAttributes{pool_window(layer_, in(), true)});
      case Type::BatchNormalization:
        append(Op::BatchNorm, "", read_batch_norm(layer_));
        return activation();
      case Type::Activation: return activation_alone();
      case Type::Add:
        append(Op::Add, "", {});
        return activation();
      case Type::Concat: return append(Op::Concat, "", {});
      case Type::Pad: return append(Op::Pad, "", read_pad());
      case Type::Flatten: return append(Op::Flatten, "", {});
      case Type::Dropout: return append(Op::Dropout, "", DropoutAttributes{layer_.number("rate", 0.0, 1.0, 0.5)});
      case Type::Softmax: return append(Op::Softmax, "", {});
      case Type::Identity:
        if (inputs_.size() != 1) layer_.fail("identity with " + std::to_string(inputs_.size()) + " inputs, allowed 1");
        return inputs_[0];
    }
    std::abort();
  }

 private:
  const Shape& in() const { return network_.node(inputs_.front()).shape; }

  // Appends one node that reads inputs_, which it then becomes.
  int append(Op op, const std::string& suffix, Attributes attributes) {
    Node node{layer_.name() + suffix, layer_.name(), op, std::move(attributes), inputs_, {}};
    try {
      node.shape = infer_shape(network_, node);
    } catch (const Error& error) {
      layer_.fail(error.what());
    }
    network_.nodes.push_back(std::move(node));
    inputs_ = {static_cast<int>(network_.nodes.size()) - 1};
    return inputs_.front();
  }

  int convolution(bool depthwise) {
    ConvAttributes conv;
    conv.channels = depthwise ? in().c : size("channels");
    conv.groups = depthwise ? in().c : size("groups", 1);
    conv.window = conv_window(layer_, in());
    return weighted(Op::Conv2d, conv);
  }

  int fully_connected() {
    ConvAttributes conv;
    conv.channels = size("channels");
    return weighted(Op::FullyConnected, conv);
  }

  int weighted(Op op, ConvAttributes conv) {
    const std::optional<BatchNormAttributes> norm = inline_batch_norm();
    conv.bias = layer_.boolean("bias", !norm.has_value());
    append(op, "", conv);
    if (norm) append(Op::BatchNorm, "/bn", *norm);
    return activation();
  }

  int activation() {
    const std::string mode = layer_.choice("activation", {"none", "relu", "relu6"}, "none");
    if (mode == "relu") return append(Op::Relu, "/relu", {});
    if (mode == "relu6") return append(Op::Relu6, "/relu6", {});
    return inputs_.front();
  }

  int activation_alone() {
    const Op op = layer_.one_of<Op>("mode", {{"relu", Op::Relu}, {"relu6", Op::Relu6}});
    return append(op, "", {});
  }

  std::optional<BatchNormAttributes> inline_batch_norm() const {
    if (!layer_.has("batch_norm")) return std::nullopt;
    if (layer_.raw("batch_norm").is_map()) return read_batch_norm(layer_.section("batch_norm"));
    if (!layer_.boolean("batch_norm")) return std::nullopt;
    return BatchNormAttributes{};
  }

  static BatchNormAttributes read_batch_norm(const Section& section) {
    BatchNormAttributes norm;
    norm.epsilon = section.number("epsilon", 0.0, 1.0, norm.epsilon);
    norm.momentum = section.number("momentum", 0.0, 1.0, norm.momentum);
    return norm;
  }

  PadAttributes read_pad() const {
    PadAttributes pad;
    pad.padding = read_padding(layer_);
    const auto channels = layer_.pair("channels", 0, kMaxValue, {{0, 0}});
    pad.channels_before = static_cast<int>(channels[0]);
    pad.channels_after = static_cast<int>(channels[1]);
    return pad;
  }

  int size(const char* key, std::optional<std::int64_t> absent = {}) const {
    return static_cast<int>(layer_.integer(key, 1, kMaxValue, absent));
  }

  Network& network_;
  const Section& layer_;
  std::vector<int> inputs_;
};

}  // namespace

int append_layer(Network& network, const Section& layer, const std::vector<int>& inputs) {
  return LayerBuilder(network, layer, inputs).build();
}

}  // namespace guardbit::nets::detail
