// One node on one image.
#include "nets/graph/detail/float_ops.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "nets/graph/detail/float_conv.hpp"

namespace guardbit::nets::detail {
namespace {

const Shape& input_shape(const Network& network, const Node& node) { return network.node(node.inputs[0]).shape; }

void prepare_weights(const Network& network, const Node& node, PreparedNode& prepared) {
  const auto& conv = std::get<ConvAttributes>(node.attributes);
  const FloatTensor& weight = network.parameter(node.name + ".weight");
  const float* const bias = conv.bias ? network.parameter(node.name + ".bias").data.data() : nullptr;
  const std::int64_t depth = weight.count() / conv.channels;
  if (is_depthwise(network, node)) {
    prepared.taps.resize(weight.data.size());
    for (std::int64_t k = 0; k < conv.channels; ++k) {
      for (std::int64_t t = 0; t < depth; ++t) {
        prepared.taps[static_cast<std::size_t>(t * conv.channels + k)] =
            weight.data[static_cast<std::size_t>(k * depth + t)];
      }
    }
    prepared.bias.assign(static_cast<std::size_t>(conv.channels), 0.0F);
    if (bias != nullptr) std::copy_n(bias, conv.channels, prepared.bias.begin());
    return;
  }
  const std::int64_t outputs = conv.channels / conv.groups;
  for (std::int64_t group = 0; group < conv.groups; ++group) {
    prepared.groups.push_back(pack_weights(weight.data.data() + group * outputs * depth, outputs, depth,
                                           bias == nullptr ? nullptr : bias + group * outputs));
  }
}

void prepare_batch_norm(const Network& network, const Node& node, PreparedNode& prepared) {
  const double epsilon = std::get<BatchNormAttributes>(node.attributes).epsilon;
  const FloatTensor& gamma = network.parameter(node.name + ".gamma");
  const FloatTensor& beta = network.parameter(node.name + ".beta");
  const FloatTensor& mean = network.parameter(node.name + ".mean");
  const FloatTensor& variance = network.parameter(node.name + ".variance");
  for (std::size_t c = 0; c < gamma.data.size(); ++c) {
    const double scale = double{gamma.data[c]} / std::sqrt(double{variance.data[c]} + epsilon);
    prepared.scale.push_back(static_cast<float>(scale));
    prepared.shift.push_back(static_cast<float>(double{beta.data[c]} - double{mean.data[c]} * scale));
  }
}

void batch_norm(const PreparedNode& prepared, std::int64_t pixels, const float* in, float* out) {
  const std::size_t channels = prepared.scale.size();
  const float* const scale = prepared.scale.data();
  const float* const shift = prepared.shift.data();
  for (std::int64_t i = 0; i < pixels; ++i, in += channels, out += channels) {
    for (std::size_t c = 0; c < channels; ++c) out[c] = in[c] * scale[c] + shift[c];
  }
}

// Maximum or mean of the taps inside the input, channel by channel.
template <bool kMaximum>
void pool(const Window& window, const Shape& in_shape, const Shape& shape, const float* in, float* out) {
  for (int p = 0; p < shape.h; ++p) {
    for (int q = 0; q < shape.w; ++q, out += shape.c) {
      int taps = 0;
      for (int r = 0; r < window.kernel_h; ++r) {
        const int y = p * window.stride_h - window.padding.top + r * window.dilation_h;
        if (y < 0 || y >= in_shape.h) continue;
        for (int s = 0; s < window.kernel_w; ++s) {
          const int x = q * window.stride_w - window.padding.left + s * window.dilation_w;
          if (x < 0 || x >= in_shape.w) continue;
          const float* const pixel = in + (std::int64_t{y} * in_shape.w + x) * shape.c;
          if (taps++ == 0) {
            std::copy_n(pixel, shape.c, out);
            continue;
          }
          for (int c = 0; c < shape.c; ++c) out[c] = kMaximum ? std::max(out[c], pixel[c]) : out[c] + pixel[c];
        }
      }
      if constexpr (!kMaximum) {
        const auto divisor = static_cast<float>(taps);
        for (int c = 0; c < shape.c; ++c) out[c] /= divisor;
      }
    }
  }
}

void add(std::span<const float* const> inputs, std::int64_t count, float* out) {
  std::copy_n(inputs[0], count, out);
  for (std::size_t i = 1; i < inputs.size(); ++i) {
    const float* const other = inputs[i];
    for (std::int64_t e = 0; e < count; ++e) out[e] += other[e];
  }
}

void concat(const Network& network, const Node& node, std::span<const float* const> inputs, float* out) {
  const std::int64_t pixels = std::int64_t{node.shape.h} * node.shape.w;
  std::int64_t first_channel = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::int64_t channels = network.node(node.inputs[i]).shape.c;
    for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
      std::copy_n(inputs[i] + pixel * channels, channels, out + pixel * node.shape.c + first_channel);
    }
    first_channel += channels;
  }
}

