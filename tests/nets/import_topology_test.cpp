// Topology layers as networks: shapes by SCALE-Sim's rule, declared random numbers, YAML there and back.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "arith/error.hpp"
#include "nets/engines/engine.hpp"
#include "nets/import/topology.hpp"

namespace guardbit::nets {
namespace {

Topology two_layers() {
  return {.name = "two",
          .source = "two.csv",
          .sha256 = "00",
          .layers = {{.name = "Conv1", .input = {224, 224, 3}, .kernel_h = 11, .kernel_w = 11, .stride_h = 4,
                      .stride_w = 4, .filters = 5, .groups = 1},
                     {.name = "dw", .input = {8, 9, 6}, .kernel_h = 3, .kernel_w = 2, .stride_h = 1, .stride_w = 3,
                      .filters = 12, .groups = 6}}};
}

TEST(Topology, OutputsAreRoundedUp) {
  // SCALE-Sim: ceil((224 - 11 + 4) / 4) = 55 outputs; the 55th window hangs over by 3.
  const IntegerNetwork network = layer_network(two_layers(), 0, 1);
  const IntegerLayer& layer = network.layer(1);
  EXPECT_EQ(layer.shape, (Shape{55, 55, 5}));
  EXPECT_EQ(layer.window.padding, (Padding{.top = 0, .bottom = 3, .left = 0, .right = 3}));
  EXPECT_EQ(macs(network, layer), std::int64_t{55} * 55 * 11 * 11 * 3 * 5);
  const IntegerNetwork depthwise = layer_network(two_layers(), 1, 1);
  EXPECT_EQ(depthwise.layer(1).shape, (Shape{6, 4, 12}));  // ceil((9 - 2 + 3) / 3) = 4
  EXPECT_EQ(macs(depthwise, depthwise.layer(1)), 6 * 4 * 3 * 2 * 12);
}

TEST(Topology, NumbersAreAFunctionOfSeedAndLayer) {
  Topology topology = two_layers();
  topology.layers.push_back(topology.layers[1]);
  const auto weights = [&](std::size_t layer, std::uint64_t seed) {
    return layer_network(topology, layer, seed).layer(1).weight.data;
  };
  EXPECT_EQ(weights(1, 1), weights(1, 1));
  EXPECT_NE(weights(1, 1), weights(1, 2));
  EXPECT_NE(weights(1, 1), weights(2, 1));
  const IntTensor three = layer_input(topology, 1, 1, 0, 3), last = layer_input(topology, 1, 1, 2, 1);
  EXPECT_TRUE(std::equal(last.data.begin(), last.data.end(), three.data.end() - last.count()));
  EXPECT_FALSE(std::equal(last.data.begin(), last.data.end(), three.data.begin()));
  const std::vector<std::int32_t> all = layer_network(topology, 0, 1).layer(1).weight.data;
  EXPECT_EQ(*std::min_element(all.begin(), all.end()), -127);
  EXPECT_EQ(*std::max_element(all.begin(), all.end()), 127);
}

// From another Philox: counter (block, stream 2), key (1, 0), two 64-bit draws a block, modulo 255, minus 127.
TEST(Topology, TheFirstWeightsOfSeedOneAreThese) {
  const std::vector<std::int32_t> all = layer_network(two_layers(), 1, 1).layer(1).weight.data;
  EXPECT_EQ(std::vector<std::int32_t>(all.begin(), all.begin() + 8),
            (std::vector<std::int32_t>{-123, 4, 5, 19, -109, 66, 109, -53}));
}

TEST(Topology, OutputsUseTheirCodes) {
  const Topology topology = two_layers();
  for (std::size_t layer = 0; layer < 2; ++layer) {
    const IntegerNetwork network = layer_network(topology, layer, 3);
    const RunResult result = make_fast_engine()->run(network, uniform(network, arith::Accumulation{}),
                                                     layer_input(topology, layer, 3, 0, 2), {});
    double squares = 0;
    std::set<std::int32_t> codes;
    for (const std::int32_t code : result.layers[1].codes.data) {
      squares += code * code;
      codes.insert(code);
    }
    const double deviation = std::sqrt(squares / static_cast<double>(result.layers[1].codes.data.size()));
    EXPECT_GT(deviation, 25);  // 42 less what zero padding and saturation take
    EXPECT_LT(deviation, 50);
    EXPECT_GT(codes.size(), 100U);
  }
}

TEST(Topology, YamlReadsBackTheSame) {
  const Topology topology = two_layers();
  const Section section(parse_yaml(to_yaml(to_value(topology))));
  EXPECT_EQ(read_topology(section), topology);
  section.done();
}

TEST(Topology, NamesThatLookLikeOtherThingsReadBackTheSame) {
  Topology topology = two_layers();
  topology.name = "true";
  topology.layers[0].name = "1e3";
  topology.layers[1].name = "a: [b] #c \"d\"";
  const Section section(parse_yaml(to_yaml(to_value(topology))));
  EXPECT_EQ(read_topology(section), topology);
}

TEST(Topology, BadLayersAreNamed) {
  const auto error_of = [](const std::string& yaml) -> std::string {
    try {
      (void)read_topology(Section::parse(yaml, "t.yaml"));
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(error_of("name: a\nlayers: []\n"), "t.yaml:2: layers: found 0 layers, allowed 1 to 16384");
  EXPECT_EQ(error_of("name: a\nlayers:\n  - {name: x, input: [4, 4], kernel: 1, filters: 1}\n"),
            "t.yaml:3: layers.0.input: found 2 numbers, allowed [height, width, channels]");
  EXPECT_EQ(error_of("name: a\nlayers:\n  - {name: x, input: [4, 4, 3], kernel: 5, filters: 1}\n"),
            "t.yaml:3: layers.0: found a filter of 5 x 5 over an input of 4 x 4, allowed filters no larger than the "
            "input");
  EXPECT_EQ(error_of("name: a\nlayers:\n  - {name: x, input: [4, 4, 3], kernel: 3, filters: 4, groups: 2}\n"),
            "t.yaml:3: layers.0: found 2 groups, allowed divisors of 3 channels and 4 filters");
}

}  // namespace
}  // namespace guardbit::nets
