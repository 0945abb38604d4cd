// The walk over the folded float graph that builds the integer network.
#include "nets/quantize/quantize.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "arith/error.hpp"
#include "nets/graph/fold_batch_norm.hpp"
#include "nets/graph/strip_inference.hpp"
#include "nets/quantize/scheme.hpp"
#include "nets/quantize/softmax_table.hpp"

namespace guardbit::nets {
namespace {

using arith::Activation;

class Converter {
 public:
  Converter(const Network& network, const std::vector<TensorStatistics>& statistics, const Scheme& scheme)
      : network_(network), statistics_(statistics), scheme_(scheme), layer_of_(network.nodes.size(), -1) {
    readers_.resize(network.nodes.size());
    for (std::size_t i = 0; i < network.nodes.size(); ++i) {
      for (const int input : network.nodes[i].inputs)
        readers_[static_cast<std::size_t>(input)].push_back(static_cast<int>(i));
    }
  }

  IntegerNetwork run() {
    result_.name = network_.name;
    result_.preprocess = network_.preprocess;
    result_.output_policy = scheme_.output_policy();
    for (int node = 0; node < static_cast<int>(network_.nodes.size()); ++node) {
      if (layer_of(node) < 0) convert(node);
    }
    result_.output = layer_of(network_.output);
    check(result_);
    return std::move(result_);
  }

 private:
  int& layer_of(int node) { return layer_of_[static_cast<std::size_t>(node)]; }
  const TensorFormat& format_of(int node) { return result_.layer(layer_of(node)).output; }

  TensorFormat own_format(int node) const {
    const bool whole = node == 0 || node == network_.output || feeds_softmax(node);
    return scheme_.tensor(statistics_.at(static_cast<std::size_t>(node)), whole);
  }

  // What enters a softmax are logits, whether the network ends with them or with the softmax.
  bool feeds_softmax(int node) const {
    const auto& readers = readers_[static_cast<std::size_t>(node)];
    return std::any_of(readers.begin(), readers.end(), [&](int i) { return network_.node(i).op == Op::Softmax; });
  }

  // The activation that `node`'s layer can take over: its only reader, if that is relu or relu6.
  int fused_activation(int node) const {
    const auto& readers = readers_[static_cast<std::size_t>(node)];
    if (readers.size() != 1 || node == network_.output) return node;
    const Op op = network_.node(readers[0]).op;
    return op == Op::Relu || op == Op::Relu6 ? readers[0] : node;
  }
  Activation activation_of(int node) const {
    const Op op = network_.node(node).op;
    return op == Op::Relu ? Activation::Relu : op == Op::Relu6 ? Activation::Relu6 : Activation::None;
  }

  IntegerLayer start(int node, IntegerOp op) {
    IntegerLayer layer;
    layer.name = network_.node(node).name;
    layer.op = op;
    layer.shape = network_.node(node).shape;
    layer.float_node = node;
    for (const int input : network_.node(node).inputs) layer.inputs.push_back(layer_of(input));
    return layer;
  }
  void finish(IntegerLayer layer, int node, int last) {
    layer.float_node = last;
    layer_of(node) = layer_of(last) = static_cast<int>(result_.layers.size());
    result_.layers.push_back(std::move(layer));
  }

  void weighted(int node) {
    const Node& n = network_.node(node);
    IntegerLayer layer = start(node, n.op == Op::Conv2d ? IntegerOp::Conv2d : IntegerOp::FullyConnected);
    const auto& attributes = std::get<ConvAttributes>(n.attributes);
    if (n.op == Op::Conv2d) {
      layer.window = attributes.window;
      layer.groups = attributes.groups;
    }
    const int last = fused_activation(node);
    layer.output = own_format(last);
    const FloatTensor* bias = attributes.bias ? &network_.parameter(n.name + ".bias") : nullptr;
    scheme_.weights(layer, format_of(n.inputs[0]), network_.parameter(n.name + ".weight"), bias, activation_of(last));
    finish(std::move(layer), node, last);
  }

  // gamma * (x - mean) / sqrt(variance + epsilon) + beta, channel by channel.
  void batch_norm(int node) {
    const Node& n = network_.node(node);
    IntegerLayer layer = start(node, IntegerOp::Conv2d);
    layer.groups = layer.shape.c;
    const double epsilon = std::get<BatchNormAttributes>(n.attributes).epsilon;
    FloatTensor weight({layer.shape.c, 1, 1, 1});
    FloatTensor bias({layer.shape.c});
    for (std::size_t c = 0; c < bias.data.size(); ++c) {
      const auto parameter = [&](const char* what) -> double { return network_.parameter(n.name + what).data[c]; };
      const double factor = parameter(".gamma") / std::sqrt(parameter(".variance") + epsilon);
      weight.data[c] = static_cast<float>(factor);
      bias.data[c] = static_cast<float>(parameter(".beta") - parameter(".mean") * factor);
    }
    const int last = fused_activation(node);
    layer.output = own_format(last);
    scheme_.weights(layer, format_of(n.inputs[0]), weight, &bias, activation_of(last));
    finish(std::move(layer), node, last);
  }

