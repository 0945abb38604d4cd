// Every network of the zoo on every machine of sim/configs: whole networks, as `quantize` makes them, with the order of
// accumulation of each machine. Weights and images are random; what they classify does not matter here.
#include <gtest/gtest.h>

#include "nets/config/section.hpp"
#include "nets/graph/load.hpp"
#include "nets/quantize/quantize.hpp"
#include "sim/simulator.hpp"
#include "tests/sim/chain_network.hpp"
#include "tests/sim/same_results.hpp"

namespace guardbit::sim {
namespace {

struct Sample {
  nets::IntegerNetwork network;
  nets::IntTensor input;
  std::int64_t macs = 0;  // of weighted layers, one image
};

Sample make_sample(const std::string& zoo) {
  nets::Network graph = nets::load_network(nets::Section(nets::load_yaml("nets/zoo/" + zoo + ".yaml")));
  nets::initialise(graph, 1);
  const nets::Shape in = graph.node(0).shape;
  nets::FloatTensor images({1, in.h, in.w, in.c});
  tests::Numbers numbers(7);
  for (float& value : images.data) value = static_cast<float>(numbers.in(-1000, 1000)) / 500.0F;
  Sample sample{.network = nets::quantize(graph, images, {}).network, .input = nets::IntTensor({1, in.h, in.w, in.c})};
  for (std::int32_t& code : sample.input.data) code = numbers.in(-128, 127);
  for (const nets::IntegerLayer& layer : sample.network.layers) sample.macs += nets::macs(sample.network, layer);
  return sample;
}

void expect_agreement(const std::string& zoo, std::int64_t macs, const std::vector<const char*>& machines) {
  const Sample sample = make_sample(zoo);
  EXPECT_EQ(sample.macs, macs);
  for (const char* name : machines) {
    SCOPED_TRACE(zoo + " on " + name);
    const nets::Value config = nets::load_yaml(std::string("sim/configs/") + name + ".yaml");
    const Machine machine = read_machine(nets::Section(config).section("machine"));
    const auto numbers = accumulations(machine, sample.network);
    const auto fast = nets::make_fast_engine()->run(sample.network, numbers, sample.input, {});
    const auto tile = make_tile_engine(machine)->run(sample.network, numbers, sample.input, {});
    tests::expect_same_values(sample.network, fast, tile);
    std::uint64_t useful = 0;
    for (const nets::LayerResult& layer : tile.layers) useful += layer.cost->useful_macs;
    EXPECT_EQ(useful, static_cast<std::uint64_t>(macs));
    const auto array = make_array_engine(machine)->run(sample.network, numbers, sample.input, {});
    tests::expect_same_values(sample.network, tile, array);
    tests::expect_same_cost(sample.network, tile, array);
  }
}

const std::vector<const char*> kAllMachines{"edge16", "cloud128", "mcu8", "vision8"};

TEST(ZooOnMachines, LeNet5) { expect_agreement("lenet5", 416520, kAllMachines); }
TEST(ZooOnMachines, CifarNet) { expect_agreement("cifarnet", 174301824, kAllMachines); }
TEST(ZooOnMachines, ResNet8) { expect_agreement("resnet8", 12501632, kAllMachines); }
TEST(ZooOnMachines, ResNet20) { expect_agreement("resnet20", 40551040, kAllMachines); }
TEST(ZooOnMachines, MobileNetV1) { expect_agreement("mobilenet_v1", 12038656, kAllMachines); }
TEST(ZooOnMachines, DsCnn) { expect_agreement("ds_cnn", 2656768, kAllMachines); }
TEST(ZooOnMachines, VggSmall) { expect_agreement("vgg_small", 607600640, {"edge16", "cloud128"}); }
TEST(ZooOnMachines, ResNet18) { expect_agreement("resnet18", 1814073344, {"edge16"}); }

}  // namespace
}  // namespace guardbit::sim
