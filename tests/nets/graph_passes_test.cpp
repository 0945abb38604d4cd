// Folding, stripping and dead-node removal keep what the network computes.
#include <gtest/gtest.h>

#include <cmath>

#include "arith/philox.hpp"
#include "nets/graph/build.hpp"
#include "nets/graph/dead_nodes.hpp"
#include "nets/graph/float_engine.hpp"
#include "nets/graph/fold_batch_norm.hpp"
#include "nets/graph/load.hpp"
#include "nets/graph/strip_inference.hpp"

namespace guardbit::nets {
namespace {

FloatTensor random_tensor(std::vector<std::int64_t> shape, std::uint64_t seed) {
  FloatTensor tensor(std::move(shape));
  arith::Random random(seed);
  for (float& value : tensor.data) value = static_cast<float>(random.normal());
  return tensor;
}

// Random parameters, variances positive.
void randomise(Network& network) {
  std::uint64_t seed = 1;
  for (const ParameterSpec& spec : parameter_specs(network)) {
    FloatTensor tensor = random_tensor(spec.shape, seed++);
    if (spec.name.ends_with(".variance")) {
      for (float& value : tensor.data) value = std::abs(value) + 0.1F;
    }
    network.parameters[spec.name] = std::move(tensor);
  }
}

std::string names_of(const Network& network) {
  std::string names;
  for (const Node& node : network.nodes) names += node.name + " ";
  return names + "-> " + network.node(network.output).name;
}

void expect_same_output(const Network& a, const Network& b) {
  const FloatTensor input = random_tensor({3, a.nodes[0].shape.h, a.nodes[0].shape.w, a.nodes[0].shape.c}, 99);
  const FloatTensor first = run_float_output(a, input);
  const FloatTensor second = run_float_output(b, input);
  double largest = 0.0;
  for (const float value : first.data) largest = std::max(largest, double{std::abs(value)});
  ASSERT_EQ(first.shape, second.shape);
  for (std::size_t i = 0; i < first.data.size(); ++i) EXPECT_NEAR(first.data[i], second.data[i], 1e-4 * largest) << i;
}

TEST(FoldBatchNorm, FollowsTheFormula) {
  Network network = build_network(Section::parse(R"(
input: [1, 1, 1]
layers: {c: {type: convolution, channels: 2, kernel: 1, bias: true, batch_norm: {epsilon: 0.75}}}
graph: {from: input, with: c, to: output}
)"));
  const auto set = [&](const std::string& name, std::vector<float> data) {
    network.parameters[name] = FloatTensor({2});
    network.parameters[name].data = std::move(data);
  };
  set("c.weight", {3, -5});
  network.parameters["c.weight"].shape = {2, 1, 1, 1};
  set("c.bias", {1, 2});
  set("c/bn.gamma", {2, 4});
  set("c/bn.beta", {10, 20});
  set("c/bn.mean", {0.5, -1});
  set("c/bn.variance", {0.25, 3.25});  // square roots with epsilon: 1, 2
  const Network folded = fold_batch_norm(network);
  EXPECT_EQ(names_of(folded), "input c -> c");
  EXPECT_EQ(folded.parameters.size(), 2U);
  EXPECT_EQ(folded.parameter("c.weight").data, (std::vector<float>{6, -10}));
  EXPECT_EQ(folded.parameter("c.bias").data, (std::vector<float>{11, 26}));  // 10 + 2 (1 - 0.5), 20 + 2 (2 + 1)
}

TEST(FoldBatchNorm, EqualsTheUnfoldedNetwork) {
  Network network = build_network(Section::parse(R"(
input: [8, 8, 3]
layers:
  conv: {type: convolution, channels: 8, kernel: 3, batch_norm: true, activation: relu}
  depth: {type: depthwise_convolution, kernel: 3, bias: true}
  norm1: {type: batch_normalization}
  norm2: {type: batch_normalization, activation: relu6}
  pool: {type: average_pool, global: true}
  fc: {type: fully_connected, channels: 5, batch_norm: true}
graph: {from: input, with: [conv, depth, norm1, norm2, pool, fc], to: output}
)"));
  randomise(network);
  const Network folded = fold_batch_norm(network);
  EXPECT_EQ(names_of(folded), "input conv conv/relu depth norm2/relu6 pool fc -> fc");
  check_parameters(folded);
  expect_same_output(network, folded);
}

TEST(FoldBatchNorm, LeavesNormsThatCannotFold) {
  Network network = build_network(Section::parse(R"(
input: [4, 4, 2]
layers:
  first: {type: batch_normalization}
  conv: {type: convolution, channels: 2, kernel: 1}
  shared: {type: batch_normalization}
  sum: {type: add}
graph:
  - {from: input, with: [first, conv, shared], to: sum}
  - {from: conv, to: sum}
  - {from: sum, to: output}
)"));
  randomise(network);
  const Network folded = fold_batch_norm(network);
  EXPECT_EQ(names_of(folded), "input first conv shared sum -> sum");
  expect_same_output(network, folded);
}

TEST(StripInference, RemovesDropoutAndTheFinalSoftmaxAndSaysSo) {
  Network network = build_network(Section::parse(R"(
input: [1, 1, 6]
layers:
  soft1: {type: softmax}
  drop1: {type: dropout}
  fc: {type: fully_connected, channels: 4}
  soft2: {type: softmax}
  drop2: {type: dropout}
graph: {from: input, with: [soft1, drop1, fc, soft2, drop2], to: output}
)"));
  randomise(network);
  const Stripped stripped = strip_inference(network);
  EXPECT_EQ(names_of(stripped.network), "input soft1 fc -> fc");  // a softmax inside matters
  EXPECT_EQ(stripped.removed, (std::vector<std::string>{"drop1", "soft2", "drop2"}));
  const Stripped kept = strip_inference(network, true);
  EXPECT_EQ(names_of(kept.network), "input soft1 fc soft2 -> soft2");
  EXPECT_EQ(kept.removed, (std::vector<std::string>{"drop1", "drop2"}));
  EXPECT_EQ(stripped.network.parameters.size(), 2U);
}

TEST(StripInference, KeepsASoftmaxThatIsRead) {
  Network network = build_network(Section::parse(R"(
input: [1, 1, 6]
layers: {soft: {type: softmax}, relu: {type: activation, mode: relu}, sum: {type: add}}
graph: [{from: input, with: [soft, relu], to: sum}, {from: soft, to: sum}, {from: sum, to: output}]
)"));
  EXPECT_EQ(names_of(strip_inference(network).network), "input soft relu sum -> sum");
}

TEST(DeadNodes, GoWithTheirParameters) {
  Network network = build_network(Section::parse(R"(
input: [1, 1, 6]
layers: {a: {type: fully_connected, channels: 2}, b: {type: fully_connected, channels: 3}}
graph: {from: input, with: [a, b], to: output}
)"));
  randomise(network);
  network.output = 1;
  const Network live = remove_dead_nodes(network);
  EXPECT_EQ(names_of(live), "input a -> a");
  check_parameters(live);
}

}  // namespace
}  // namespace guardbit::nets
