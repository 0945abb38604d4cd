// Names and shapes of the integer network, and its input codes.
#include "nets/quantize/integer_network.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "arith/error.hpp"
#include "nets/quantize/conv_shape.hpp"

namespace guardbit::nets {

std::string_view name(IntegerOp op) {
  switch (op) {
#define X(id, text)   \
  case IntegerOp::id: \
    return text;
    GUARDBIT_INTEGER_OPS(X)
#undef X
  }
  __builtin_unreachable();
}

void gather_rows(const ConvShape& shape, const std::int32_t* image, std::int32_t zero_point, int group,
                 std::int64_t first, std::int64_t rows, std::int32_t* out) {
  const std::ptrdiff_t first_channel = std::ptrdiff_t{group} * shape.group_c;
  for (std::int64_t row = first; row < first + rows; ++row) {
    const int p = static_cast<int>(row / shape.q);
    const int q = static_cast<int>(row % shape.q);
    for (int r = 0; r < shape.r; ++r) {
      const int y = shape.input_y(p, r);
      for (int s = 0; s < shape.s; ++s, out += shape.group_c) {
        const int x = shape.input_x(q, s);
        if (!shape.inside(y, x)) {
          std::fill_n(out, shape.group_c, 0);
          continue;
        }
        const std::int32_t* from = image + (std::ptrdiff_t{y} * shape.w + x) * shape.c + first_channel;
        for (int c = 0; c < shape.group_c; ++c) out[c] = from[c] - zero_point;
      }
    }
  }
}

void gather_weights(const ConvShape& shape, const IntTensor& weight, int group, std::int32_t* out) {
  const std::ptrdiff_t depth = shape.depth();
  const std::int32_t* from = weight.data.data() + std::ptrdiff_t{group} * shape.group_k * depth;
  for (std::ptrdiff_t d = 0; d < depth; ++d) {
    for (std::ptrdiff_t k = 0; k < shape.group_k; ++k) out[d * shape.group_k + k] = from[k * depth + d];
  }
}

GemmShape gemm_shape(const IntegerNetwork& network, const IntegerLayer& layer) {
  const ConvShape shape = conv_shape(network, layer);
  return {shape.rows(), shape.depth(), shape.group_k, shape.groups};
}

std::int64_t macs(const IntegerNetwork& network, const IntegerLayer& layer) {
  if (!layer.weighted()) return 0;
  const GemmShape gemm = gemm_shape(network, layer);
  return gemm.rows * gemm.depth * gemm.cols * gemm.groups;
}

std::vector<std::int32_t> input_code_table(const IntegerNetwork& network) {
  const IntegerLayer& input = network.layer(0);
  const Preprocess& pre = network.preprocess;
  const auto channels = static_cast<std::size_t>(input.shape.c);
  const auto at = [](const std::vector<double>& values, std::size_t c) {
    return values.size() == 1 ? values[0] : values.at(c);
  };
  const auto low = static_cast<double>(input.output.format.min_code());
  const auto high = static_cast<double>(input.output.format.max_code());

  std::vector<std::int32_t> table(channels * 256);
  for (std::size_t c = 0; c < channels; ++c) {
    for (int pixel = 0; pixel < 256; ++pixel) {
      const double real = (pixel * pre.scale - at(pre.mean, c)) / at(pre.std, c);
      const double code = std::nearbyint(real / input.output.scale) + static_cast<double>(input.output.zero_point);
      table[c * 256 + static_cast<std::size_t>(pixel)] = static_cast<std::int32_t>(std::clamp(code, low, high));
    }
  }
  return table;
}

IntTensor quantize_input(const IntegerNetwork& network, const std::uint8_t* pixels, std::int64_t images) {
  const IntegerLayer& input = network.layer(0);
  const auto channels = static_cast<std::size_t>(input.shape.c);
  const std::vector<std::int32_t> table = input_code_table(network);
  IntTensor codes({images, input.shape.h, input.shape.w, input.shape.c});
  for (std::size_t i = 0; i < codes.data.size(); ++i) codes.data[i] = table[i % channels * 256 + pixels[i]];
  return codes;
}

}  // namespace guardbit::nets
