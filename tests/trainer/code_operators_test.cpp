// The operators of quantized training on every device: integers against the reference engine, reals and gradients
// against the loops of the host, to the byte.
#include <gtest/gtest.h>

#include <cmath>

#include "nets/engines/compare.hpp"
#include "nets/engines/engine.hpp"
#include "nets/quantize/affine.hpp"
#include "nets/quantize/fixed_point.hpp"
#include "tests/trainer/device.hpp"
#include "trainer/quant/affine_quantizer.hpp"
#include "trainer/quant/element_ops.hpp"
#include "trainer/quant/fixed_quantizers.hpp"
#include "trainer/quant/learned_quantizers.hpp"
#include "trainer/quant/level_quantizers.hpp"

namespace guardbit::trainer {
namespace {

using arith::Random;
using nets::IntegerOp;

class Operators : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    GUARDBIT_SKIP_WITHOUT(GetParam());
    device_ = std::make_unique<Device>(GetParam());
  }
  std::unique_ptr<CodeOperators> make(const nets::IntegerNetwork& network, std::int64_t batch = 1) const {
    return (*device_)->make_code_operators(network, input_codes(network), batch);
  }
  /// Of a network that is only an input: for what has nothing to do with layers.
  std::unique_ptr<CodeOperators> make() {
    empty_.layers.resize(1);
    return make(empty_);
  }
  std::unique_ptr<Device> device_;
  nets::IntegerNetwork empty_;
};
INSTANTIATE_TEST_SUITE_P(All, Operators, testing::Values("cpu", "cuda_on_host", "cuda_scattered", "cuda"),
                         [](const auto& name) { return std::string(name.param); });

int pick(Random& random, int low, int high) {
  return low + static_cast<int>(random.below(static_cast<std::uint64_t>(high - low + 1)));
}

// One stage of every kind, with numbers for each channel or for all, in any order; narrowed to 16 bits at the end.
arith::StageList random_stages(Random& random, int channels) {
  const auto parameter = [&](std::int64_t low, std::int64_t high) {
    std::vector<std::int64_t> values;
    const int count = random.below(2) == 0 ? 1 : channels;
    for (int c = 0; c < count; ++c)
      values.push_back(low + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(high - low + 1))));
    return arith::Parameter(values);
  };
  const auto format = [&](int width) {
    const auto overflow = static_cast<arith::Overflow>(pick(random, 0, 4));
    arith::Format f = arith::integer_format(width, random.below(3) != 0, overflow);
    if (f.overflow == arith::Overflow::WRAP_SM) f.is_signed = true;
    if (f.overflow == arith::Overflow::WRAP || f.overflow == arith::Overflow::WRAP_SM) f.n_bits = pick(random, 0, 2);
    return f;
  };
  arith::StageList stages;
  if (random.below(3) == 0) {
    std::vector<float> scales;
    for (int c = 0; c < channels; ++c) scales.push_back(static_cast<float>(std::ldexp(random.uniform() - 0.3, -10)));
    stages.push_back(arith::Scale{scales});
  }
  const int count = pick(random, 1, 5);
  for (int i = 0; i < count; ++i) {
    switch (pick(random, 0, 8)) {
      case 0: stages.push_back(arith::Add{parameter(-5000, 5000)}); break;
      case 1: stages.push_back(arith::Subtract{parameter(-5000, 5000)}); break;
      case 2: stages.push_back(arith::ShiftLeft{parameter(0, 3)}); break;
      case 3: stages.push_back(arith::Multiply{parameter(-3000, 3000), {}}); break;
      case 4: stages.push_back(arith::Multiply{parameter(-70000, 70000), format(pick(random, 12, 40))}); break;
      case 5: stages.push_back(arith::Narrow{format(pick(random, 10, 30))}); break;
      case 6: stages.push_back(arith::Relu{}); break;
      case 7: {
        const std::int64_t low = pick(random, -3000, 0);
        arith::Clamp clamp;
        if (random.below(3) != 0) clamp.low = low;
        if (random.below(3) != 0) clamp.high = low + pick(random, 0, 6000);
        stages.push_back(clamp);
        break;
      }
      default:
        stages.push_back(arith::ShiftRight{parameter(0, 14), static_cast<arith::Rounding>(pick(random, 0, 7))});
    }
  }
  stages.push_back(arith::ShiftRight{parameter(0, 9), static_cast<arith::Rounding>(pick(random, 0, 7))});
  stages.push_back(arith::Narrow{arith::integer_format(16)});
  return stages;
}

