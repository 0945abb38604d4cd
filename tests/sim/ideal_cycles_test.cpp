// Cycles with ideal memory of every weighted layer of CifarNet and ResNet-18, for every dataflow: the program's passes
// against the cycle-by-cycle formula written down here, totals against SCALE-Sim's; and small layers against the array
// engine, which counts.
#include <gtest/gtest.h>

#include <numeric>

#include "nets/config/section.hpp"
#include "nets/graph/load.hpp"
#include "sim/mapping.hpp"
#include "sim/simulator.hpp"
#include "tests/sim/chain_network.hpp"

namespace guardbit::sim {
namespace {

constexpr Dataflow kDataflows[] = {Dataflow::WeightStationary, Dataflow::OutputStationary, Dataflow::InputStationary};

// Memory that holds every layer whole.
Machine ideal_machine(int side, Dataflow dataflow) {
  Machine machine;
  machine.array = {.rows = side, .columns = side, .dataflow = dataflow};
  machine.scratchpads = {.activation_bytes = 1 << 30, .weight_bytes = 1 << 30, .accumulator_bytes = 1 << 30};
  return machine;
}

struct Product {
  std::string name;
  nets::IntegerNetwork network;  // an input and one weighted layer, without weights: enough to map it
  std::int64_t m = 0, k = 0, n = 0, groups = 1;
};

// The weighted layers of a network of the zoo, each on its own.
std::vector<Product> products(const std::string& zoo) {
  const nets::Network graph = nets::load_network(nets::Section(nets::load_yaml("nets/zoo/" + zoo + ".yaml")));
  std::vector<Product> found;
  for (const nets::Node& node : graph.nodes) {
    const auto* conv = std::get_if<nets::ConvAttributes>(&node.attributes);
    if (conv == nullptr) {
      continue;
    }
    const nets::Shape& in = graph.node(node.inputs[0]).shape;
    const bool flat = node.op == nets::Op::FullyConnected;
    Product product{.name = zoo + " " + node.name, .network = {}};
    product.m = std::int64_t{node.shape.h} * node.shape.w;
    const std::int64_t taps = std::int64_t{conv->window.kernel_h} * conv->window.kernel_w;
    product.k = flat ? in.count() : taps * in.c / conv->groups;
    product.n = conv->channels / conv->groups;
    product.groups = conv->groups;
    nets::IntegerLayer input;
    input.shape = in;
    nets::IntegerLayer layer;
    layer.op = flat ? nets::IntegerOp::FullyConnected : nets::IntegerOp::Conv2d;
    layer.name = node.name;
    layer.inputs = {0};
    layer.shape = node.shape;
    layer.window = conv->window;
    layer.groups = conv->groups;
    product.network.layers = {input, layer};
    found.push_back(std::move(product));
  }
  return found;
}

std::int64_t up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// Every pass is full length and pays for the whole array: load, stream, skew, and the cycle of the last takeover; output
// stationary: stream, skew, drain.
std::int64_t formula(Dataflow dataflow, std::int64_t side, const Product& p) {
  switch (dataflow) {
    case Dataflow::WeightStationary:
      return p.groups * up(p.k, side) * up(p.n, side) * (side + p.m + (2 * side - 2) + 1);
    case Dataflow::OutputStationary:
      return p.groups * up(p.m, side) * up(p.n, side) * (p.k + (2 * side - 2) + side);
    case Dataflow::InputStationary:
      return p.groups * up(p.k, side) * up(p.m, side) * (side + p.n + (2 * side - 2) + 1);
  }
  return 0;
}

std::int64_t mapped_cycles(const Machine& machine, const Product& product) {
  const LayerProgram program = map_layer(machine, product.network, 1);
  return std::accumulate(program.commands.begin(), program.commands.end(), std::int64_t{0},
                         [&](std::int64_t sum, const Command& command) {
                           const auto* fold = std::get_if<Fold>(&command.operation);
                           return sum + (fold != nullptr ? fold_cycles(machine.array, *fold).total() : 0);
                         });
}

struct Totals {
  std::int64_t ours = 0, scale_sim = 0;
  friend bool operator==(const Totals&, const Totals&) = default;
};

Totals check_every_layer(const std::string& zoo, int side, Dataflow dataflow) {
  const Machine machine = ideal_machine(side, dataflow);
  Totals totals;
  for (const Product& product : products(zoo)) {
    SCOPED_TRACE(testing::Message() << product.name << " " << side << " " << name(dataflow));
    const IdealCycles ideal = ideal_cycles(machine, product.network, 1);
    EXPECT_EQ(ideal.ours, formula(dataflow, side, product));
    EXPECT_EQ(mapped_cycles(machine, product), ideal.ours);
    totals.ours += ideal.ours;
    totals.scale_sim += ideal.scale_sim;
  }
  return totals;
}

TEST(IdealCycles, OfEveryLayerOfCifarNetAreTheFormula) {
  // SCALE-Sim v2 prints 914,747, 733,281 and 982,899 on 16x16: the index of the last cycle of each of the 9 layers.
  // Ours: one more per pass (5,060; 6,030), output stationary 16 rows of drain per pass (961).
  EXPECT_EQ(check_every_layer("cifarnet", 16, kDataflows[0]), (Totals{914747 + 9 + 5060, 914747 + 9}));
  EXPECT_EQ(check_every_layer("cifarnet", 16, kDataflows[1]), (Totals{733281 + 9 + 961 * 16, 733281 + 9}));
  EXPECT_EQ(check_every_layer("cifarnet", 16, kDataflows[2]), (Totals{982899 + 9 + 6030, 982899 + 9}));
  EXPECT_EQ(check_every_layer("cifarnet", 128, kDataflows[0]).ours, 55528);
  EXPECT_EQ(check_every_layer("cifarnet", 128, kDataflows[1]).ours, 31070);
  EXPECT_EQ(check_every_layer("cifarnet", 128, kDataflows[2]).ours, 67023);
}

TEST(IdealCycles, OfEveryLayerOfResNet18AreTheFormula) {
  EXPECT_EQ(check_every_layer("resnet18", 16, kDataflows[0]), (Totals{9272088, 9226448}));
  EXPECT_EQ(check_every_layer("resnet18", 16, kDataflows[1]), (Totals{8165154, 8005554}));
  EXPECT_EQ(check_every_layer("resnet18", 16, kDataflows[2]), (Totals{10538240, 10478848}));
  EXPECT_EQ(check_every_layer("resnet18", 128, kDataflows[0]), (Totals{442329, 441602}));
  EXPECT_EQ(check_every_layer("resnet18", 128, kDataflows[1]), (Totals{310420, 274452}));
  EXPECT_EQ(check_every_layer("resnet18", 128, kDataflows[2]), (Totals{631037, 629850}));
}

// Depthwise layers, too; and all of the zoo fits all committed machines with any dataflow.
TEST(IdealCycles, OfTheWholeZooAndItsMappingOnEveryMachine) {
  for (const char* zoo : {"lenet5", "cifarnet", "resnet8", "resnet18", "resnet20", "vgg_small", "mobilenet_v1"}) {
    const std::vector<Product> layers = products(zoo);
    for (const Dataflow dataflow : kDataflows) {
      (void)check_every_layer(zoo, 16, dataflow);
      for (const char* config : {"edge16", "cloud128", "mcu8", "vision8"}) {
        const nets::Section root(nets::load_yaml(std::string("sim/configs/") + config + ".yaml"));
        Machine machine = read_machine(root.section("machine"));
        machine.array.dataflow = dataflow;
        for (const Product& product : layers) {
          EXPECT_NO_THROW((void)choose_tiling(machine, product.network, 1)) << product.name << " on " << config;
        }
      }
    }
  }
}

// The array engine knows no formula; both engines must come to it. Depthwise and grouped layers too.
TEST(IdealCycles, OfSmallLayersAreWhatTheArrayEngineCounts) {
  const tests::Chain chain = [] {
    tests::Chain layers(7, 6, 5);
    layers.conv(12, 3, 1, 1, 1, true, 9).conv(12, 3, 2, 1, 12, false, 6).conv(20, 1, 1, 0, 4, true, 6);
    layers.conv(9, 2, 1, 0, 1, false, 9);
    return layers;
  }();
  for (const Dataflow dataflow : kDataflows) {
    for (const auto& [rows, columns] : {std::pair{4, 3}, {16, 16}, {1, 5}, {5, 1}, {1, 1}}) {
      Machine machine;
      machine.array = {.rows = rows, .columns = columns, .dataflow = dataflow};
      machine.scratchpads = {.activation_bytes = 1 << 16, .weight_bytes = 1 << 16, .accumulator_bytes = 1 << 16};
      const auto numbers = accumulations(machine, chain.network());
      for (const bool array : {false, true}) {
        const auto engine = array ? make_array_engine(machine) : make_tile_engine(machine);
        const auto result = engine->run(chain.network(), numbers, chain.input(1), {});
        for (const int layer : {1, 2, 3, 4}) {
          SCOPED_TRACE(testing::Message() << name(dataflow) << " " << rows << "x" << columns << " layer " << layer
                                          << " " << engine->name());
          EXPECT_EQ(result.layers[static_cast<std::size_t>(layer)].cost->array_busy_cycles,
                    static_cast<std::uint64_t>(ideal_cycles(machine, chain.network(), layer).ours));
        }
      }
    }
  }
}

}  // namespace
}  // namespace guardbit::sim
