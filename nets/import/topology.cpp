// Topology layers as integer networks.
#include "nets/import/topology.hpp"

#include <fmt/format.h>

#include <cmath>

#include "arith/philox.hpp"
#include "nets/quantize/output_policy.hpp"

namespace guardbit::nets {
namespace {

constexpr std::int64_t kMaxElements = std::int64_t{1} << 31;  // of one tensor
constexpr std::int64_t kMaxDepth = std::int64_t{1} << 28;     // products of one output

int outputs(int input, int kernel, int stride) { return (input - kernel + stride - 1) / stride + 1; }

Shape output_shape(const TopologyLayer& layer) {
  return {outputs(layer.input.h, layer.kernel_h, layer.stride_h),
          outputs(layer.input.w, layer.kernel_w, layer.stride_w), layer.filters};
}

std::int64_t depth(const TopologyLayer& layer) {
  return std::int64_t{layer.kernel_h} * layer.kernel_w * (layer.input.c / layer.groups);
}

// Four codes for each 32-bit word would be biased; a 64-bit draw modulo 255 is biased by less than 2^-56.
void fill(IntTensor& tensor, arith::Random random) {
  for (std::int32_t& value : tensor.data) value = static_cast<std::int32_t>(random.next_u64() % 255) - 127;
}

// Streams of the random generator: weights of layer i at 2i; image n of layer i at (n + 1) << 32 | 2i + 1.
std::uint64_t weight_stream(std::size_t layer) { return 2 * layer; }
std::uint64_t image_stream(std::size_t layer, std::int64_t image) {
  return (static_cast<std::uint64_t>(image + 1) << 32) | (2 * layer + 1);
}

}  // namespace

std::string problem_of(const TopologyLayer& layer) {
  const auto extent = [](int value) { return value >= 1 && value <= kMaxTopologyExtent; };
  const Shape& in = layer.input;
  for (const int value : {in.h, in.w, in.c, layer.kernel_h, layer.kernel_w, layer.stride_h, layer.stride_w,
                          layer.filters, layer.groups}) {
    if (!extent(value)) return fmt::format("found {}, allowed 1 to {}", value, kMaxTopologyExtent);
  }
  if (layer.kernel_h > in.h || layer.kernel_w > in.w) {
    return fmt::format("found a filter of {} x {} over an input of {} x {}, allowed filters no larger than the input",
                       layer.kernel_h, layer.kernel_w, in.h, in.w);
  }
  if (in.c % layer.groups != 0 || layer.filters % layer.groups != 0) {
    return fmt::format("found {} groups, allowed divisors of {} channels and {} filters", layer.groups, in.c,
                       layer.filters);
  }
  if (std::int64_t{in.h} * in.w >= kMaxElements / in.c) {
    return fmt::format("found an input of {} x {} x {}, allowed fewer than 2^31 elements", in.h, in.w, in.c);
  }
  const Shape out = output_shape(layer);
  if (std::int64_t{out.h} * out.w >= kMaxElements / out.c) {
    return fmt::format("found an output of {} x {} x {}, allowed fewer than 2^31 elements", out.h, out.w, out.c);
  }
  // Kernel and channels are bounded by the input's 2^31 elements, so this does not overflow.
  if (depth(layer) >= kMaxDepth || depth(layer) >= kMaxElements / layer.filters) {
    return fmt::format("found {} products per output and {} filters, allowed fewer than 2^28 products and 2^31 weights",
                       depth(layer), layer.filters);
  }
  return {};
}

IntegerNetwork layer_network(const Topology& topology, std::size_t index, std::uint64_t seed) {
  const TopologyLayer& shape = topology.layers.at(index);
  IntegerNetwork network;
  network.name = fmt::format("{}.{}", topology.name, shape.name);
  network.output_policy = "tflite_double";
  network.preprocess = {.scale = 1.0, .mean = {128.0}, .std = {1.0}};  // any pixel is a code
  IntegerLayer input;
  input.name = shape.name == "input" ? "input0" : "input";
  input.shape = shape.input;
  network.layers.push_back(input);

  IntegerLayer layer;
  layer.name = shape.name;
  layer.op = IntegerOp::Conv2d;
  layer.inputs = {0};
  layer.shape = output_shape(shape);
  layer.groups = shape.groups;
  layer.window = {.kernel_h = shape.kernel_h, .kernel_w = shape.kernel_w, .stride_h = shape.stride_h,
                  .stride_w = shape.stride_w};
  layer.window.padding.bottom = (layer.shape.h - 1) * shape.stride_h + shape.kernel_h - shape.input.h;
  layer.window.padding.right = (layer.shape.w - 1) * shape.stride_w + shape.kernel_w - shape.input.w;
  layer.weight = IntTensor({shape.filters, shape.kernel_h, shape.kernel_w, shape.input.c / shape.groups});
  fill(layer.weight, arith::Random(seed, weight_stream(index)));
  layer.weight_scales = {1.0};
  // Codes of standard deviation 73 each: sums spread by 73^2 * sqrt(depth), outputs by 73^2 / 128 = 42.
  layer.real_multipliers = {0x1p-7 / std::sqrt(static_cast<double>(depth(shape)))};
  layer.stages = policy_stages(network.output_policy,
                               output_spec(layer.output, layer.real_multipliers, arith::Activation::None));
  network.layers.push_back(std::move(layer));
  network.output = 1;
  check(network);
  return network;
}

IntTensor layer_input(const Topology& topology, std::size_t index, std::uint64_t seed, std::int64_t first,
                      std::int64_t count) {
  const Shape& shape = topology.layers.at(index).input;
  IntTensor codes({count, shape.h, shape.w, shape.c});
  IntTensor image({shape.h, shape.w, shape.c});
  for (std::int64_t i = 0; i < count; ++i) {
    fill(image, arith::Random(seed, image_stream(index, first + i)));
    std::copy(image.data.begin(), image.data.end(), codes.data.begin() + i * shape.count());
  }
  return codes;
}

}  // namespace guardbit::nets
