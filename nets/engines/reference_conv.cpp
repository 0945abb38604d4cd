// Convolution and fully connected, as integer_network.hpp defines them.
#include "nets/engines/reference_ops.hpp"
#include "nets/quantize/conv_shape.hpp"

namespace guardbit::nets::reference {
namespace {

// The operands under the window of output (p, q) of image n for the channels of one group, in reduction order r, s, c.
// Padded taps give 0.
void patch_of(const Context& context, const ConvShape& shape, std::int64_t n, int p, int q, int group,
              std::vector<std::int64_t>& patch) {
  const std::int32_t* image = context.input().data.data() + n * shape.input_count();
  const std::int64_t zero_point = context.input_format().zero_point;

  patch.clear();
  for (int r = 0; r < shape.r; ++r) {
    for (int s = 0; s < shape.s; ++s) {
      const int y = p * shape.window.stride_h - shape.window.padding.top + r * shape.window.dilation_h;
      const int x = q * shape.window.stride_w - shape.window.padding.left + s * shape.window.dilation_w;
      const bool padded = y < 0 || y >= shape.h || x < 0 || x >= shape.w;
      for (int c = group * shape.group_c; c < (group + 1) * shape.group_c; ++c) {
        patch.push_back(padded ? 0 : image[(std::int64_t{y} * shape.w + x) * shape.c + c] - zero_point);
      }
    }
  }
}

// The products of a patch and the weights of output channel k, in the same order.
void multiply(const std::vector<std::int64_t>& patch, const Context& context, int k,
              std::vector<std::int64_t>& products) {
  const std::int32_t* weight = context.layer.weight.data.data() + static_cast<std::size_t>(k) * patch.size();
  products.resize(patch.size());
  for (std::size_t i = 0; i < patch.size(); ++i) products[i] = patch[i] * weight[i];
}

}  // namespace

void convolution(const Context& context, LayerResult& result) {
  const IntegerLayer& layer = context.layer;
  const ConvShape shape = conv_shape(context.network, layer);
  const std::int64_t images = context.input().shape[0];
  if (context.options.keep_accumulators) result.accumulators = WideTensor({images, shape.p, shape.q, shape.k});

  std::vector<std::int64_t> patch;
  std::vector<std::int64_t> products;
  std::size_t element = 0;
  for (std::int64_t n = 0; n < images; ++n) {
    for (int p = 0; p < shape.p; ++p) {
      for (int q = 0; q < shape.q; ++q) {
        for (int k = 0; k < shape.k; ++k, ++element) {
          // Output channels of one group see the same patch.
          if (k % shape.group_k == 0) patch_of(context, shape, n, p, q, k / shape.group_k, patch);
          multiply(patch, context, k, products);
          const std::int64_t bias = layer.bias.empty() ? 0 : layer.bias[static_cast<std::size_t>(k)];
          const std::int64_t output = (((context.options.first_image + n) * shape.p + p) * shape.q + q) * shape.k + k;
          const std::int64_t accumulator =
              arith::accumulate(products, bias, context.accumulation, output, result.accumulation);
          if (context.options.keep_accumulators) result.accumulators.data[element] = accumulator;
          result.codes.data[element] =
              static_cast<std::int32_t>(arith::apply_stages(layer.stages, accumulator, k, result.stages));
        }
      }
    }
  }
}

}  // namespace guardbit::nets::reference