// The input [h, w, c] as reals of its codes, between and on them, and beyond.
std::vector<double> random_input(Random& random, std::int64_t count, const nets::TensorFormat& format) {
  std::vector<double> x;
  const auto low = static_cast<double>(format.format.min_code()), high = static_cast<double>(format.format.max_code());
  for (std::int64_t i = 0; i < count; ++i) {
    const double whole = std::floor(low + random.uniform() * (high - low + 1));
    const double code = whole + static_cast<double>(random.below(3)) / 4;
    x.push_back(format.scale * (code - static_cast<double>(format.zero_point)) * (random.below(50) == 0 ? 3 : 1));
  }
  return x;
}

nets::TensorFormat random_format(Random& random, int width) {
  const bool is_signed = width == 16 || random.below(2) == 0;
  const arith::Format codes = arith::integer_format(width, is_signed);
  return {.format = codes, .scale = 0.01,
          .zero_point = pick(random, static_cast<int>(codes.min_code()), static_cast<int>(codes.max_code()))};
}

nets::IntegerLayer& append(nets::IntegerNetwork& network, IntegerOp op, std::vector<int> inputs, nets::Shape shape) {
  nets::IntegerLayer layer;
  layer.name = "l" + std::to_string(network.layers.size());
  layer.op = op;
  layer.inputs = std::move(inputs);
  layer.shape = shape;
  layer.output = {.format = arith::integer_format(16), .scale = 0.5, .zero_point = 3};
  network.layers.push_back(layer);
  network.output = static_cast<int>(network.layers.size()) - 1;
  return network.layers.back();
}

nets::IntegerNetwork begin_network(nets::Shape shape, const nets::TensorFormat& format) {
  nets::IntegerNetwork network;
  network.preprocess = {.scale = 1.0 / 255, .mean = {0.3}, .std = {0.25}};
  nets::IntegerLayer& input = append(network, IntegerOp::Input, {}, shape);
  input.output = format;
  return network;
}

void give_weights(Random& random, nets::IntegerLayer& layer, std::vector<std::int64_t> shape, int width) {
  layer.weight_format = arith::integer_format(width);
  layer.weight = nets::IntTensor(std::move(shape));
  const int high = (1 << (width - 1)) - 1;
  for (std::int32_t& w : layer.weight.data) w = random.below(4) == 0 ? -high - 1 : pick(random, -high - 1, high);
  for (int k = 0; k < layer.shape.c; ++k) layer.bias.push_back(pick(random, -100000, 100000));
  layer.stages = random_stages(random, layer.shape.c);
}

// Every kind of layer, with any stages, on codes of the width.
nets::IntegerNetwork random_network(Random& random, int width, int weight_width) {
  nets::IntegerNetwork network = begin_network({9, 7, 4}, random_format(random, width));
  nets::Window window;
  window.kernel_h = 3, window.kernel_w = 2, window.stride_h = 2, window.dilation_w = 2;
  window.padding = {1, 0, 1, 2};
  const nets::Shape map{5, 7, 6};
  nets::IntegerLayer& conv = append(network, IntegerOp::Conv2d, {0}, map);
  conv.window = window;
  conv.groups = 2;
  give_weights(random, conv, {6, 3, 2, 2}, weight_width);
  nets::IntegerLayer& other = append(network, IntegerOp::Requantize, {1}, map);
  other.stages = random_stages(random, 6);
  nets::IntegerLayer& sum = append(network, IntegerOp::Add, {1, 2, 1}, map);
  for (int i = 0; i < 3; ++i) sum.input_stages.push_back(i == 2 ? arith::StageList{} : random_stages(random, 6));
  sum.stages = random_stages(random, 6);
  nets::IntegerLayer& both = append(network, IntegerOp::Concat, {3, 2}, {5, 7, 12});
  both.input_stages = {{}, random_stages(random, 6)};
  nets::IntegerLayer& wide = append(network, IntegerOp::Pad, {4}, {7, 8, 14});
  wide.padding = {1, 1, 0, 1};
  wide.channels_before = 1;
  nets::IntegerLayer& largest = append(network, IntegerOp::MaxPool, {5}, {4, 4, 14});
  largest.window.kernel_h = largest.window.kernel_w = 3;
  largest.window.stride_h = largest.window.stride_w = 2;
  largest.window.padding = {1, 1, 1, 1};
  nets::IntegerLayer& mean = append(network, IntegerOp::AveragePool, {6}, {2, 2, 14});
  mean.window.kernel_h = mean.window.kernel_w = 3;
  mean.window.stride_h = mean.window.stride_w = 2;
  mean.window.padding = {1, 1, 0, 0};
  if (random.below(2) == 0) mean.stages = random_stages(random, 14);
  append(network, IntegerOp::Flatten, {7}, {1, 1, 56});
  nets::IntegerLayer& dense = append(network, IntegerOp::FullyConnected, {8}, {1, 1, 5});
  give_weights(random, dense, {5, 1, 1, 56}, weight_width);
  return network;
}

