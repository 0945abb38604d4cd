// YAML layers -> nodes: defaults, padding, expansion, and errors with file and line.
#include "nets/graph/build.hpp"

#include <gtest/gtest.h>

#include "nets/graph/detail/window.hpp"
#include "nets/graph/text.hpp"

namespace guardbit::nets {
namespace {

Network build(const std::string& layer, const std::string& input = "[9, 8, 4]") {
  return build_network(Section::parse("input: " + input + "\nlayers:\n  x: {" + layer +
                                      "}\ngraph: {from: input, with: x, to: output}\n"));
}

// Node lines after the input's.
std::string nodes_of(const std::string& layer) {
  const std::string text = to_text(build(layer));
  return text.substr(text.find('\n', text.find("input: ")) + 1);
}

std::string error_of(const std::string& layer) {
  try {
    (void)build(layer);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(SamePadding, IsTensorFlowsWithTheExtraAtTheEnd) {
  using Pair = std::pair<int, int>;
  EXPECT_EQ(detail::same_padding(32, 3, 1, 1), (Pair{1, 1}));
  EXPECT_EQ(detail::same_padding(32, 3, 2, 1), (Pair{0, 1}));  // (16 - 1) * 2 + 3 - 32 = 1
  EXPECT_EQ(detail::same_padding(30, 3, 2, 1), (Pair{0, 1}));
  EXPECT_EQ(detail::same_padding(15, 3, 2, 1), (Pair{1, 1}));
  EXPECT_EQ(detail::same_padding(32, 1, 2, 1), (Pair{0, 0}));  // never negative
  EXPECT_EQ(detail::same_padding(10, 3, 1, 3), (Pair{3, 3}));
  EXPECT_EQ(detail::same_padding(10, 4, 1, 1), (Pair{1, 2}));
  EXPECT_EQ(detail::same_padding(224, 7, 2, 1), (Pair{2, 3}));
}

TEST(Build, ConvolutionIsSamePaddedWithBiasByDefault) {
  EXPECT_EQ(nodes_of("type: convolution, channels: 6, kernel: 3"),
            "x: conv2d(input) -> [9, 8, 6] kernel=3x3 padding=[1, 1, 1, 1] bias\n");
  EXPECT_EQ(nodes_of("type: convolution, channels: 6, kernel: [3, 2], stride: [2, 3], padding: valid, groups: 2"),
            "x: conv2d(input) -> [4, 3, 6] kernel=3x2 stride=2x3 groups=2 bias\n");
  EXPECT_EQ(nodes_of("type: convolution, channels: 6, kernel: 3, padding: [1, 2, 3, 4]"),
            "x: conv2d(input) -> [10, 13, 6] kernel=3x3 padding=[1, 2, 3, 4] bias\n");
}

TEST(Build, BatchNormTakesTheBiasAwayUnlessAskedFor) {
  EXPECT_EQ(nodes_of("type: convolution, channels: 6, kernel: 1, batch_norm: true, activation: relu"),
            "x: conv2d(input) -> [9, 8, 6] kernel=1x1\n"
            "x/bn: batch_norm(x) -> [9, 8, 6] epsilon=0.001 momentum=0.99\n"
            "x/relu: relu(x/bn) -> [9, 8, 6]\n");
  EXPECT_EQ(nodes_of("type: fully_connected, channels: 6, bias: true, batch_norm: {epsilon: 0.5, momentum: 0.25}, "
                     "activation: relu6"),
            "x: fully_connected(input) -> [1, 1, 6] bias\n"
            "x/bn: batch_norm(x) -> [1, 1, 6] epsilon=0.5 momentum=0.25\n"
            "x/relu6: relu6(x/bn) -> [1, 1, 6]\n");
  EXPECT_EQ(nodes_of("type: convolution, channels: 6, kernel: 1, batch_norm: false, activation: none"),
            "x: conv2d(input) -> [9, 8, 6] kernel=1x1 bias\n");
  EXPECT_EQ(build("type: convolution, channels: 6, kernel: 1, batch_norm: true").nodes[2].layer, "x");
}

TEST(Build, DepthwiseHasAFilterPerChannelAndPoolsClipTheirKernel) {
  EXPECT_EQ(nodes_of("type: depthwise_convolution, kernel: 3, padding: valid"),
            "x: conv2d(input) -> [7, 6, 4] kernel=3x3 groups=4 bias\n");
  EXPECT_EQ(nodes_of("type: max_pool, kernel: 2"), "x: max_pool(input) -> [4, 4, 4] kernel=2x2 stride=2x2\n");
  EXPECT_EQ(nodes_of("type: max_pool, kernel: 3, stride: 2, padding: same"),
            "x: max_pool(input) -> [5, 4, 4] kernel=3x3 stride=2x2 padding=[1, 1, 0, 1]\n");
  EXPECT_EQ(nodes_of("type: average_pool, kernel: 100"), "x: average_pool(input) -> [1, 1, 4] kernel=9x8 stride=9x8\n");
  EXPECT_EQ(nodes_of("type: average_pool, global: true"), "x: average_pool(input) -> [1, 1, 4] kernel=9x8\n");
}

TEST(Build, InputNameAndDefaultName) {
  EXPECT_EQ(build("type: flatten").name, "network");
  EXPECT_EQ(build("type: flatten").nodes[0].shape, (Shape{9, 8, 4}));
}

TEST(BuildErrors, HaveFileLineKeyFoundAndAllowed) {
  EXPECT_EQ(error_of("type: convolution, channels: 6, kernel: 3, strde: 2"),
            "text:3: layers.x.strde: unknown key, did you mean stride? allowed: activation, batch_norm, bias, "
            "channels, dilation, groups, kernel, padding, stride, type");
  EXPECT_EQ(error_of("type: convolution, channels: 0, kernel: 3"),
            "text:3: layers.x.channels: found 0, allowed 1 to 1048576");
  EXPECT_EQ(error_of("type: convolution, channels: 6"),
            "text:3: layers.x.kernel: missing, allowed one integer or two, 1 to 1048576");
  EXPECT_EQ(error_of("type: convolution, channels: 6, kernel: 3, padding: full"),
            "text:3: layers.x.padding: found full, allowed same, valid, a number, or [top, bottom, left, right]");
  EXPECT_EQ(error_of("type: convolution, channels: 6, kernel: 3, padding: [1, 2]"),
            "text:3: layers.x.padding: found 2 numbers, allowed one, or [top, bottom, left, right]");
  EXPECT_EQ(error_of("type: convolution, channels: 6, kernel: 10, padding: valid"),
            "text:3: layers.x: network network: node x (conv2d): the window covers 10 rows, allowed: at most the 9 of "
            "its padded input");
  EXPECT_EQ(error_of("type: activation, mode: elu"), "text:3: layers.x.mode: found elu, allowed relu, relu6");
  EXPECT_EQ(error_of("type: max_pool, global: true, kernel: 3"),
            "text:3: layers.x.kernel: unknown key, allowed: global, type");
}

TEST(BuildErrors, UnknownTypeInputAndLayerNames) {
  EXPECT_TRUE(error_of("type: conv").starts_with("text:3: layers.x.type: found conv, allowed convolution, "));
  EXPECT_THROW((void)build("type: flatten", "[9, 8]"), Error);
  EXPECT_THROW((void)build("type: flatten", "[9, 8, 0]"), Error);
  for (const char* name : {"input", "output", "a\\.b"}) {
    EXPECT_THROW((void)build_network(Section::parse(std::string("input: [1, 1, 1]\nlayers: {") + name +
                                                    ": {type: flatten}}\ngraph: {from: input, to: output}\n")),
                 Error)
        << name;
  }
}

}  // namespace
}  // namespace guardbit::nets
