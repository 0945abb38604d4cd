// Float inference against loops of its own, and its independence of threads, batches and processors.
#include "nets/graph/float_engine.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "arith/error.hpp"
#include "arith/philox.hpp"
#include "nets/graph/build.hpp"
#include "nets/graph/detail/float_gemm.hpp"
#include "nets/graph/load.hpp"

namespace guardbit::nets {
namespace {

FloatTensor random_tensor(std::vector<std::int64_t> shape, std::uint64_t seed) {
  FloatTensor tensor(std::move(shape));
  arith::Random random(seed);
  for (float& value : tensor.data) value = static_cast<float>(random.uniform() * 4.0 - 2.0);
  return tensor;
}

// A network of one layer "x"; its parameters are random, variances positive.
Network one_layer(const std::string& input, const std::string& layer) {
  Network network = build_network(Section::parse("input: " + input + "\nlayers: {x: {" + layer +
                                                 "}}\ngraph: {from: input, with: x, to: output}\n"));
  std::uint64_t seed = 100;
  for (const ParameterSpec& spec : parameter_specs(network)) {
    FloatTensor tensor = random_tensor(spec.shape, seed++);
    if (spec.name.ends_with(".variance")) {
      for (float& value : tensor.data) value = std::abs(value) + 0.5F;
    }
    network.parameters[spec.name] = std::move(tensor);
  }
  return network;
}

FloatTensor run_layer(const Network& network, const FloatTensor& input) { return run_float(network, input).back(); }

float at(const FloatTensor& t, std::int64_t n, std::int64_t y, std::int64_t x, std::int64_t c) {
  return t.data[static_cast<std::size_t>(((n * t.shape[1] + y) * t.shape[2] + x) * t.shape[3] + c)];
}
// Zero outside.
double padded(const FloatTensor& t, std::int64_t n, std::int64_t y, std::int64_t x, std::int64_t c) {
  return y < 0 || x < 0 || y >= t.shape[1] || x >= t.shape[2] ? 0.0 : double{at(t, n, y, x, c)};
}

// The definition of a convolution, one output at a time, in double.
double conv_at(const Network& network, const FloatTensor& in, std::int64_t n, std::int64_t p, std::int64_t q,
               std::int64_t k) {
  const auto& conv = std::get<ConvAttributes>(network.nodes[1].attributes);
  const Window& w = conv.window;
  const FloatTensor& weight = network.parameter("x.weight");
  const std::int64_t channels = in.shape[3] / conv.groups;
  const std::int64_t group = k / (conv.channels / conv.groups);
  double sum = conv.bias ? double{network.parameter("x.bias").data[static_cast<std::size_t>(k)]} : 0.0;
  for (std::int64_t r = 0; r < w.kernel_h; ++r) {
    for (std::int64_t s = 0; s < w.kernel_w; ++s) {
      for (std::int64_t c = 0; c < channels; ++c) {
        sum += padded(in, n, p * w.stride_h + r * w.dilation_h - w.padding.top,
                      q * w.stride_w + s * w.dilation_w - w.padding.left, group * channels + c) *
               double{at(weight, k, r, s, c)};
      }
    }
  }
  return sum;
}

void expect_convolution(const std::string& layer) {
  const Network network = one_layer("[9, 7, 6]", layer);
  const FloatTensor in = random_tensor({2, 9, 7, 6}, 1);
  const FloatTensor out = run_layer(network, in);
  for (std::int64_t n = 0; n < 2; ++n) {
    for (std::int64_t p = 0; p < out.shape[1]; ++p) {
      for (std::int64_t q = 0; q < out.shape[2]; ++q) {
        for (std::int64_t k = 0; k < out.shape[3]; ++k) {
          ASSERT_NEAR(at(out, n, p, q, k), conv_at(network, in, n, p, q, k), 1e-4)
              << layer << " at " << n << "," << p << "," << q << "," << k;
        }
      }
    }
  }
}

TEST(FloatConvolution, EqualsItsDefinitionForEveryKindOfWindow) {
  expect_convolution("type: convolution, channels: 5, kernel: 3");
  expect_convolution("type: convolution, channels: 33, kernel: [3, 2], stride: [2, 1], padding: [2, 0, 1, 3]");
  expect_convolution("type: convolution, channels: 17, kernel: 3, dilation: [2, 3], padding: 3, bias: false");
  expect_convolution("type: convolution, channels: 8, kernel: 3, groups: 2, stride: 2");
  expect_convolution("type: depthwise_convolution, kernel: [2, 3], stride: 2, dilation: 2");
  expect_convolution("type: depthwise_convolution, kernel: 3, bias: false, padding: [1, 0, 0, 2]");
  expect_convolution("type: convolution, channels: 6, kernel: 1, groups: 6");
}

TEST(FloatFullyConnected, ReadsItsInputInHwcOrder) {
  const Network network = one_layer("[2, 3, 2]", "type: fully_connected, channels: 3");
  const FloatTensor in = random_tensor({2, 2, 3, 2}, 2);
  const FloatTensor out = run_layer(network, in);
  for (std::size_t n = 0; n < 2; ++n) {
    for (std::size_t k = 0; k < 3; ++k) {
      double sum = network.parameter("x.bias").data[k];
      for (std::size_t i = 0; i < 12; ++i) {
        sum += double{in.data[n * 12 + i]} * double{network.parameter("x.weight").data[k * 12 + i]};
      }
      EXPECT_NEAR(out.data[n * 3 + k], sum, 1e-5);
    }
  }
}

TEST(FloatBatchNorm, UsesRunningStatistics) {
  const Network network = one_layer("[2, 2, 3]", "type: batch_normalization, epsilon: 0.25");
  const FloatTensor in = random_tensor({1, 2, 2, 3}, 3);
  const FloatTensor out = run_layer(network, in);
  for (std::size_t i = 0; i < in.data.size(); ++i) {
    const auto value = [&](const std::string& part) { return double{network.parameter("x." + part).data[i % 3]}; };
    const double expected =
        (double{in.data[i]} - value("mean")) / std::sqrt(value("variance") + 0.25) * value("gamma") + value("beta");
    EXPECT_NEAR(out.data[i], expected, 1e-5);
  }
}

std::vector<float> run_values(const std::string& input, const std::string& layer, std::vector<float> values) {
  const Network network = one_layer(input, layer);
  const Shape& shape = network.nodes[0].shape;
  FloatTensor in({1, shape.h, shape.w, shape.c});
  in.data = std::move(values);
  return run_layer(network, in).data;
}

using Values = std::vector<float>;

TEST(FloatPools, LiteralsWithAndWithoutPadding) {
  const Values image{1, 2, 3, 4, 5, 6, -7, -8, -9};
  EXPECT_EQ(run_values("[3, 3, 1]", "type: max_pool, kernel: 2, stride: 1", image), (Values{5, 6, 5, 6}));
  EXPECT_EQ(run_values("[3, 3, 1]", "type: average_pool, kernel: 2, stride: 1", image), (Values{3, 4, -1.5, -1.5}));
  // Padded taps do not count: neither as zeros of a maximum nor in a mean's divisor.
  EXPECT_EQ(run_values("[1, 3, 1]", "type: max_pool, kernel: [1, 2], stride: [1, 2], padding: [0, 0, 1, 0]",
                       {-1, -2, -3}), (Values{-1, -2}));
  EXPECT_EQ(run_values("[1, 3, 1]", "type: average_pool, kernel: [1, 2], stride: [1, 2], padding: same",
                       {1, 2, 3}), (Values{1.5, 3}));
  EXPECT_EQ(run_values("[3, 3, 1]", "type: average_pool, kernel: 8", {1, 2, 3, 4, 5, 6, 7, 8, 9}), Values{5});
  EXPECT_EQ(run_values("[2, 1, 2]", "type: average_pool, global: true", {1, 2, 3, 5}), (Values{2, 3.5}));
  EXPECT_EQ(run_values("[3, 1, 1]", "type: max_pool, kernel: 1, stride: 2", {1, 9, 3}), (Values{1, 3}));
}

TEST(FloatElementwise, Literals) {
  EXPECT_EQ(run_values("[1, 1, 4]", "type: activation, mode: relu", {-1, 0, 2, 9}), (Values{0, 0, 2, 9}));
  EXPECT_EQ(run_values("[1, 1, 4]", "type: activation, mode: relu6", {-1, 0, 2, 9}), (Values{0, 0, 2, 6}));
  EXPECT_EQ(run_values("[1, 2, 2]", "type: flatten", {1, 2, 3, 4}), (Values{1, 2, 3, 4}));
  EXPECT_EQ(run_values("[1, 1, 2]", "type: dropout, rate: 0.9", {1, 2}), (Values{1, 2}));
  EXPECT_EQ(run_values("[1, 2, 1]", "type: pad, padding: [1, 0, 0, 1], channels: [1, 2]", {7, 8}),
            (Values{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0}));
  const Values soft = run_values("[1, 1, 3]", "type: softmax", {1000, 1000, 1000 - 1});
  EXPECT_NEAR(soft[0], 1.0 / (2.0 + std::exp(-1.0)), 1e-6);
  EXPECT_NEAR(soft[2], std::exp(-1.0) / (2.0 + std::exp(-1.0)), 1e-6);
}

TEST(FloatJoins, AddAndConcatInGraphOrder) {
  const Network network = build_network(Section::parse(R"(
input: [1, 2, 1]
layers:
  relu: {type: activation, mode: relu}
  both: {type: concat}
  sum: {type: add, activation: relu6}
graph:
  - {from: input, with: relu, to: both}
  - {from: input, to: both}
  - {from: [both, both], with: sum, to: output}
)"));
  FloatTensor in({1, 1, 2, 1});
  in.data = {-1, 4};
  const std::vector<FloatTensor> all = run_float(network, in);
  EXPECT_EQ(all[static_cast<std::size_t>(network.find("both").value())].data, (Values{0, -1, 4, 4}));
  EXPECT_EQ(all[static_cast<std::size_t>(network.find("sum").value())].data, (Values{0, -2, 8, 8}));
  EXPECT_EQ(run_float_output(network, in).data, (Values{0, 0, 6, 6}));
}

// Bytes, so that zeros of different sign differ.
bool same_bytes(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(FloatEngine, BytesDoNotDependOnThreadsOrBatch) {
  const std::string arguments[] = {"nets/zoo/resnet8.yaml"};
  Network network = load_any(arguments).network;
  initialise(network, 7);
  const FloatTensor input = random_tensor({5, 32, 32, 3}, 4);
  const std::vector<FloatTensor> one = run_float(network, input, 1);
  for (const int threads : {2, 3, 16}) {
    const std::vector<FloatTensor> many = run_float(network, input, threads);
    for (std::size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(same_bytes(one[i].data, many[i].data)) << threads;
    EXPECT_TRUE(same_bytes(run_float_output(network, input, threads).data, one.back().data)) << threads;
  }
  FloatTensor last({1, 32, 32, 3});
  std::copy(input.data.end() - 3072, input.data.end(), last.data.begin());
  const std::vector<float> alone = run_float_output(network, last).data;
  EXPECT_TRUE(same_bytes(alone, {one.back().data.end() - 10, one.back().data.end()}));
}

TEST(FloatGemm, EveryVariantEqualsTheSequentialSumToTheBit) {
  constexpr std::int64_t kDepth = 37;
  for (const std::int64_t columns : {1, 16, 19, 40}) {
    for (const std::int64_t rows : {1, 3, 12, 29}) {
      const FloatTensor a = random_tensor({rows, kDepth}, 10);
      const FloatTensor b = random_tensor({columns, kDepth}, 11);
      const FloatTensor bias = random_tensor({columns}, 12);
      std::vector<float> expected;
      for (std::int64_t i = 0; i < rows * columns; ++i) {
        float sum = bias.data[static_cast<std::size_t>(i % columns)];
        for (std::int64_t t = 0; t < kDepth; ++t) {
          const float product = a.data[static_cast<std::size_t>(i / columns * kDepth + t)] *
                                         b.data[static_cast<std::size_t>(i % columns * kDepth + t)];
          sum = sum + product;  // not fused: -ffp-contract=off
        }
        expected.push_back(sum);
      }
      const auto packed = detail::pack_weights(b.data.data(), columns, kDepth, bias.data.data());
      for (const int variant : {0, 1, 2}) {
        std::vector<float> out(expected.size());
        if (!detail::float_gemm_variant(variant, a.data.data(), rows, packed, out.data(), columns)) continue;
        EXPECT_TRUE(same_bytes(out, expected)) << "variant " << variant << ", " << rows << "x" << columns;
      }
    }
  }
}

TEST(FloatEngineErrors, NameTheInputAndTheParameter) {
  const auto error_of = [](const Network& network, const FloatTensor& input) -> std::string {
    try {
      (void)run_float(network, input);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  Network network = one_layer("[2, 2, 1]", "type: fully_connected, channels: 1");
  EXPECT_EQ(error_of(network, FloatTensor({1, 2, 3, 1})),
            "network network: its input has shape [1, 2, 3, 1], allowed: [N, 2, 2, 1]");
  network.parameters.erase("x.bias");
  EXPECT_EQ(error_of(network, FloatTensor({1, 2, 2, 1})),
            "network network: parameter x.bias is absent; the network has 1 parameters, allowed: one trained, "
            "initialised or loaded with weights=FILE");
}

}  // namespace
}  // namespace guardbit::nets
