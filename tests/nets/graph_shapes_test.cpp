// Shapes, parameter lists and structural errors of hand-made networks.
#include <gtest/gtest.h>

#include "arith/error.hpp"
#include "nets/graph/network.hpp"

namespace guardbit::nets {
namespace {

Network with_input(Shape shape) {
  Network network;
  network.name = "n";
  network.nodes.push_back({"input", "input", Op::Input, {}, {}, shape});
  return network;
}

void append(Network& network, const std::string& node_name, Op op, Attributes attributes, std::vector<int> inputs) {
  network.nodes.push_back({node_name, node_name, op, std::move(attributes), std::move(inputs), {}});
  network.output = static_cast<int>(network.nodes.size()) - 1;
}

// Output shape of one node on an input of this shape.
Shape shape_after(Shape input, Op op, Attributes attributes, std::vector<int> inputs = {0}) {
  Network network = with_input(input);
  append(network, "x", op, std::move(attributes), std::move(inputs));
  infer_shapes(network);
  return network.nodes.back().shape;
}

std::string error_of(Network network) {
  try {
    infer_shapes(network);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string error_after(Shape input, Op op, Attributes attributes, std::vector<int> inputs = {0}) {
  Network network = with_input(input);
  append(network, "x", op, std::move(attributes), std::move(inputs));
  return error_of(std::move(network));
}

TEST(Shapes, WindowsFollowTheFloorFormulaWithEveryParameter) {
  // Rows: (9 + 1 + 2 - 2 * 2 - 1) / 2 + 1 = 4; columns: (7 + 0 + 3 - 3 - 1) / 3 + 1 = 3.
  const Window window{.kernel_h = 3, .kernel_w = 2, .stride_h = 2, .stride_w = 3, .dilation_h = 2, .dilation_w = 3,
                      .padding = {1, 2, 0, 3}};
  EXPECT_EQ(shape_after({9, 7, 4}, Op::Conv2d, ConvAttributes{window, 6, 2, true}), (Shape{4, 3, 6}));
  EXPECT_EQ(shape_after({9, 7, 4}, Op::MaxPool, PoolAttributes{window}), (Shape{4, 3, 4}));
}

TEST(Shapes, OtherOps) {
  EXPECT_EQ(shape_after({3, 5, 2}, Op::Flatten, {}), (Shape{1, 1, 30}));
  EXPECT_EQ(shape_after({3, 5, 2}, Op::FullyConnected, ConvAttributes{{}, 7, 1, true}), (Shape{1, 1, 7}));
  EXPECT_EQ(shape_after({3, 5, 2}, Op::Pad, PadAttributes{{1, 2, 3, 4}, 5, 6}), (Shape{6, 12, 13}));
  EXPECT_EQ(shape_after({3, 5, 2}, Op::Concat, {}, {0, 0, 0}), (Shape{3, 5, 6}));
  EXPECT_EQ(shape_after({3, 5, 2}, Op::Add, {}, {0, 0}), (Shape{3, 5, 2}));
  EXPECT_EQ(shape_after({3, 5, 2}, Op::BatchNorm, BatchNormAttributes{}), (Shape{3, 5, 2}));
}

TEST(Shapes, MacsAndParametersOfAGroupedConvolution) {
  Network network = with_input({8, 8, 4});
  append(network, "g", Op::Conv2d, ConvAttributes{{.kernel_h = 3, .kernel_w = 3}, 6, 2, true}, {0});
  infer_shapes(network);
  EXPECT_EQ(macs(network, network.nodes[1]), 6 * 6 * 6 * 9 * 2);
  const std::vector<ParameterSpec> specs = parameter_specs(network);
  ASSERT_EQ(specs.size(), 2U);
  EXPECT_EQ(specs[0].name, "g.weight");
  EXPECT_EQ(specs[0].shape, (std::vector<std::int64_t>{6, 3, 3, 2}));
  EXPECT_EQ(specs[1].name, "g.bias");
  EXPECT_EQ(specs[1].shape, (std::vector<std::int64_t>{6}));
}

TEST(Shapes, BatchNormHasTwoTrainableAndTwoRunningParameters) {
  Network network = with_input({2, 2, 3});
  append(network, "b", Op::BatchNorm, BatchNormAttributes{}, {0});
  infer_shapes(network);
  std::string names;
  for (const ParameterSpec& spec : parameter_specs(network)) names += spec.name + (spec.trainable ? "+ " : "- ");
  EXPECT_EQ(names, "b.gamma+ b.beta+ b.mean- b.variance- ");
}

TEST(ShapeErrors, NameTheNodeWhatWasFoundAndWhatIsAllowed) {
  EXPECT_EQ(error_after({4, 4, 3}, Op::Conv2d, ConvAttributes{{.kernel_h = 5, .kernel_w = 3}, 8, 1, true}),
            "network n: node x (conv2d): the window covers 5 rows, allowed: at most the 4 of its padded input");
  EXPECT_EQ(error_after({4, 4, 3}, Op::Conv2d, ConvAttributes{{}, 8, 2, true}),
            "network n: node x (conv2d): 2 groups over 3 input and 8 output channels, allowed: a common divisor");
  EXPECT_EQ(error_after({4, 4, 4}, Op::Conv2d, ConvAttributes{{}, 7, 2, true}),
            "network n: node x (conv2d): 2 groups over 4 input and 7 output channels, allowed: a common divisor");
  EXPECT_EQ(error_after({4, 4, 3}, Op::Conv2d, ConvAttributes{{.stride_h = 0}, 8, 1, true}),
            "network n: node x (conv2d): stride height is 0, allowed 1 to 1048576");
  EXPECT_EQ(error_after({4, 4, 3}, Op::Conv2d, PoolAttributes{}),
            "network n: node x (conv2d): has the attributes of another op");
  EXPECT_EQ(error_after({4, 4, 3}, Op::Add, {}), "network n: node x (add): has 1 inputs, allowed 2 or more");
  EXPECT_EQ(error_after({4, 4, 3}, Op::Relu, {}, {0, 0}), "network n: node x (relu): has 2 inputs, allowed 1");
  EXPECT_EQ(error_after({4, 4, 3}, Op::Relu, {}, {1}),
            "network n: node x (relu): input 1 of node 1, allowed: earlier nodes (topological order)");
  EXPECT_EQ(error_after({4, 4, 3}, Op::Dropout, DropoutAttributes{1.0}),
            "network n: node x (dropout): rate is 1, allowed 0 up to, not including, 1");
  EXPECT_EQ(error_after({1000, 1000, 3}, Op::FullyConnected, ConvAttributes{{}, 1000, 1, true}),
            "network n: node x (fully_connected): has 3000000000 weights, allowed: at most 2^31 - 1");
  EXPECT_EQ(error_after({0, 4, 3}, Op::Relu, {}),
            "network n: node input (input): its output would have shape [0, 4, 3], allowed: sides of 1 to 1048576 and "
            "at most 2^31 - 1 elements");
}

TEST(ShapeErrors, PoolWindowInsideThePadding) {
  const Window window{.kernel_h = 2, .kernel_w = 2, .stride_h = 2, .stride_w = 2, .padding = {2, 0, 0, 0}};
  EXPECT_EQ(error_after({4, 4, 1}, Op::MaxPool, PoolAttributes{window}),
            "network n: node x (max_pool): output row 0 has a window entirely in the padding, allowed: padding smaller "
            "than the window");
  const Window right{.kernel_h = 1, .kernel_w = 2, .stride_h = 1, .stride_w = 1, .padding = {0, 0, 0, 2}};
  EXPECT_EQ(error_after({4, 4, 1}, Op::AveragePool, PoolAttributes{right}),
            "network n: node x (average_pool): output column 4 has a window entirely in the padding, allowed: padding "
            "smaller than the window");
}

TEST(ShapeErrors, JoinsNeedFittingInputs) {
  Network network = with_input({4, 4, 3});
  append(network, "p", Op::Pad, PadAttributes{{}, 1, 0}, {0});
  append(network, "a", Op::Add, {}, {0, 1});
  EXPECT_EQ(error_of(network),
            "network n: node a (add): inputs have shapes [4, 4, 3] and [4, 4, 4], allowed: equal shapes");
  network.nodes[1].attributes = PadAttributes{{1, 0, 0, 0}, 0, 0};
  network.nodes[2].op = Op::Concat;
  EXPECT_EQ(error_of(network),
            "network n: node a (concat): inputs have shapes [4, 4, 3] and [5, 4, 3], allowed: equal H and W");
}

TEST(ShapeErrors, NamesAreUniqueAndTheInputIsFirst) {
  Network network = with_input({4, 4, 3});
  append(network, "x", Op::Relu, {}, {0});
  append(network, "x", Op::Relu, {}, {1});
  EXPECT_EQ(error_of(network), "network n: node x (relu): the name is used twice, allowed: unique names");
  network.nodes[2] = {"i", "i", Op::Input, {}, {}, {1, 1, 1}};
  EXPECT_EQ(error_of(network), "network n: node i (input): is at position 2, allowed: exactly one input, first");
}

TEST(ShapeErrors, AParameterOfTheWrongShapeIsReported) {
  Network network = with_input({4, 4, 3});
  append(network, "f", Op::FullyConnected, ConvAttributes{{}, 2, 1, false}, {0});
  infer_shapes(network);
  EXPECT_THROW(check_parameters(network), Error);
  network.parameters["f.weight"] = FloatTensor({2, 48});
  try {
    check_parameters(network);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "network n: parameter f.weight has shape [2, 48] and 96 elements, allowed: shape [2, 1, 1, 48]");
  }
  network.parameters["f.weight"] = FloatTensor({2, 1, 1, 48});
  check_parameters(network);
  network.parameters["f.bias"] = FloatTensor({2});
  EXPECT_THROW(check_parameters(network), Error);
}

}  // namespace
}  // namespace guardbit::nets
