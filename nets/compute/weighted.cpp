// gemm, conv2d and depthwise as one layer of an integer network, run by the engines: there is one convolution only.
#include <fmt/format.h>

#include <algorithm>

#include "arith/error.hpp"
#include "nets/compute/operators.hpp"
#include "nets/engines/engine.hpp"

namespace guardbit::nets::compute {
namespace {

constexpr std::int64_t kTileValue = std::int64_t{1} << 16;  // the block kernels take smaller operand values
constexpr std::int64_t kMaxDepth = std::int64_t{1} << 28;   // products per output
constexpr arith::int128 kMaxSum = arith::int128{1} << 62;

// [N, H, W, C] codes and the weighted layer that reads them.
struct OneLayer {
  const Operand& input;
  IntTensor codes;
  IntegerLayer layer;  // op, window, groups, weight (values), bias; shape is the output's
};

void check_sums(const OneLayer& one, std::int64_t input_value, std::int64_t weight_value) {
  const std::int64_t depth = one.layer.weight.count() / one.layer.weight.shape[0];
  std::int64_t bias_value = 0;
  for (const std::int64_t bias : one.layer.bias) {
    bias_value = std::max(bias_value, bias < -INT64_MAX ? INT64_MAX : std::abs(bias));
  }
  if (depth >= kMaxDepth ||
      arith::int128{depth} * input_value * weight_value + bias_value >= kMaxSum) {
    throw Error(fmt::format("{}: found {} products of values up to {} and {} and a bias up to {}, allowed less than "
                            "2^28 products and sums below 2^62",
                            one.input.name, depth, input_value, weight_value, bias_value));
  }
}

Accumulated run(OneLayer one, const arith::Accumulation& accumulation, int threads) {
  std::int64_t weight_value = 0;
  for (const std::int32_t w : one.layer.weight.data) {
    weight_value = std::max(weight_value, std::abs(std::int64_t{w}));
  }
  const std::int64_t input_value = largest_value(one.input);
  check_sums(one, input_value, weight_value);

  IntegerNetwork network;
  network.name = one.input.name;
  IntegerLayer input;
  input.name = "input";
  input.shape = {static_cast<int>(one.codes.shape[1]), static_cast<int>(one.codes.shape[2]),
                 static_cast<int>(one.codes.shape[3])};
  input.output = {.format = one.input.format, .scale = 1.0, .zero_point = one.input.zero_point};
  one.layer.name = "operator";
  one.layer.inputs = {0};
  one.layer.output.format = arith::integer_format(32);
  one.layer.stages = {arith::Narrow{arith::integer_format(32)}};  // its codes are not looked at
  network.layers = {std::move(input), std::move(one.layer)};
  network.output = 1;

  const bool block = input_value < kTileValue && weight_value < kTileValue;
  const std::unique_ptr<Engine> engine = block ? make_fast_engine() : make_reference_engine();
  RunResult result = engine->run(network, uniform(network, accumulation), one.codes,
                                 {.threads = threads, .keep_accumulators = true, .first_image = 0});
  return {std::move(result.layers[1].accumulators), result.layers[1].accumulation};
}

void check_bias(const std::vector<std::int64_t>& bias, std::int64_t channels, const std::string& where) {
  if (!bias.empty() && bias.size() != static_cast<std::size_t>(channels)) {
    throw Error(fmt::format("{}: found a bias of {} elements, allowed {}", where, bias.size(), channels));
  }
}

// Weight codes with the zero point subtracted.
std::vector<std::int32_t> weight_values(const Operand& weight) {
  std::vector<std::int32_t> values;
  values.reserve(weight.codes.data.size());
  for (const std::int32_t code : weight.codes.data) {
    const std::int64_t value = code - weight.zero_point;
    if (value < INT32_MIN || value > INT32_MAX) {
      throw Error(fmt::format("{}: found value {} after its zero point, allowed 32 bits", weight.name, value));
    }
    values.push_back(static_cast<std::int32_t>(value));
  }
  return values;
}

int extent(std::int64_t size, std::int64_t before, std::int64_t after, std::int64_t kernel, std::int64_t stride,
           std::int64_t dilation, const char* axis, const std::string& where) {
  const std::int64_t reach = dilation * (kernel - 1) + 1;
  const std::int64_t room = size + before + after - reach;
  if (room < 0) {
    throw Error(fmt::format("{}: found a window of {} elements along {}, allowed at most {} (padding included)", where,
                            reach, axis, size + before + after));
  }
  return static_cast<int>(room / stride + 1);
}

// The input with its padding written out, so that any pad code is just a code.
IntTensor padded(const Operand& input, const ConvOptions& options) {
  const auto& in = input.codes.shape;
  const auto [top, bottom, left, right] = options.padding;
  const std::vector<std::int64_t> shape{in[0], in[1] + top + bottom, in[2] + left + right, in[3]};
  check_shape(shape, 4, "[N, H, W, C] with its padding", input.name);
  const std::int64_t pad_value = options.pad_value.value_or(input.zero_point);
  if (!input.format.contains(pad_value)) {
    throw Error(fmt::format("{}: found pad value {}, allowed a code of {}", input.name, pad_value,
                            arith::to_string(input.format)));
  }
  IntTensor out(shape);
  std::fill(out.data.begin(), out.data.end(), static_cast<std::int32_t>(pad_value));
  const std::int64_t row = in[2] * in[3];
  for (std::int64_t n = 0; n < in[0]; ++n) {
    for (std::int64_t y = 0; y < in[1]; ++y) {
      std::copy_n(input.codes.data.begin() + (n * in[1] + y) * row, row,
                  out.data.begin() + ((n * shape[1] + y + top) * shape[2] + left) * in[3]);
    }
  }
  return out;
}

}  // namespace

Accumulated gemm(const Operand& lhs, const Operand& rhs, const std::vector<std::int64_t>& bias,
                 const arith::Accumulation& accumulation, int threads) {
  check_shape(lhs.codes.shape, 2, "[M, K]", lhs.name);
  check_shape(rhs.codes.shape, 2, "[K, N]", rhs.name);
  const std::int64_t m = lhs.codes.shape[0], k = lhs.codes.shape[1], n = rhs.codes.shape[1];
  if (rhs.codes.shape[0] != k) {
    throw Error(fmt::format("{}: found shape {}, allowed [{}, N] for an lhs of {}", rhs.name,
                            shape_text(rhs.codes.shape), k, shape_text(lhs.codes.shape)));
  }
  check_shape(std::vector{m, n}, 2, "[M, N] of the output", lhs.name);
  check_bias(bias, n, rhs.name);
  OneLayer one{.input = lhs, .codes = {}, .layer = {}};
  one.codes.shape = {m, 1, 1, k};
  one.codes.data = lhs.codes.data;
  one.layer.op = IntegerOp::FullyConnected;
  one.layer.shape = {1, 1, static_cast<int>(n)};
  one.layer.bias = bias;
  one.layer.weight = IntTensor({n, 1, 1, k});
  const std::vector<std::int32_t> values = weight_values(rhs);
  for (std::int64_t row = 0; row < k; ++row) {
    for (std::int64_t column = 0; column < n; ++column) {
      one.layer.weight.data[static_cast<std::size_t>(column * k + row)] =
          values[static_cast<std::size_t>(row * n + column)];
    }
  }
  Accumulated result = run(std::move(one), accumulation, threads);
  result.accumulators.shape = {m, n};
  return result;
}

Accumulated conv2d(const Operand& input, const Operand& weight, const std::vector<std::int64_t>& bias,
                   const ConvOptions& options, const arith::Accumulation& accumulation, int threads) {
  check_shape(input.codes.shape, 4, "[N, H, W, C]", input.name);
  check_shape(weight.codes.shape, 4, "[K, R, S, C / groups]", weight.name);
  const std::int64_t channels = input.codes.shape[3], outputs = weight.codes.shape[0];
  if (channels % options.groups != 0 || outputs % options.groups != 0 ||
      weight.codes.shape[3] != channels / options.groups) {
    throw Error(fmt::format("{}: found shape {} in {} groups for an input of {}, allowed [K, R, S, C / groups] with "
                            "groups that divide K and C",
                            weight.name, shape_text(weight.codes.shape), options.groups,
                            shape_text(input.codes.shape)));
  }
  check_bias(bias, outputs, weight.name);
  OneLayer one{.input = input, .codes = padded(input, options), .layer = {}};
  one.layer.op = IntegerOp::Conv2d;
  one.layer.groups = static_cast<int>(options.groups);
  Window& window = one.layer.window;
  window.kernel_h = static_cast<int>(weight.codes.shape[1]);
  window.kernel_w = static_cast<int>(weight.codes.shape[2]);
  window.stride_h = static_cast<int>(options.stride[0]);
  window.stride_w = static_cast<int>(options.stride[1]);
  window.dilation_h = static_cast<int>(options.dilation[0]);
  window.dilation_w = static_cast<int>(options.dilation[1]);
  const auto& padded_shape = one.codes.shape;
  one.layer.shape = {
      extent(padded_shape[1], 0, 0, weight.codes.shape[1], options.stride[0], options.dilation[0], "H", weight.name),
      extent(padded_shape[2], 0, 0, weight.codes.shape[2], options.stride[1], options.dilation[1], "W", weight.name),
      static_cast<int>(outputs)};
  check_shape(std::vector<std::int64_t>{input.codes.shape[0], one.layer.shape.h, one.layer.shape.w, outputs}, 4,
              "[N, P, Q, K] of the output", input.name);
  one.layer.bias = bias;
  one.layer.weight.shape = weight.codes.shape;
  one.layer.weight.data = weight_values(weight);
  return run(std::move(one), accumulation, threads);
}

Accumulated depthwise(const Operand& input, const Operand& weight, const std::vector<std::int64_t>& bias,
                      const ConvOptions& options, const arith::Accumulation& accumulation, int threads) {
  check_shape(input.codes.shape, 4, "[N, H, W, C]", input.name);
  check_shape(weight.codes.shape, 4, "[K, R, S, 1] or [1, R, S, K]", weight.name);
  const auto& shape = weight.codes.shape;
  const std::int64_t outputs = std::max(shape[0], shape[3]), channels = input.codes.shape[3];
  if ((shape[0] != 1 && shape[3] != 1) || outputs % channels != 0) {
    throw Error(fmt::format("{}: found shape {}, allowed [K, R, S, 1] or [1, R, S, K] with K a multiple of {}",
                            weight.name, shape_text(shape), channels));
  }
  Operand reordered = weight;
  if (shape[3] != 1) {  // [1, R, S, K] -> [K, R, S, 1]
    const std::int64_t taps = shape[1] * shape[2];
    for (std::int64_t k = 0; k < outputs; ++k) {
      for (std::int64_t tap = 0; tap < taps; ++tap) {
        reordered.codes.data[static_cast<std::size_t>(k * taps + tap)] =
            weight.codes.data[static_cast<std::size_t>(tap * outputs + k)];
      }
    }
  }
  reordered.codes.shape = {outputs, shape[1], shape[2], 1};
  ConvOptions grouped = options;
  grouped.groups = channels;
  return conv2d(input, reordered, bias, grouped, accumulation, threads);
}

}  // namespace guardbit::nets::compute
