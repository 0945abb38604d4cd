// The gradients and the state of a quantized graph.
#include <gtest/gtest.h>

#include <cmath>

#include "arith/philox.hpp"
#include "nets/quantize/quantize.hpp"
#include "tests/trainer/device.hpp"
#include "tests/trainer/quantized_run.hpp"
#include "trainer/graph/host_codes.hpp"
#include "trainer/quant/affine_quantizer.hpp"
#include "trainer/quant/fixed_quantizers.hpp"
#include "trainer/quant/learned_quantizers.hpp"

namespace guardbit::trainer {
namespace {

// Noise: every activation is a number of its own, and hardly any stands where relu or a maximum would change sides.
void load_noise(QuantizedRun& run, Graph& graph) {
  run.load(graph, 0);
  arith::Random random(77);
  std::vector<double> pixels(static_cast<std::size_t>(graph.input(run.batch).count()));
  const nets::Preprocess& pre = run.network.preprocess;
  for (double& p : pixels) p = (static_cast<double>(random.below(256)) * pre.scale - pre.mean[0]) / pre.std[0];
  upload(*run.backend, graph.input(run.batch), std::span<const double>(pixels));
}

// With rules so fine that rounding hardly matters, the gradient of the quantized graph is that of the float network
// with its batch normalization standing still: differences of the loss of inference.
void expect_float_gradients(const std::string& rules, double loss_tolerance, double tolerance) {
  const nets::Network start = small_network(kSmallResnet);
  QuantizedRun run(start, rules + "  freeze_bn_delay: 3\n", "reference", 1, 8);
  for (int i = 0; i < 3; ++i) run.step(0.02);
  double quantized_loss = 0;  // of the second pass, with the ranges of this very batch: nothing clips
  for (int i = 0; i < 2; ++i) quantized_loss = run.forward_backward(0, load_noise);
  nets::Network moved = start;
  run.parameters.store(*run.backend, moved);  // averages; replaced by the values below
  for (const Parameter& p : run.parameters.all())
    if (p.is_of_network) moved.parameters[p.name].data = download(*run.backend, p.value);
  const Parameters plain(*run.backend, moved, {});
  Graph graph(*run.backend, moved, plain, run.batch, Mode::Infer);
  const auto loss = [&] {
    load_noise(run, graph);
    run.backend->fill(graph.metrics(), 0);
    graph.forward(run.batch);
    graph.loss(run.batch, 0);
    return download_metrics(*run.backend, graph.metrics()).loss / static_cast<double>(run.batch);
  };
  EXPECT_NEAR(loss(), quantized_loss, loss_tolerance);
  int checked = 0;
  for (const Parameter& p : run.parameters.all()) {
    if (!p.trainable || !p.is_of_network) continue;
    const std::vector<double> gradient = download_double(*run.backend, p.gradient);
    const TensorView& value = plain.get(p.name).value;
    const std::vector<double> kept = download_double(*run.backend, value);
    const std::size_t stride = std::max<std::size_t>(1, kept.size() / 6);
    double difference = 0, square = 0;
    for (std::size_t i = 0; i < kept.size(); i += stride, ++checked) {
      const double h = 1e-6;
      const auto at = [&](double v) {
        std::vector<double> all = kept;
        all[i] = v;
        upload(*run.backend, value, std::span<const double>(all));
        return loss();
      };
      const double numeric = (at(kept[i] + h) - at(kept[i] - h)) / (2 * h);
      difference += (gradient[i] - numeric) * (gradient[i] - numeric);
      square += numeric * numeric;
    }
    // What is left are the few elements that rounding moved to the other side of a relu or maximum.
    EXPECT_LT(std::sqrt(difference), tolerance * std::sqrt(square) + 0.005) << p.name;
    EXPECT_GT(square, 1e-5) << p.name;
    upload(*run.backend, value, std::span<const double>(kept));
  }
  EXPECT_GT(checked, 80);
}

TEST(QuantizedGradients, ApproachTheFloatNetworksAsCodesGetFiner) {
  expect_float_gradients("  weights: {type: dfp, width: 16}\n  activation: {type: dfp, width: 16}\n"
                         "  update: {interval: 1}\n", 1e-4, 0.02);
}

// With a scale for every channel, and rules that stand behind relu.
TEST(QuantizedGradients, ApproachTheFloatNetworksWithScalesOfChannels) {
  expect_float_gradients("  weights: {type: affine, width: 12}\n"
                         "  activation: {type: affine, width: 12, decay: 0}\n  input: {width: 12}\n", 6e-2, 0.1);
}

// With weights that meet their rule before the factor of the batch normalization.
TEST(QuantizedGradients, ApproachTheFloatNetworksWithFactorsInTheScales) {
  expect_float_gradients("  weights: {type: lsq, width: 12}\n"
                         "  activation: {type: affine, width: 12, decay: 0}\n  input: {width: 12}\n", 0.15, 0.3);
}

// A tensor in memory of the test.
struct Values {
  std::vector<double> data;
  TensorView view(int channels = 1) {
    return {data.data(), Element::Real, static_cast<std::int64_t>(data.size()) / channels, {1, 1, channels}};
  }
};
constexpr HostLoops kWide{.threads = 2, .wide = true};

TEST(QuantizedGradients, PassRuleAndActivationFunctionInTheirOrder) {
  const FixedQuantizer before_relu({.width = 4}, 2, Stochastic::Off);  // step 1/4, -2 .. 1.75
  Values x{{-1, 0.1, 0.2, 1.75, 1.8, -3}}, y{{0, 0, 0.25, 1.75, 1.75, 0}}, dy{{1, 2, 3, 4, 5, 6}};
  EXPECT_EQ(activation_backward(kWide, before_relu, Activation::Relu, x.view(), y.view(), dy.view()), 0);
  EXPECT_EQ(dy.data, (std::vector<double>{0, 0, 3, 4, 0, 0}));  // 0.1 became 0
  LsqQuantizer behind_relu({.width = 2}, false, 1, false);      // 0 .. 3 of step 1
  behind_relu.set_learned(1);
  x.data = {-1, 0.25, 2.75, 7, 6.5, 1.5};
  y.data = {0, 0, 3, 3, 3, 2};
  dy.data = {1, 2, 4, 8, 16, 32};
  // Relu6 holds 7 and 6.5 at 6, which clips at 3; the step still hears of them.
  EXPECT_EQ(activation_backward(kWide, behind_relu, Activation::Relu6, x.view(), y.view(), dy.view()),
            2 * -0.25 + 4 * 0.25 + (8 + 16) * 3 + 32 * 0.5);
  EXPECT_EQ(dy.data, (std::vector<double>{0, 2, 4, 0, 0, 32}));
  AffineActivation affine({.width = 8}, 0.9);
  Observation seen = affine.observation();
  seen.observe(std::vector<double>{0, 2.55});
  affine.update(seen);
  x.data = {-0.5, 0, 0.5, 2.5, 2.6, 9};
  dy.data = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(activation_backward(kWide, affine, Activation::Relu, x.view(), y.view(), dy.view()), 0);
  EXPECT_EQ(dy.data, (std::vector<double>{0, 0, 3, 4, 0, 0}));
}

TEST(QuantizedGradients, SumsDoNotDependOnTheNumberOfThreads) {
  LsqQuantizer rule({.width = 4}, true, 100, true);
  rule.set_learned(0.3);
  Values x, y;
  arith::Random random(5);
  for (int i = 0; i < 5000; ++i) x.data.push_back(random.normal());
  y = x;
  const auto sums = [&](int threads) {
    const HostLoops loops{.threads = threads, .wide = true};
    Values dy = x;
    const ChannelMoments moments = channel_moments(loops, x.view(5));
    return std::tuple(activation_backward(loops, rule, Activation::None, x.view(), y.view(), dy.view()), dy.data,
                      observe(loops, rule, Activation::Relu, x.view()).sum_abs, moments.mean, moments.variance);
  };
  EXPECT_EQ(sums(1), sums(2));
  EXPECT_EQ(sums(1), sums(3));
}

TEST(QuantizedGradients, AreRoundedAtRandomByTheirPlaceInTheTensor) {
  const FixedQuantizer rule({.width = 8}, 8, Stochastic::Ulp);
  const RandomKey key{.seed = 1, .step = 2, .stream = 3};
  Values tensor{std::vector<double>(30000, 0.5)};
  std::vector<double> expected(30000);
  rule.forward(tensor.data, expected, key, 0);
  round(kWide, rule, key, tensor.view());
  EXPECT_EQ(tensor.data, expected);
}

TEST(QuantizedGradients, AreTheSameBytesWithOneAndTwoThreads) {
  for (const Rules& rules : {kRules[0], kRules[1], kRules[3]}) {
    QuantizedRun one(small_network(kSmallResnet), rules.yaml, "cpu", 1);
    QuantizedRun two(small_network(kSmallResnet), rules.yaml, "cpu", 2);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(one.step(), two.step());
    for (const Parameter& p : one.parameters.all()) {
      const Parameter& q = two.parameters.get(p.name);
      EXPECT_EQ(download(*one.backend, p.value), download(*two.backend, q.value)) << p.name;
      if (!p.gradient) continue;
      EXPECT_EQ(download(*one.backend, p.gradient), download(*two.backend, q.gradient)) << p.name;
    }
    const auto a = one.state.state(), b = two.state.state();
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(*a[i].value, *b[i].value) << a[i].name;
  }
}

TEST(QuantizedGradients, StandOnTheGridOfTheirRules) {
  QuantizedRun run(small_network(kSmallLenet),
                   "  weights: {type: affine}\n  activation: {type: affine}\n"
                   "  gradient: {weights: {type: fixed, width: 6, point: -2}}\n"
                   "  layers: {conv1: {gradient: {weights: null}}}\n", "reference");
  run.step();
  run.forward_backward();
  const auto off_grid = [&](const char* name) {
    int count = 0;
    for (const double g : download_double(*run.backend, run.parameters.get(name).gradient))
      count += std::fmod(g, std::ldexp(1.0, -8)) != 0 || std::abs(g) > 0.125 ? 1 : 0;
    return count;
  };
  EXPECT_EQ(off_grid("fc2.weight"), 0);
  EXPECT_EQ(off_grid("conv2.weight"), 0);
  EXPECT_GT(off_grid("conv1.weight"), 100);
}

// An error rule of one layer changes what reaches the layers below it, and nothing above.
TEST(QuantizedGradients, ErrorsAreRoundedBehindTheirLayer) {
  const std::string rules = "  weights: {type: affine}\n  activation: {type: affine}\n";
  QuantizedRun plain(small_network(kSmallLenet), rules, "reference"),
      coarse(small_network(kSmallLenet),
             rules + "  layers: {fc1: {gradient: {error: {type: fixed, width: 2, point: -20}}}}\n", "reference");
  plain.forward_backward();
  coarse.forward_backward();
  const auto gradient = [](QuantizedRun& run, const char* name) {
    return download_double(*run.backend, run.parameters.get(name).gradient);
  };
  EXPECT_EQ(gradient(plain, "fc2.weight"), gradient(coarse, "fc2.weight"));
  // Two bits of steps 2^-22: the bias of fc1 sums 32 images of at most 2^-21.
  for (const double g : gradient(coarse, "fc1.bias")) EXPECT_LE(std::abs(g), 32 * std::ldexp(1.0, -21));
  EXPECT_NE(gradient(plain, "fc1.weight"), gradient(coarse, "fc1.weight"));
  EXPECT_NE(gradient(plain, "conv1.weight"), gradient(coarse, "conv1.weight"));
}

TEST(QuantizedState, BinaryMastersStayRealAndWithinOne) {
  QuantizedRun run(small_network(kSmallLenet),
                   "  weights: {type: binary_connect}\n  activation: {type: affine}\n", "cpu");
  std::vector<float> masters = download(*run.backend, run.parameters.get("conv1.weight").value);
  masters[0] = 1.75F;
  upload(*run.backend, run.parameters.get("conv1.weight").value, std::span<const float>(masters));
  run.forward_backward();
  EXPECT_EQ(download(*run.backend, run.parameters.get("conv1.weight").value), masters);  // not touched by a pass
  for (const std::int32_t code : run.graph.quantized()->network().layer(1).weight.data) EXPECT_EQ(std::abs(code), 1);
  for (int i = 0; i < 3; ++i) run.step(0.5);
  const std::vector<float> after = download(*run.backend, run.parameters.get("conv1.weight").value);
  EXPECT_LE(*std::max_element(after.begin(), after.end()), 1.0F);
  EXPECT_GE(*std::min_element(after.begin(), after.end()), -1.0F);
  EXPECT_TRUE(std::any_of(after.begin(), after.end(), [](float v) { return std::abs(v) < 0.9F; }));
}

TEST(QuantizedState, ScalesOfSignsAreTheFactorsOfTheBatchNormalization) {
  nets::Network start = small_network(kSmallResnet);
  for (std::size_t k = 0; k < 8; ++k) start.parameters["a1/bn.gamma"].data[k] = k % 2 == 0 ? 0.5F : -2;
  QuantizedRun run(start, "  weights: {type: binary_connect}\n  activation: {type: affine}\n", "cpu");
  run.forward_backward();
  for (const nets::IntegerLayer& layer : run.graph.quantized()->network().layers) {
    if (layer.name != "a1") continue;
    for (std::size_t k = 0; k < 8; ++k)
      EXPECT_NEAR(layer.weight_scales[k], (k % 2 == 0 ? 0.5 : 2) / std::sqrt(1 + 1e-3), 1e-6) << k;
  }
}

TEST(QuantizedState, FloatUntilTheDelayAndStatisticsUntilTheirs) {
  QuantizedRun run(small_network(kSmallResnet),
                   "  weights: {type: affine}\n  activation: {type: affine}\n  quant_delay: 2\n"
                   "  freeze_bn_delay: 4\n", "cpu");
  const auto mean = [&] { return download(*run.backend, run.parameters.get("a1/bn.mean").value); };
  std::vector<std::vector<float>> means{mean()};
  for (int i = 0; i < 6; ++i) {
    run.forward_backward(0);
    EXPECT_EQ(run.state.is_active(), i >= 2) << i;
    EXPECT_EQ(run.graph.quantized()->codes().layers.empty(), i < 2) << i;
    ++run.steps;
    means.push_back(mean());
  }
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NE(means[i], means[i + 1]) << i;
  EXPECT_EQ(means[4], means[5]);
  EXPECT_EQ(means[5], means[6]);
}

// The running statistics of a quantized training are those of the input of the batch normalization.
TEST(QuantizedState, StatisticsAgreeWithAFloatPass) {
  nets::Network start = small_network(kSmallResnet);
  for (std::size_t k = 0; k < 8; ++k) {  // far from 0 and 1, and of both signs
    const auto at = static_cast<float>(k);
    start.parameters["conv0/bn.mean"].data[k] = 0.3F - 0.1F * at;
    start.parameters["conv0/bn.variance"].data[k] = 0.5F + 0.25F * at;
    start.parameters["conv0/bn.gamma"].data[k] = k % 2 == 0 ? 1.5F : -0.75F;
    start.parameters["conv0/bn.beta"].data[k] = 0.1F * at - 0.4F;
  }
  QuantizedRun run(start, "  weights: {type: dfp, width: 16}\n  activation: {type: dfp, width: 16}\n", "reference");
  const Parameters plain(*run.backend, start, {.training = true});
  Graph graph(*run.backend, start, plain, run.batch, Mode::Train);
  run.backend->begin_step({.learning_rate = 0, .seed = 3, .step = 0});
  run.load(graph, 0);
  graph.forward(run.batch);
  run.forward_backward(0);
  // The first layer sees the same input in both; later ones do not, for the float pass normalizes with the batch.
  for (const char* name : {"conv0/bn.mean", "conv0/bn.variance"}) {
    const std::vector<double> expected = download_double(*run.backend, plain.get(name).value);
    const std::vector<double> found = download_double(*run.backend, run.parameters.get(name).value);
    for (std::size_t i = 0; i < expected.size(); ++i)
      EXPECT_NEAR(found[i], expected[i], 2e-3 * std::max(0.1, std::abs(expected[i]))) << name << " " << i;
  }
}

TEST(QuantizedState, AParameterThatIsNotFiniteGivesNoScores) {
  for (const char* device : {"cpu", "cuda_scattered"}) {
    QuantizedRun run(small_network(kSmallLenet), kRules[0].yaml, make_test_backend(device, 1), 8);
    run.step();
    const Parameter& weight = run.parameters.get("fc1.weight");
    std::vector<float> values = download(*run.backend, weight.value);
    values[3] = NAN;
    upload(*run.backend, weight.value, std::span<const float>(values));
    EXPECT_FALSE(std::isfinite(run.forward_backward()));
    EXPECT_EQ(run.graph.find_non_finite(run.batch), "fc1.weight");
  }
}

TEST(QuantizedState, RefusesABatchNormalizationThatCannotBeFolded) {
  const nets::Network lone = small_network(
      "{name: n, input: [28, 28, 1], layers: {pool: {type: max_pool, kernel: 2}, norm: {type: batch_normalization}, "
      "fc: {type: fully_connected, channels: 10}}, graph: {from: input, with: [pool, norm, fc], to: output}}");
  try {
    const QuantizerState state(nets::parse_yaml(std::string("quantizer:\n") + kRules[0].yaml), lone);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "quantizer: network n: batch normalization norm: found behind something else, allowed "
                               "behind a convolution or fully connected layer that nobody else reads");
  }
}

}  // namespace
}  // namespace guardbit::trainer
