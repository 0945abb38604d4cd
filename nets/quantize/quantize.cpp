// The walk over the folded float graph that builds the integer network.
#include "nets/quantize/quantize.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "arith/error.hpp"
#include "nets/graph/fold_batch_norm.hpp"
#include "nets/graph/strip_inference.hpp"
#include "nets/quantize/fill_layer.hpp"

namespace guardbit::nets {
namespace {

// Makes the structure of the integer network layer by layer, and lets the scheme fill each.
class Converter {
 public:
  Converter(const Network& network, const Scheme& scheme)
      : network_(network), scheme_(scheme), layer_of_(network.nodes.size(), -1) {
    readers_.resize(network.nodes.size());
    for (std::size_t i = 0; i < network.nodes.size(); ++i) {
      for (const int input : network.nodes[i].inputs)
        readers_[static_cast<std::size_t>(input)].push_back(static_cast<int>(i));
    }
  }

  IntegerNetwork run() {
    result_.name = network_.name;
    if (network_.preprocess.standardize)
      throw Error("dataset.preprocess.standardize: found image, allowed none for a network of integers: the code of a "
                  "pixel cannot depend on the rest of its image");
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

  // The activation that `node`'s layer can take over: its only reader, if that is relu or relu6.
  int fused_activation(int node) const {
    const auto& readers = readers_[static_cast<std::size_t>(node)];
    if (readers.size() != 1 || node == network_.output) return node;
    const Op op = network_.node(readers[0]).op;
    return op == Op::Relu || op == Op::Relu6 ? readers[0] : node;
  }

  IntegerLayer start(int node, IntegerOp op) {
    IntegerLayer layer;
    layer.name = network_.node(node).name;
    layer.op = op;
    layer.shape = network_.node(node).shape;
    for (const int input : network_.node(node).inputs) layer.inputs.push_back(layer_of(input));
    return layer;
  }
  void finish(IntegerLayer layer, int node, int last) {
    layer.float_node = last;
    layer_of(node) = layer_of(last) = static_cast<int>(result_.layers.size());
    result_.layers.push_back(std::move(layer));
    fill_layer(result_, layer_of(node), network_, scheme_);
  }

  void weighted(int node) {
    const Node& n = network_.node(node);
    IntegerLayer layer = start(node, n.op == Op::FullyConnected ? IntegerOp::FullyConnected : IntegerOp::Conv2d);
    if (n.op == Op::Conv2d) {
      const auto& attributes = std::get<ConvAttributes>(n.attributes);
      layer.window = attributes.window;
      layer.groups = attributes.groups;
    } else if (n.op == Op::BatchNorm) {
      layer.groups = layer.shape.c;
    }
    finish(std::move(layer), node, fused_activation(node));
  }

  // Operators that keep the format of their input.
  void keeping(int node, IntegerOp op) {
    const Node& n = network_.node(node);
    IntegerLayer layer = start(node, op);
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
      case Op::Input:
        return finish(start(node, IntegerOp::Input), node, node);
      case Op::Conv2d:
      case Op::FullyConnected:
      case Op::BatchNorm:
        return weighted(node);
      case Op::Relu:
      case Op::Relu6:
        return finish(start(node, IntegerOp::Requantize), node, node);
      case Op::MaxPool:
        return keeping(node, IntegerOp::MaxPool);
      case Op::AveragePool:
        return keeping(node, IntegerOp::AveragePool);
      case Op::Add:
        return finish(start(node, IntegerOp::Add), node, fused_activation(node));
      case Op::Concat:
        return finish(start(node, IntegerOp::Concat), node, node);
      case Op::Pad:
        return keeping(node, IntegerOp::Pad);
      case Op::Flatten:
        return keeping(node, IntegerOp::Flatten);
      case Op::Softmax:
        return finish(start(node, IntegerOp::Softmax), node, node);
      case Op::Dropout:
        throw Error(
            fmt::format("quantize: node {}: {} is allowed only where inference does not need it", n.name, name(n.op)));
    }
  }

  const Network& network_;
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
  const auto make = options.scheme == QuantizeScheme::Int8 ? make_int8_scheme : make_fixed_scheme;
  return convert(folded, *make(options, statistics));
}

IntegerNetwork convert(const Network& folded, const Scheme& scheme) { return Converter(folded, scheme).run(); }

Quantized quantize(const Network& network, const FloatTensor& images, const QuantizeOptions& options, int threads) {
  Quantized result;
  result.folded = prepare_float(network, options.keep_softmax);
  const int point_width = options.scheme == QuantizeScheme::Dfp ? options.activation_bits : 0;
  const auto statistics = calibrate(result.folded, first_images(images, options.images), point_width, threads);
  result.network = convert(result.folded, statistics, options);
  return result;
}

}  // namespace guardbit::nets