TEST_P(Operators, CodesOfEveryLayerAreThoseOfTheReferenceEngine) {
  Random random(17);
  std::uint64_t compared = 0;
  for (int round = 0; round < 60; ++round) {
    const int width = round % 3 == 0 ? 16 : round % 3 == 1 ? 8 : 5;
    const nets::IntegerNetwork network = random_network(random, width, round % 2 == 0 ? 8 : 16);
    const auto operators = make(network, 3);
    const std::int64_t n = 1 + round % 3;
    operators->input(device_->make(n, {9, 7, 4}, random_input(random, n * 9 * 7 * 4, network.layer(0).output)));
    nets::RunResult found;
    for (int i = 0; i < static_cast<int>(network.layers.size()); ++i) {
      if (i > 0) operators->run(i, false);
      found.layers.emplace_back();
      found.layers.back().codes = operators->codes(i);
    }
    arith::Accumulation exact;
    exact.accumulator.format = arith::integer_format(64, true, arith::Overflow::WRAP);
    const nets::RunResult expected = nets::make_reference_engine()->run(network, nets::uniform(network, exact),
                                                                        found.layers[0].codes, {});
    for (const nets::CodeComparison& layer : nets::compare_codes(network, expected, found)) {
      ASSERT_EQ(layer.mismatching, 0U) << "round " << round << ": " << layer.first->text();
      compared += layer.compared;
    }
  }
  EXPECT_GT(compared, 100000U);
}

TEST_P(Operators, InputsArePixelsOrTheNearestCode) {
  nets::IntegerNetwork network = begin_network({1, 1, 2}, {arith::integer_format(4), 0.25, 1});
  network.preprocess = {.scale = 1, .mean = {100, 50}, .std = {64, 32}};
  const auto operators = make(network, 8);
  // Pixels 0, 255 and 108 = mean + std / 8, a tie that conversion rounds to even; then other reals, ties and beyond.
  const auto pixel = [](double p, int c) { return c == 0 ? (p - 100) / 64 : (p - 50) / 32; };
  operators->input(device_->make(8, {1, 1, 2}, {pixel(0, 0), pixel(0, 1), pixel(255, 0), pixel(255, 1), pixel(108, 0),
                                                pixel(54, 1), 0.124, 0.126, -0.376, -0.374, 7, -7, 0.3751, 0.6249, 1.5,
                                                -2.25}));
  EXPECT_EQ(operators->codes(0).data, (std::vector<std::int32_t>{-5, -5, 7, 7, 1, 1, 1, 2, -1, 0, 7, -8, 3, 3, 7, -8}));
}

