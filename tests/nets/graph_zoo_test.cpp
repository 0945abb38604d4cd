// The networks of nets/zoo: sizes from the papers and from SPEC 10, as literals.
#include <gtest/gtest.h>

#include "nets/config/config.hpp"
#include "nets/graph/float_engine.hpp"
#include "nets/graph/info.hpp"
#include "nets/graph/load.hpp"
#include "nets/graph/text.hpp"

namespace guardbit::nets {
namespace {

struct ZooCase {
  std::string name;
  Shape input;
  std::int64_t macs, weights;
  int outputs;
  friend void PrintTo(const ZooCase& zoo, std::ostream* out) { *out << zoo.name; }
};

class Zoo : public testing::TestWithParam<ZooCase> {};

LoadedNetwork load_zoo(const std::string& name) {
  const std::string arguments[] = {"nets/zoo/" + name + ".yaml"};
  return load_any(arguments);
}

TEST_P(Zoo, HasThePublishedNumberOfMacsAndWeights) {
  const ZooCase& expected = GetParam();
  const LoadedNetwork loaded = load_zoo(expected.name);
  const NetworkInfo info = network_info(loaded.network);
  EXPECT_EQ(loaded.network.name, expected.name);
  EXPECT_EQ(info.input, expected.input);
  EXPECT_EQ(info.totals.macs, expected.macs);
  EXPECT_EQ(info.totals.weights, expected.weights);
  EXPECT_EQ(loaded.network.node(loaded.network.output).shape, (Shape{1, 1, expected.outputs}));
}

// LeNet-5: 28*28*6*25 + 10*10*16*150 + 400*120 + 120*84 + 84*10. VGG-small and MobileNet: the same sums, by a script.
INSTANTIATE_TEST_SUITE_P(Networks, Zoo,
                         testing::Values(ZooCase{"lenet5", {28, 28, 1}, 416520, 61470, 10},
                                         ZooCase{"cifarnet", {32, 32, 3}, 174301824, 1293888, 10},
                                         ZooCase{"resnet8", {32, 32, 3}, 12501632, 77360, 10},
                                         ZooCase{"resnet18", {224, 224, 3}, 1814073344, 11678912, 1000},
                                         ZooCase{"resnet20", {32, 32, 3}, 40551040, 268336, 10},
                                         ZooCase{"vgg_small", {32, 32, 3}, 607600640, 4656512, 10},
                                         ZooCase{"mobilenet_v1", {32, 32, 3}, 12038656, 210160, 10},
                                         ZooCase{"ds_cnn", {49, 10, 1}, 2656768, 22016, 12}),
                         [](const auto& instance) { return instance.param.name; });

TEST(MobileNet, WidthFollowsTheTemplateKey) {
  const std::string arguments[] = {"nets/zoo/mobilenet_v1.yaml", "model._base=32"};
  const Network network = load_any(arguments).network;
  EXPECT_EQ(network.node(network.find("conv0").value()).shape.c, 32);
  EXPECT_EQ(network.node(network.find("pointwise13").value()).shape.c, 1024);
}

TEST(ZooText, ShowsNamesOpsShapesAndAttributes) {
  const std::string text = to_text(load_zoo("lenet5").network);
  EXPECT_EQ(text,
            "network lenet5: output fc3\n"
            "input: input() -> [28, 28, 1]\n"
            "conv1: conv2d(input) -> [28, 28, 6] kernel=5x5 padding=[2, 2, 2, 2] bias\n"
            "conv1/relu: relu(conv1) -> [28, 28, 6]\n"
            "pool1: max_pool(conv1/relu) -> [14, 14, 6] kernel=2x2 stride=2x2\n"
            "conv2: conv2d(pool1) -> [10, 10, 16] kernel=5x5 bias\n"
            "conv2/relu: relu(conv2) -> [10, 10, 16]\n"
            "pool2: max_pool(conv2/relu) -> [5, 5, 16] kernel=2x2 stride=2x2\n"
            "fc1: fully_connected(pool2) -> [1, 1, 120] bias\n"
            "fc1/relu: relu(fc1) -> [1, 1, 120]\n"
            "fc2: fully_connected(fc1/relu) -> [1, 1, 84] bias\n"
            "fc2/relu: relu(fc2) -> [1, 1, 84]\n"
            "fc3: fully_connected(fc2/relu) -> [1, 1, 10] bias\n");
}

}  // namespace
}  // namespace guardbit::nets
