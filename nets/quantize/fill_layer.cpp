// Filling of layers from a scheme.
#include "nets/quantize/fill_layer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "arith/error.hpp"
#include "nets/quantize/affine.hpp"
#include "nets/quantize/softmax_table.hpp"

namespace guardbit::nets {
namespace {

// Weights and biases of a layer, and of a batch norm that could not be folded: gamma * (x - mean) / sqrt(variance +
// epsilon) + beta, channel by channel.
struct FloatParameters {
  FloatTensor weight;
  std::optional<FloatTensor> bias;
};

FloatParameters parameters_of(const Network& folded, const Node& node) {
  FloatParameters result;
  if (node.op != Op::BatchNorm) {
    result.weight = folded.parameter(node.name + ".weight");
    if (std::get<ConvAttributes>(node.attributes).bias) result.bias = folded.parameter(node.name + ".bias");
    return result;
  }
  const double epsilon = std::get<BatchNormAttributes>(node.attributes).epsilon;
  result.weight = FloatTensor({node.shape.c, 1, 1, 1});
  result.bias = FloatTensor({node.shape.c});
  for (std::size_t c = 0; c < result.weight.data.size(); ++c) {
    const auto parameter = [&](const char* what) -> double { return folded.parameter(node.name + what).data[c]; };
    const double factor = parameter(".gamma") / std::sqrt(parameter(".variance") + epsilon);
    result.weight.data[c] = static_cast<float>(factor);
    result.bias->data[c] = static_cast<float>(parameter(".beta") - parameter(".mean") * factor);
  }
  return result;
}

// Held within the codes of a format, and real again.
void round_to(FloatTensor& values, const TensorFormat& format) {
  const auto low = static_cast<double>(format.format.min_code());
  const auto high = static_cast<double>(format.format.max_code());
  for (float& v : values.data) {
    const double code = std::nearbyint(v / format.scale) + static_cast<double>(format.zero_point);
    v = static_cast<float>(dequantize(static_cast<std::int64_t>(std::clamp(code, low, high)), format));
  }
}

void set_softmax(IntegerLayer& layer, const TensorFormat& logits) {
  if (logits.format.width > kSoftmaxCodeBits) {
    throw Error(fmt::format("quantize: node {}: softmax by table: found inputs of {} bits, allowed up to {}; set "
                            "activation_bits={} or keep_softmax=false",
                            layer.name, logits.format.width, kSoftmaxCodeBits, kSoftmaxCodeBits));
  }
  layer.output = softmax_output(logits);
  layer.exponentials = softmax_table(logits.scale);
}

}  // namespace

bool LayerNodes::whole() const {
  if (last == 0 || last == network.output) return true;
  return std::any_of(network.nodes.begin(), network.nodes.end(), [&](const Node& node) {
    return node.op == Op::Softmax && node.inputs.at(0) == last;
  });
}

bool has_own_format(IntegerOp op) {
  return op == IntegerOp::Input || op == IntegerOp::Conv2d || op == IntegerOp::FullyConnected || op == IntegerOp::Add ||
         op == IntegerOp::Concat || op == IntegerOp::Requantize;
}

LayerNodes nodes_of(const Network& folded, const IntegerLayer& layer) {
  const Node& last = folded.node(layer.float_node);
  const bool fused = last.name != layer.name;
  return {folded, fused ? last.inputs.at(0) : layer.float_node, layer.float_node};
}

arith::Activation activation_of(const Network& folded, const IntegerLayer& layer) {
  const Op op = folded.node(layer.float_node).op;
  return op == Op::Relu    ? arith::Activation::Relu
         : op == Op::Relu6 ? arith::Activation::Relu6
                           : arith::Activation::None;
}

void fill_layer(IntegerNetwork& network, int index, const Network& folded, const Scheme& scheme) {
  IntegerLayer& layer = network.layers.at(static_cast<std::size_t>(index));
  const auto input = [&](std::size_t i) -> const TensorFormat& { return network.layer(layer.inputs.at(i)).output; };
  const LayerNodes nodes = nodes_of(folded, layer);
  const arith::Activation activation = activation_of(folded, layer);
  layer.output = has_own_format(layer.op) ? scheme.tensor(nodes) : input(0);
  if (layer.weighted()) {
    FloatParameters parameters = parameters_of(folded, folded.node(nodes.first));
    const std::optional<TensorFormat> bias = scheme.bias(nodes);
    if (bias && parameters.bias) round_to(*parameters.bias, *bias);
    set_weights(layer, input(0), scheme.weight(nodes, parameters.weight), parameters.weight,
                parameters.bias ? &*parameters.bias : nullptr, activation, scheme.policy());
  } else if (layer.op == IntegerOp::Add) {
    std::vector<TensorFormat> inputs;
    for (std::size_t i = 0; i < layer.inputs.size(); ++i) inputs.push_back(input(i));
    set_addition(layer, inputs, activation, scheme.policy());
  } else if (layer.op == IntegerOp::Concat) {
    layer.input_stages.clear();
    for (std::size_t i = 0; i < layer.inputs.size(); ++i) {
      layer.input_stages.push_back(rescale(input(i), layer.output, arith::Activation::None, scheme.policy()));
    }
  } else if (layer.op == IntegerOp::Requantize) {
    layer.stages = rescale(input(0), layer.output, activation, scheme.policy());
  } else if (layer.op == IntegerOp::Softmax) {
    set_softmax(layer, input(0));
  }
}

}  // namespace guardbit::nets