TEST_P(Operators, AccumulatorsAndCodesBecomeTheRealsOfTheHost) {
  Random random(5);
  for (const int width : {8, 16}) {
    nets::IntegerNetwork network = begin_network({1, 1, 40}, random_format(random, width));
    nets::IntegerLayer& dense = append(network, IntegerOp::FullyConnected, {0}, {1, 1, 7});
    give_weights(random, dense, {7, 1, 1, 40}, width);
    dense.output.scale = 0.3;
    const auto operators = make(network, 4);
    operators->input(device_->make(4, {1, 1, 40}, random_input(random, 160, network.layer(0).output)));
    operators->run(1, true);
    std::vector<double> scales;
    for (int k = 0; k < 7; ++k) scales.push_back(random.uniform() * 1e-4);
    const TensorView real = device_->make(4, {1, 1, 7}), value = device_->make(4, {1, 1, 7});
    const nets::IntTensor x = operators->codes(0);
    for (const std::vector<double>& all : {scales, std::vector<double>{scales[3]}}) {
      operators->accumulators_to_real(1, all, real);
      const std::vector<double> found = device_->read(real);
      for (std::size_t i = 0; i < found.size(); ++i) {
        std::int64_t sum = dense.bias[i % 7];
        for (std::size_t c = 0; c < 40; ++c)
          sum += (x.data[i / 7 * 40 + c] - network.layer(0).output.zero_point) * dense.weight.data[i % 7 * 40 + c];
        EXPECT_EQ(found[i], static_cast<float>(static_cast<double>(sum) * all[all.size() == 1 ? 0 : i % 7])) << i;
      }
    }
    network.layers[1].stages = random_stages(random, 7);
    operators->requantize(1);
    operators->dequantize(1, value);
    const nets::IntTensor before = operators->codes(1);
    operators->run(1, false);
    EXPECT_EQ(operators->codes(1), before);
    const std::vector<double> found = device_->read(value);
    for (std::size_t i = 0; i < found.size(); ++i)
      EXPECT_EQ(found[i], static_cast<float>(0.3 * (before.data[i] - 3))) << i;
  }
}

// Numbers of the host, in float, and the same on the device.
struct Floats {
  std::vector<float> data;
  [[nodiscard]] TensorView view(int channels = 1) {
    return {data.data(), Element::Real, static_cast<std::int64_t>(data.size()) / channels, {1, 1, channels}};
  }
  [[nodiscard]] std::vector<double> wide() const { return {data.begin(), data.end()}; }
};

Floats random_floats(Random& random, std::int64_t count) {
  Floats values;
  for (std::int64_t i = 0; i < count; ++i) {
    // Some so small that sums of double are rounded, and their order is seen.
    const int smallest = random.below(4) == 0 ? -60 : -9;
    const double size = random.below(20) == 0 ? 0 : std::ldexp(1.0, pick(random, smallest, 3));
    values.data.push_back(static_cast<float>(random.normal() * size));
  }
  return values;
}

constexpr HostLoops kHost{.threads = 1, .wide = false};
constexpr std::int64_t kCounts[] = {1, 5, 8, 4099, 8192, 8193, 20011};

std::vector<std::unique_ptr<Quantizer>> activation_rules() {
  std::vector<std::unique_ptr<Quantizer>> rules;
  rules.push_back(std::make_unique<FixedQuantizer>(QuantizerCommon{.width = 5}, 1, Stochastic::Off));
  rules.push_back(std::make_unique<DfpQuantizer>(QuantizerCommon{.width = 8}, 0.01, Stochastic::Off));
  rules.push_back(std::make_unique<DfpQuantizer>(QuantizerCommon{.width = 16}, 0, Stochastic::Off));
  rules.push_back(std::make_unique<AffineActivation>(QuantizerCommon{.width = 6}, 0.9));
  for (const bool is_signed : {true, false}) {
    rules.push_back(std::make_unique<LsqQuantizer>(QuantizerCommon{.width = 3}, is_signed, 50, true));
    rules.back()->set_learned(0.37);
  }
  rules.push_back(std::make_unique<PactQuantizer>(QuantizerCommon{.width = 4}, 1.3, 0));
  rules.back()->set_learned(1.3);
  rules.push_back(std::make_unique<DorefaActivation>(QuantizerCommon{.width = 4}, 0.8));
  Observation seen = rules[3]->observation();
  seen.observe(std::vector<double>{-0.7, 1.1});
  rules[3]->update(seen);
  return rules;
}
constexpr Activation kActivations[] = {Activation::None, Activation::Relu, Activation::Relu6};