void pad(const Node& node, const Shape& in_shape, const float* in, float* out) {
  const auto& attributes = std::get<PadAttributes>(node.attributes);
  std::fill_n(out, node.shape.count(), 0.0F);
  for (std::int64_t y = 0; y < in_shape.h; ++y) {
    for (std::int64_t x = 0; x < in_shape.w; ++x, in += in_shape.c) {
      const std::int64_t pixel = (y + attributes.padding.top) * node.shape.w + x + attributes.padding.left;
      std::copy_n(in, in_shape.c, out + pixel * node.shape.c + attributes.channels_before);
    }
  }
}

// Over the channels of each pixel; the sum in double, channels ascending.
void softmax(const Shape& shape, const float* in, float* out) {
  for (std::int64_t pixel = 0; pixel < std::int64_t{shape.h} * shape.w; ++pixel, in += shape.c, out += shape.c) {
    const float largest = *std::max_element(in, in + shape.c);
    double sum = 0.0;
    for (int c = 0; c < shape.c; ++c) sum += std::exp(double{in[c]} - double{largest});
    for (int c = 0; c < shape.c; ++c) {
      out[c] = static_cast<float>(std::exp(double{in[c]} - double{largest}) / sum);
    }
  }
}

}  // namespace

bool is_depthwise(const Network& network, const Node& node) {
  if (node.op != Op::Conv2d) return false;
  const auto& conv = std::get<ConvAttributes>(node.attributes);
  return conv.groups > 1 && conv.groups == conv.channels && conv.groups == input_shape(network, node).c;
}

PreparedNode prepare(const Network& network, const Node& node) {
  PreparedNode prepared;
  if (node.op == Op::Conv2d || node.op == Op::FullyConnected) prepare_weights(network, node, prepared);
  if (node.op == Op::BatchNorm) prepare_batch_norm(network, node, prepared);
  return prepared;
}

void run_node(const Network& network, const Node& node, const PreparedNode& prepared,
              std::span<const float* const> inputs, float* out, std::vector<float>& scratch) {
  const std::int64_t count = node.shape.count();
  switch (node.op) {
    case Op::Input: return;
    case Op::Conv2d: {
      const auto& conv = std::get<ConvAttributes>(node.attributes);
      if (prepared.groups.empty()) {
        return depthwise_conv2d(conv.window, input_shape(network, node), node.shape, prepared.taps.data(),
                                prepared.bias.data(), inputs[0], out);
      }
      return conv2d(conv, input_shape(network, node), node.shape, prepared.groups, inputs[0], out, scratch);
    }
    case Op::FullyConnected: return float_gemm(inputs[0], 1, prepared.groups.front(), out, count);
    case Op::BatchNorm: return batch_norm(prepared, std::int64_t{node.shape.h} * node.shape.w, inputs[0], out);
    case Op::Relu:
      for (std::int64_t i = 0; i < count; ++i) out[i] = std::max(inputs[0][i], 0.0F);
      return;
    case Op::Relu6:
      for (std::int64_t i = 0; i < count; ++i) out[i] = std::min(std::max(inputs[0][i], 0.0F), 6.0F);
      return;
    case Op::MaxPool:
      return pool<true>(std::get<PoolAttributes>(node.attributes).window, input_shape(network, node), node.shape,
                        inputs[0], out);
    case Op::AveragePool:
      return pool<false>(std::get<PoolAttributes>(node.attributes).window, input_shape(network, node), node.shape,
                         inputs[0], out);
    case Op::Add: return add(inputs, count, out);
    case Op::Concat: return concat(network, node, inputs, out);
    case Op::Pad: return pad(node, input_shape(network, node), inputs[0], out);
    case Op::Flatten:
    case Op::Dropout: std::copy_n(inputs[0], count, out); return;
    case Op::Softmax: return softmax(node.shape, inputs[0], out);
  }
  std::abort();
}

}  // namespace guardbit::nets::detail
