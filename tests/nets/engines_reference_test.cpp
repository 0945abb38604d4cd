// The reference engine against results worked out by hand and against TFLite's published formulas, coded here.
#include <gtest/gtest.h>

#include <cmath>

#include "arith/error.hpp"
#include "arith/philox.hpp"
#include "nets/engines/engine.hpp"

namespace guardbit::nets {
namespace {

using arith::Accumulation;
using arith::integer_format;
using arith::Overflow;

arith::Accumulation stepwise(const arith::Format& format, int step) {
  arith::Accumulation accumulation;
  accumulation.accumulator = {format, step};
  return accumulation;
}

IntTensor tensor(std::vector<std::int64_t> shape, std::vector<std::int32_t> data) {
  IntTensor t(std::move(shape));
  EXPECT_EQ(t.data.size(), data.size());
  t.data = std::move(data);
  return t;
}

IntegerLayer input_layer(Shape shape, std::int64_t zero_point = 0) {
  IntegerLayer layer;
  layer.name = "input";
  layer.shape = shape;
  layer.output.zero_point = zero_point;
  return layer;
}

IntegerNetwork starting_with(const IntegerLayer& input, int output) {
  IntegerNetwork network;
  network.name = "n";
  network.layers = {input};
  network.output = output;
  return network;
}

IntegerLayer after_input(IntegerOp op, Shape shape, int width = 32) {
  IntegerLayer layer;
  layer.name = "layer";
  layer.op = op;
  layer.inputs = {0};
  layer.shape = shape;
  layer.output.format = integer_format(width);
  if (op != IntegerOp::MaxPool && op != IntegerOp::Pad && op != IntegerOp::Flatten && op != IntegerOp::Concat) {
    layer.stages = {arith::Narrow{integer_format(width)}};
  }
  return layer;
}

RunResult run(const IntegerNetwork& network, const IntTensor& input, const Accumulation& accumulation = {}) {
  check(network);
  return make_reference_engine()->run(network, uniform(network, accumulation), input, {.keep_accumulators = true});
}

TEST(Reference, ConvolutionByHand) {
  // 3x3 input, 2x2 kernel [1 2; 3 4], padding 1 at the top left, stride 2, zero point 1, bias 10.
  IntegerNetwork network = starting_with(input_layer({3, 3, 1}, 1), 1);
  IntegerLayer conv = after_input(IntegerOp::Conv2d, {2, 2, 1});
  conv.window = {.kernel_h = 2, .kernel_w = 2, .stride_h = 2, .stride_w = 2, .padding = {1, 0, 1, 0}};
  conv.weight = tensor({1, 2, 2, 1}, {1, 2, 3, 4});
  conv.bias = {10};
  network.layers.push_back(conv);
  const RunResult result = run(network, tensor({1, 3, 3, 1}, {2, 3, 4, 5, 6, 7, 8, 9, 10}));
  // x - 1 = [1 2 3; 4 5 6; 7 8 9]; (0,0): 4*1; (0,1): 3*2 + 4*3; (1,0): 2*4 + 4*7; (1,1): 5 + 2*6 + 3*8 + 4*9.
  EXPECT_EQ(result.layers[1].codes.data, (std::vector<std::int32_t>{14, 28, 46, 87}));
  EXPECT_EQ(result.layers[1].accumulators.data, (std::vector<std::int64_t>{14, 28, 46, 87}));
  EXPECT_EQ(result.layers[1].accumulation.exact, (arith::Range{10, 87}));
  EXPECT_EQ(result.layers[1].stages.total, 4u);
}

TEST(Reference, GroupsReadTheirOwnChannels) {
  // 1x1, 4 channels, 2 groups, 2 outputs per group.
  IntegerNetwork network = starting_with(input_layer({1, 1, 4}), 1);
  IntegerLayer conv = after_input(IntegerOp::Conv2d, {1, 1, 4});
  conv.groups = 2;
  conv.weight = tensor({4, 1, 1, 2}, {1, 10, 2, 20, 3, 30, 4, 40});
  network.layers.push_back(conv);
  const RunResult result = run(network, tensor({1, 1, 1, 4}, {1, 2, 3, 4}));
  EXPECT_EQ(result.layers[1].codes.data, (std::vector<std::int32_t>{21, 42, 129, 172}));
}

TEST(Reference, DilationSkipsPixels) {
  IntegerNetwork network = starting_with(input_layer({1, 5, 1}), 1);
  IntegerLayer conv = after_input(IntegerOp::Conv2d, {1, 1, 1});
  conv.window.kernel_w = 3;
  conv.window.dilation_w = 2;
  conv.weight = tensor({1, 1, 3, 1}, {1, 100, 7});
  network.layers.push_back(conv);
  EXPECT_EQ(run(network, tensor({1, 1, 5, 1}, {1, 2, 3, 4, 5})).layers[1].codes.data[0], 1 + 300 + 35);
}

TEST(Reference, SaturationDependsOnReductionOrderRSC) {
  // Order r, s, c: products 100, 100, -100 saturate at 127 first and end at 27; any order with -100 earlier gives 100.
  IntegerNetwork network = starting_with(input_layer({1, 1, 3}), 1);
  IntegerLayer fc = after_input(IntegerOp::FullyConnected, {1, 1, 1});
  fc.weight = tensor({1, 1, 1, 3}, {1, 1, 1});
  network.layers.push_back(fc);
  const IntTensor input = tensor({1, 1, 1, 3}, {100, 100, -100});
  const RunResult result = run(network, input, stepwise(integer_format(8), 1));
  EXPECT_EQ(result.layers[1].codes.data[0], 27);
  const arith::OverflowCounts& counts = result.layers[1].accumulation.accumulator;
  EXPECT_EQ(counts.count, 1u);
  EXPECT_EQ(counts.harmful, 1u);
  EXPECT_EQ(counts.first, (arith::FirstOverflow{0, 2}));  // narrowing 0 is the bias
  // Wrapping: transient, the sum is exact again.
  const RunResult wrapped = run(network, input, stepwise(integer_format(8, true, Overflow::WRAP), 1));
  EXPECT_EQ(wrapped.layers[1].codes.data[0], 100);
  EXPECT_EQ(wrapped.layers[1].accumulation.accumulator.transient, 1u);
}

TEST(Reference, FirstOverflowNamesTheImageOfTheWholeSet) {
  // 2x1 pixels, 2 outputs; only image 1 (of this batch), pixel 1, channel 1 overflows: ((8 + 1) * 2 + 1) * 2 + 1.
  IntegerNetwork network = starting_with(input_layer({2, 1, 1}), 1);
  IntegerLayer conv = after_input(IntegerOp::Conv2d, {2, 1, 2});
  conv.weight = tensor({2, 1, 1, 1}, {1, 2});
  network.layers.push_back(conv);
  const auto result = make_reference_engine()->run(network, uniform(network, stepwise(integer_format(8), 1)),
                                                   tensor({2, 2, 1, 1}, {1, 2, 3, 100}), {.first_image = 8});
  EXPECT_EQ(result.layers[1].accumulation.accumulator.first, (arith::FirstOverflow{39, 1}));
}

TEST(Reference, PoolingByHand) {
  IntegerNetwork network = starting_with(input_layer({2, 3, 1}), 1);
  IntegerLayer pool = after_input(IntegerOp::AveragePool, {2, 2, 1}, 8);
  pool.window = {.kernel_h = 2, .kernel_w = 2, .stride_w = 2, .padding = {.bottom = 1, .right = 1}};
  network.layers.push_back(pool);
  const IntTensor input = tensor({1, 2, 3, 1}, {1, 2, -5, -3, 6, -6});
  // windows: (1+2-3+6)/4 = 1.5 -> 2; (-5-6)/2 = -5.5 -> -6 (ties away); (-3+6)/2 = 1.5 -> 2; -6.
  EXPECT_EQ(run(network, input).layers[1].codes.data, (std::vector<std::int32_t>{2, -6, 2, -6}));
  network.layers[1].op = IntegerOp::MaxPool;
  network.layers[1].stages.clear();
  EXPECT_EQ(run(network, input).layers[1].codes.data, (std::vector<std::int32_t>{6, -5, 6, -6}));
}

TEST(Reference, PadFlattenConcatByHand) {
  IntegerNetwork network = starting_with(input_layer({1, 2, 2}, 7), 3);
  IntegerLayer pad = after_input(IntegerOp::Pad, {2, 3, 4}, 8);
  pad.output.zero_point = 7;
  pad.padding = {.top = 1, .right = 1};
  pad.channels_before = 1;
  network.layers.push_back(pad);
  IntegerLayer flat = after_input(IntegerOp::Flatten, {1, 1, 4}, 8);
  flat.name = "flat";
  network.layers.push_back(flat);
  IntegerLayer both = after_input(IntegerOp::Concat, {1, 2, 4}, 8);
  both.name = "both";
  both.inputs = {0, 0};
  both.input_stages = {{}, {arith::Add{100}, arith::Narrow{integer_format(8)}}};
  network.layers.push_back(both);
  const RunResult result = run(network, tensor({1, 1, 2, 2}, {1, 2, 3, 40}));
  EXPECT_EQ(result.layers[1].codes.data, (std::vector<std::int32_t>{7, 7, 7, 7, 7, 7, 7,  7, 7, 7, 7, 7,  //
                                                                    7, 1, 2, 7, 7, 3, 40, 7, 7, 7, 7, 7}));
  EXPECT_EQ(result.layers[2].codes.data, (std::vector<std::int32_t>{1, 2, 3, 40}));
  EXPECT_EQ(result.layers[3].codes.data, (std::vector<std::int32_t>{1, 2, 101, 102, 3, 40, 103, 127}));
}

// TFLite's double rounding (SPEC 5.3), from its description: doubling high multiplication rounds by adding a nudge and
// truncating, then a rounding division by a power of two, ties away from zero.
std::int64_t tflite_multiply(std::int64_t acc, double real) {
  int exponent = 0;
  auto mantissa = static_cast<std::int64_t>(std::llround(std::frexp(real, &exponent) * 2147483648.0));
  if (mantissa == 2147483648LL) mantissa /= 2, ++exponent;
  const int left = std::max(exponent, 0);
  const int right = std::max(-exponent, 0);
  const std::int64_t product = acc * (std::int64_t{1} << left) * mantissa;
  const std::int64_t high = (product + (product >= 0 ? 1LL << 30 : 1 - (1LL << 30))) / (1LL << 31);
  const std::int64_t magnitude = (std::abs(high) + (right > 0 ? 1LL << (right - 1) : 0)) >> right;
  return high < 0 ? -magnitude : magnitude;
}

TEST(Reference, FullyConnectedFollowsTfliteFormulas) {
  constexpr int kDepth = 40, kChannels = 8, kImages = 50;
  arith::Random random(7);
  const auto draw = [&](int low, int high) {
    return low + static_cast<int>(random.below(static_cast<std::uint64_t>(high - low + 1)));
  };
  IntegerNetwork network = starting_with(input_layer({1, 1, kDepth}, -5), 1);
  IntegerLayer fc = after_input(IntegerOp::FullyConnected, {1, 1, kChannels}, 8);
  fc.output.zero_point = 3;
  fc.weight = IntTensor({kChannels, 1, 1, kDepth});
  for (auto& w : fc.weight.data) w = draw(-127, 127);
  arith::OutputSpec spec;
  for (int k = 0; k < kChannels; ++k) {
    fc.bias.push_back(draw(-20000, 20000));
    spec.real_multipliers.push_back((0.0005 + 0.001 * random.uniform()) * (k == 7 ? 1000 : 1));  // one shifts left
  }
  spec.zero_point = 3;
  spec.activation = arith::Activation::Relu6;
  spec.relu6_code = 90;
  fc.stages = arith::tflite_double(spec);
  network.layers.push_back(fc);
  IntTensor input({kImages, 1, 1, kDepth});
  for (auto& x : input.data) x = draw(-128, 127);
  const RunResult result = run(network, input);
  for (int n = 0; n < kImages; ++n) {
    for (int k = 0; k < kChannels; ++k) {
      std::int64_t acc = fc.bias[static_cast<std::size_t>(k)];
      for (int c = 0; c < kDepth; ++c) {
        acc += (input.data[static_cast<std::size_t>(n * kDepth + c)] + 5) *
               fc.weight.data[static_cast<std::size_t>(k * kDepth + c)];
      }
      const std::int64_t scaled = tflite_multiply(acc, spec.real_multipliers[static_cast<std::size_t>(k)]);
      const std::int64_t want = std::clamp<std::int64_t>(scaled + 3, 3, 93);  // relu6: Z .. Z + round(6 / S)
      ASSERT_EQ(result.layers[1].codes.data[static_cast<std::size_t>(n * kChannels + k)], want) << n << " " << k;
    }
  }
}

TEST(Reference, RejectsInputOfWrongShapeOrRange) {
  const IntegerNetwork network = starting_with(input_layer({1, 1, 2}), 0);
  const auto run_with = [&](const IntTensor& input) { (void)run(network, input); };
  EXPECT_THROW(run_with(tensor({1, 1, 1, 3}, {1, 2, 3})), Error);
  EXPECT_THROW(run_with(tensor({1, 1, 1, 2}, {1, 128})), Error);
  EXPECT_NO_THROW(run_with(tensor({1, 1, 1, 2}, {-128, 127})));
}

}  // namespace
}  // namespace guardbit::nets