TEST_P(Operators, RulesLearnTheSameOfATensor) {
  Random random(3);
  const auto operators = make();
  for (const auto& rule : activation_rules()) {
    for (const std::int64_t count : kCounts) {
      Floats x = random_floats(random, count);
      // The extremes stand somewhere, or at the very end.
      if (count % 2 == 1 && count > 1) x.data.back() = rule->width() % 2 == 1 ? 99.0F : -99.0F;
      const TensorView on_device = device_->make(count, {}, x.wide());
      for (const Activation activation : kActivations) {
        const Observation expected = observe(kHost, *rule, activation, x.view());
        const Observation found = operators->observe(*rule, activation, on_device);
        EXPECT_EQ(found.low, expected.low) << rule->type();
        EXPECT_EQ(found.high, expected.high) << rule->type();
        EXPECT_EQ(found.count, expected.count);
        if (found.wants_sum) {
          EXPECT_EQ(found.sum_abs, expected.sum_abs) << count;
        }
        ASSERT_EQ(found.points.has_value(), expected.points.has_value());
        for (int p = -rule->width(); found.points && p <= rule->width(); ++p) {
          EXPECT_EQ(found.points->overflows(p), expected.points->overflows(p)) << p;
          EXPECT_EQ(found.points->non_zero(p), expected.points->non_zero(p)) << p;
        }
      }
    }
  }
}

TEST_P(Operators, GradientsPassRulesAsOnTheHost) {
  Random random(4);
  const auto operators = make();
  int learned = 0;
  for (const auto& rule : activation_rules()) {
    for (const std::int64_t count : kCounts) {
      for (const Activation activation : kActivations) {
        Floats x = random_floats(random, count), dy = random_floats(random, count), y = x;
        std::vector<double> values = x.wide();
        rule->forward(values, values, {}, 0);
        for (std::size_t i = 0; i < values.size(); ++i)
          y.data[i] = activation == Activation::None ? static_cast<float>(values[i])
                                                     : std::clamp(static_cast<float>(values[i]), 0.0F, 6.0F);
        const TensorView d = device_->make(count, {}, dy.wide());
        const double found = operators->activation_backward(*rule, activation, device_->make(count, {}, x.wide()),
                                                            device_->make(count, {}, y.wide()), d);
        const double expected = activation_backward(kHost, *rule, activation, x.view(), y.view(), dy.view());
        EXPECT_EQ(found, expected) << rule->type() << " " << count;
        EXPECT_EQ(device_->read(d), dy.wide()) << rule->type() << " " << count;
        learned += expected != 0 ? 1 : 0;
      }
    }
  }
  EXPECT_GT(learned, 40);
}

TEST_P(Operators, GradientsAreRoundedAsOnTheHost) {
  Random random(6);
  const auto operators = make();
  for (const Stochastic stochastic : {Stochastic::Off, Stochastic::Naive, Stochastic::Ulp}) {
    const FixedQuantizer rule({.width = 6}, 2, stochastic);
    for (const std::int64_t count : kCounts) {
      Floats x = random_floats(random, count);
      const RandomKey key{.seed = 0x123456789ABCDEF0, .step = 0x1FFFFFFFF, .stream = static_cast<std::uint32_t>(count)};
      const TensorView on_device = device_->make(count, {}, x.wide());
      std::vector<double> expected = x.wide();
      rule.forward(expected, expected, key, 0);
      operators->round(rule, key, on_device);
      EXPECT_EQ(device_->read(on_device), expected) << count;
    }
  }
}

TEST_P(Operators, MomentsAreThoseOfTheChannels) {
  Random random(8);
  const auto operators = make();
  for (const int channels : {1, 3, 16, 130}) {
    for (const std::int64_t pixels : {1, 9, 1000, 5003}) {
      Floats x = random_floats(random, pixels * channels);
      const ChannelMoments expected = channel_moments(kHost, x.view(channels));
      const ChannelMoments found = operators->channel_moments(device_->make(pixels, {1, 1, channels}, x.wide()));
      ASSERT_EQ(found.mean.size(), static_cast<std::size_t>(channels));
      EXPECT_EQ(found.count, pixels);
      for (std::size_t c = 0; c < found.mean.size(); ++c) {
        EXPECT_NEAR(found.mean[c], expected.mean[c], 1e-13);
        EXPECT_NEAR(found.variance[c], expected.variance[c], 1e-12 * (1 + expected.variance[c])) << pixels;
      }
    }
  }
}

}  // namespace
}  // namespace guardbit::trainer
