// Costs of CifarNet, row by row (SPEC 10.1), and the two countings of Mayo on small networks.
#include "nets/graph/info.hpp"

#include <gtest/gtest.h>

#include "nets/graph/build.hpp"
#include "nets/graph/load.hpp"

namespace guardbit::nets {
namespace {

struct Row {
  const char* name;
  std::int64_t macs, weights, bitops, memory;
  Shape shape;
};
constexpr Row kCifarNet[] = {
    {"conv0", 1555200, 1728, 24883200, 27648, {30, 30, 64}},
    {"conv1", 33177600, 36864, 530841600, 589824, {30, 30, 64}},
    {"conv2", 16588800, 73728, 265420800, 1179648, {15, 15, 128}},
    {"conv3", 33177600, 147456, 530841600, 2359296, {15, 15, 128}},
    {"conv4", 33177600, 147456, 530841600, 2359296, {15, 15, 128}},
    {"conv5", 14155776, 221184, 226492416, 3538944, {8, 8, 192}},
    {"conv6", 21233664, 331776, 339738624, 5308416, {8, 8, 192}},
    {"conv7", 21233664, 331776, 339738624, 5308416, {8, 8, 192}},
    {"logits", 1920, 1920, 30720, 30720, {1, 1, 10}},
};

NetworkInfo cifarnet_info() {
  const std::string arguments[] = {"nets/zoo/cifarnet.yaml"};
  const LoadedNetwork loaded = load_any(arguments);
  return network_info(loaded.network, read_info_widths(Section(loaded.config).section("info")));
}

TEST(CifarNetInfo, EveryRowEqualsTheSpecification) {
  const NetworkInfo info = cifarnet_info();
  std::size_t next = 0;
  for (const LayerInfo& layer : info.layers) {
    if (layer.macs == 0) continue;
    ASSERT_LT(next, std::size(kCifarNet));
    const Row& row = kCifarNet[next++];
    EXPECT_EQ(layer.name, row.name);
    EXPECT_EQ(layer.macs, row.macs) << row.name;
    EXPECT_EQ(layer.weights, row.weights) << row.name;
    EXPECT_EQ(layer.bitops_mayo, row.bitops) << row.name;
    EXPECT_EQ(layer.memory_mayo, row.memory) << row.name;
    EXPECT_EQ(layer.shape, row.shape) << row.name;
  }
  EXPECT_EQ(next, std::size(kCifarNet));
}

TEST(CifarNetInfo, TotalsEqualTheSpecification) {
  const InfoTotals totals = cifarnet_info().totals;
  EXPECT_EQ(totals.macs, 174301824);
  EXPECT_EQ(totals.weights, 1293888);
  EXPECT_EQ(totals.bitops_mayo, 2788829184);
  EXPECT_EQ(totals.memory_mayo, 20702208);
  EXPECT_EQ(totals.trainables, 1296074);
  EXPECT_EQ(totals.nontrainables, 2 * (64 + 64 + 3 * 128 + 3 * 192));
}

Network small_network() {
  return build_network(Section::parse(R"(
name: small
input: [4, 4, 2]
layers:
  depth: {type: depthwise_convolution, kernel: 3, stride: 2}
  point: {type: convolution, channels: 5, kernel: 1, bias: false}
  fc: {type: fully_connected, channels: 3}
graph: {from: input, with: [depth, point, fc], to: output}
)"));
}

TEST(Info, CountsWeightAndActivationBitsAsMayoHead) {
  const NetworkInfo info = network_info(small_network(), {.weight_bits = 4, .activation_bits = 8});
  ASSERT_EQ(info.layers.size(), 3U);
  const LayerInfo& depth = info.layers[0];
  EXPECT_EQ(depth.macs, 2 * 2 * 9 * 2);
  EXPECT_EQ(depth.bitops_wa, 72 * 4 * 8);
  EXPECT_EQ(depth.mem_weights, 18 * 4);           // no bias counted
  EXPECT_EQ(depth.mem_activation, 4 * 4 * 2 * 8);  // the larger of 32 inputs and 8 outputs
  const LayerInfo& point = info.layers[1];
  EXPECT_EQ(point.macs, 2 * 2 * 2 * 5);
  EXPECT_EQ(point.mem_weights, (10 + 5) * 4);
  EXPECT_EQ(point.mem_activation, (8 + 20) * 8);
  const LayerInfo& fc = info.layers[2];
  EXPECT_EQ(fc.macs, 20 * 3);
  EXPECT_EQ(fc.mem_weights, 60 * 4);
  EXPECT_EQ(fc.mem_activation, (20 + 3) * 8);
  EXPECT_EQ(info.totals.trainables, 18 + 2 + 10 + 60 + 3);
  EXPECT_EQ(info.totals.mem_activation, 256 + 224 + 184);
}

TEST(Info, WithoutWidthsOnlyCounts) {
  const NetworkInfo info = network_info(small_network());
  EXPECT_FALSE(info.totals.bitops_mayo.has_value());
  EXPECT_FALSE(info.layers[0].mem_activation.has_value());
  const nlohmann::json json = to_json(info);
  EXPECT_EQ(json["totals"].dump(), R"({"macs":172,"nontrainables":0,"trainables":93,"weights":88})");
  EXPECT_EQ(json["layers"][2].dump(),
            R"({"macs":60,"name":"fc","op":"fully_connected","shape":[1,1,3],"trainables":63,"weights":60})");
}

TEST(Info, ActivationWidthIsTheWeightWidthByDefault) {
  const InfoWidths widths = read_info_widths(Section::parse("width: 6"));
  EXPECT_EQ(widths.weight_bits, 6);
  EXPECT_EQ(widths.activation_bits, 6);
  EXPECT_EQ(read_info_widths(Section::parse("{width: 6, activation_width: 3}")).activation_bits, 3);
}

TEST(Info, LayerThatExpandsIsOneRow) {
  const Network network = build_network(Section::parse(R"(
input: [4, 4, 1]
layers:
  conv: {type: convolution, channels: 2, kernel: 3, stride: 2, batch_norm: true, activation: relu}
graph: {from: input, with: conv, to: output}
)"));
  const NetworkInfo info = network_info(network);
  ASSERT_EQ(info.layers.size(), 1U);
  EXPECT_EQ(info.layers[0].op, Op::Conv2d);
  EXPECT_EQ(info.layers[0].trainables, 18 + 2 + 2);
  EXPECT_EQ(info.totals.nontrainables, 4);
}

}  // namespace
}  // namespace guardbit::nets