  void add(int node) {
    IntegerLayer layer = start(node, IntegerOp::Add);
    const int last = fused_activation(node);
    layer.output = own_format(last);
    std::vector<TensorFormat> inputs;
    for (const int input : network_.node(node).inputs) inputs.push_back(format_of(input));
    scheme_.addition(layer, inputs, activation_of(last));
    finish(std::move(layer), node, last);
  }

  void concat(int node) {
    IntegerLayer layer = start(node, IntegerOp::Concat);
    layer.output = own_format(node);
    for (const int input : network_.node(node).inputs) {
      layer.input_stages.push_back(scheme_.rescale(format_of(input), layer.output, Activation::None));
    }
    finish(std::move(layer), node, node);
  }

  void activation(int node) {
    IntegerLayer layer = start(node, IntegerOp::Requantize);
    layer.output = own_format(node);
    layer.stages = scheme_.rescale(format_of(network_.node(node).inputs[0]), layer.output, activation_of(node));
    finish(std::move(layer), node, node);
  }

  void softmax(int node) {
    const TensorFormat& logits = format_of(network_.node(node).inputs[0]);
    if (logits.format.width > kSoftmaxCodeBits) {
      throw Error(fmt::format("quantize: node {}: softmax by table: found inputs of {} bits, allowed up to {}; set "
                              "activation_bits={} or keep_softmax=false",
                              network_.node(node).name, logits.format.width, kSoftmaxCodeBits, kSoftmaxCodeBits));
    }
    IntegerLayer layer = start(node, IntegerOp::Softmax);
    layer.output = softmax_output(logits);
    layer.exponentials = softmax_table(logits.scale);
    finish(std::move(layer), node, node);
  }

  // Operators that keep the format of their input.
  void keeping(int node, IntegerOp op) {
    const Node& n = network_.node(node);
    IntegerLayer layer = start(node, op);
    layer.output = format_of(n.inputs[0]);
    if (const auto* pool = std::get_if<PoolAttributes>(&n.attributes)) layer.window = pool->window;
    if (const auto* pad = std::get_if<PadAttributes>(&n.attributes)) {
      layer.padding = pad->padding;
      layer.channels_before = pad->channels_before;
    }
    finish(std::move(layer), node, node);
  }

  void convert(int node) {
    const Node& n = network_.node(node);
    switch (n.op) {
      case Op::Input: {
        IntegerLayer layer = start(node, IntegerOp::Input);
        layer.output = own_format(node);
        return finish(std::move(layer), node, node);
      }
      case Op::Conv2d:
      case Op::FullyConnected:
        return weighted(node);
      case Op::BatchNorm:
        return batch_norm(node);
      case Op::Relu:
      case Op::Relu6:
        return activation(node);
      case Op::MaxPool:
        return keeping(node, IntegerOp::MaxPool);
      case Op::AveragePool:
        return keeping(node, IntegerOp::AveragePool);
      case Op::Add:
        return add(node);
      case Op::Concat:
        return concat(node);
      case Op::Pad:
        return keeping(node, IntegerOp::Pad);
      case Op::Flatten:
        return keeping(node, IntegerOp::Flatten);
      case Op::Softmax:
        return softmax(node);
      case Op::Dropout:
        throw Error(
            fmt::format("quantize: node {}: {} is allowed only where inference does not need it", n.name, name(n.op)));
    }
  }

  const Network& network_;
  const std::vector<TensorStatistics>& statistics_;
  const Scheme& scheme_;
  std::vector<int> layer_of_;              // per node; -1: not converted yet
  std::vector<std::vector<int>> readers_;  // per node
  IntegerNetwork result_;
};

FloatTensor first_images(const FloatTensor& images, std::int64_t count) {
  if (images.shape.empty() || images.shape[0] <= count) return images;
  std::vector<std::int64_t> shape = images.shape;
  shape[0] = count;
  FloatTensor result(shape);
  std::copy_n(images.data.begin(), result.data.size(), result.data.begin());
  return result;
}

}  // namespace

Network prepare_float(const Network& network, bool keep_softmax) {
  return strip_inference(fold_batch_norm(network), keep_softmax).network;
}

IntegerNetwork convert(const Network& folded, const std::vector<TensorStatistics>& statistics,
                       const QuantizeOptions& options) {
  const auto scheme = options.scheme == QuantizeScheme::Int8 ? make_int8_scheme(options) : make_fixed_scheme(options);
  return Converter(folded, statistics, *scheme).run();
}

Quantized quantize(const Network& network, const FloatTensor& images, const QuantizeOptions& options, int threads) {
  Quantized result;
  result.folded = prepare_float(network, options.keep_softmax);
  const int point_width = options.scheme == QuantizeScheme::Dfp ? options.activation_bits : 0;
  const auto statistics = calibrate(result.folded, first_images(images, options.images), point_width, threads);
  result.network = convert(result.folded, statistics, options);
  return result;
}

}  // namespace guardbit::nets
