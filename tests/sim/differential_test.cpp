// reference = tile = array on codes, accumulators and evidence; tile = array on every cost: cases chosen by hand, and
// what an observer sees. Random ones: random_pairs_test.cpp.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>

#include "sim/mapping.hpp"
#include "sim/simulator.hpp"
#include "tests/sim/chain_network.hpp"
#include "tests/sim/random_machine.hpp"
#include "tests/sim/same_results.hpp"
#include "tests/support/random_network.hpp"

namespace guardbit::sim {
namespace {

using nets::RunResult;

constexpr Dataflow kDataflows[] = {Dataflow::WeightStationary, Dataflow::OutputStationary, Dataflow::InputStationary};

using tests::expect_same_cost;
using tests::expect_same_values;

// Arrays wider than a vector of the host and deeper than a layer, on one machine after another in one process.
TEST(EnginesAgree, OnArraysOfManySizes) {
  const tests::Chain chain = [] {
    tests::Chain layers(9, 11, 5);
    layers.conv(37, 3, 2, 1, 1, true, 9).conv(37, 3, 1, 1, 37, true, 6).add(1).conv(50, 1, 1, 0, 1, false, 9);
    return layers;
  }();
  const auto input = chain.input(2);
  nets::RunOptions options;
  options.keep_accumulators = true;
  constexpr std::array<std::array<int, 2>, 6> kSizes{{{16, 16}, {1, 40}, {40, 1}, {20, 33}, {128, 128}, {7, 17}}};
  for (const auto& [rows, columns] : kSizes) {
    for (int which = 0; which < 9; ++which) {
      const char* const format = std::array{"int<12,SAT>", "int<14,WRAP>", "int<34,SAT>"}[which % 3];
      const Dataflow dataflow = kDataflows[which / 3];
      SCOPED_TRACE(testing::Message() << rows << " x " << columns << " " << name(dataflow) << " " << format);
      Machine machine;
      machine.array = {.rows = rows, .columns = columns, .dataflow = dataflow};
      machine.numerics.accumulator.format = arith::parse_format(format);
      const auto numbers = accumulations(machine, chain.network());
      const RunResult reference = nets::make_reference_engine()->run(chain.network(), numbers, input, options);
      const RunResult tile = make_tile_engine(machine)->run(chain.network(), numbers, input, options);
      const RunResult array = make_array_engine(machine)->run(chain.network(), numbers, input, options);
      expect_same_values(chain.network(), reference, tile);
      expect_same_values(chain.network(), reference, array);
      expect_same_cost(chain.network(), tile, array);
    }
  }
}

// 16-bit operands: sums far beyond 32 bits, so that every way of narrowing runs in 64-bit registers too.
TEST(EnginesAgree, OnSumsBeyond32Bits) {
  nets::IntegerNetwork network = tests::Chain(3, 4, 5).conv(6, 3, 1, 1, 1, true).network();
  tests::Numbers numbers(3);
  network.layers[0].output.format = network.layers[1].weight_format = arith::integer_format(16);
  for (std::int32_t& weight : network.layers[1].weight.data) {
    weight = numbers.in(0, 3) == 0 ? 32767 : numbers.in(-32768, 32767);
  }
  nets::IntTensor input({2, 3, 4, 5});
  for (std::int32_t& code : input.data) {
    code = numbers.in(0, 3) == 0 ? -32768 : numbers.in(-32768, 32767);
  }
  nets::RunOptions options;
  options.keep_accumulators = true;
  std::uint64_t overflowed = 0;
  for (const char* format : {"int<31,SAT>", "int<33,SAT>", "int<33,SAT_SYM>", "int<33,SAT_ZERO>", "int<32,WRAP>",
                             "int<34,WRAP>", "uint<33,WRAP>", "uint<34,SAT>", "int<33,WRAP_SM>", "uint<63,WRAP>",
                             "uint<63,SAT>", "int<64,SAT>"}) {
    for (const int step : {1, 3, 0}) {
      for (int which = 0; which < 6; ++which) {
        const Dataflow dataflow = kDataflows[which / 2];
        const bool psum = which % 2 == 1;
        SCOPED_TRACE(testing::Message() << format << " step " << step << " " << name(dataflow)
                                        << (psum ? " psum" : ""));
        Machine machine;
        machine.array = {.rows = 7, .columns = 4, .dataflow = dataflow};
        machine.numerics.activation = machine.numerics.weight = arith::integer_format(16);
        machine.numerics.accumulator = {arith::parse_format(format), step};
        if (psum) {
          machine.numerics.psum = {arith::parse_format(format), step};
        }
        const auto numbers_of = accumulations(machine, network);
        const RunResult reference = nets::make_reference_engine()->run(network, numbers_of, input, options);
        const RunResult tile = make_tile_engine(machine)->run(network, numbers_of, input, options);
        const RunResult array = make_array_engine(machine)->run(network, numbers_of, input, options);
        expect_same_values(network, reference, tile);
        expect_same_values(network, reference, array);
        expect_same_cost(network, tile, array);
        overflowed += reference.layers[1].accumulation.accumulator.outputs > 0 ? 1 : 0;
      }
    }
  }
  EXPECT_GE(overflowed, 180U);  // of 216: all but int<64,SAT>, and a few formats that just hold
}

// Collects what the simulator says and checks it as it comes.
class Listener : public Observer {
 public:
  void begin_layer(std::int64_t image, const LayerProgram& program, std::uint64_t cycle) override {
    EXPECT_GE(cycle, cycle_);
    cycle_ = cycle;
    image_ = image;
    layer_ = program.layer;
  }
  void end_layer(std::int64_t image, const LayerProgram& program, std::uint64_t cycle) override {
    EXPECT_EQ(image, image_);
    EXPECT_EQ(program.layer, layer_);
    cycles_[program.layer] += cycle - cycle_;
    cycle_ = cycle;
  }
  void begin_command(const Command& command, int index, std::uint64_t cycle) override {
    EXPECT_GE(cycle, cycle_);
    EXPECT_TRUE(running_.emplace(index, command.unit()).second);
  }
  void end_command(const Command&, int index, std::uint64_t) override { EXPECT_EQ(running_.erase(index), 1U); }
  void fold(const FoldValues& values) override {
    const auto depth = static_cast<std::size_t>(values.fold.k.size());
    const auto columns = static_cast<std::size_t>(values.fold.n.size());
    const auto pixels = static_cast<std::size_t>(values.fold.m.size());
    ASSERT_EQ(values.activations.size(), pixels * depth);
    ASSERT_EQ(values.weights.size(), depth * columns);
    ASSERT_EQ(values.accumulators.size(), values.fold.last ? pixels * columns : 0);
    sums_.resize(pixels * columns);
    for (std::size_t at = 0; at < sums_.size(); ++at) {
      sums_[at] = values.fold.first ? 0 : sums_[at];
      for (std::size_t k = 0; k < depth; ++k) {
        const std::int64_t weight = values.weights[k * columns + at % columns];
        sums_[at] += values.activations[at / columns * depth + k] * weight;
      }
    }
    if (values.fold.last) {
      EXPECT_TRUE(std::equal(sums_.begin(), sums_.end(), values.accumulators.begin(), values.accumulators.end()));
    }
    ++folds_;
  }

  std::map<int, std::uint64_t> cycles_;
  std::map<int, Unit> running_;
  int folds_ = 0;

 private:
  std::uint64_t cycle_ = 0;
  std::int64_t image_ = -1;
  int layer_ = -1;
  std::vector<std::int64_t> sums_;
};

TEST(Observer, SeesEveryCommandAndTheValuesOfEveryFold) {
  const tests::Chain chain = tests::Chain(6, 6, 5).conv(9, 3).max_pool(2, 2).conv(4, 2);
  Machine machine;
  machine.array = {.rows = 4, .columns = 4};
  machine.scratchpads.accumulator_bytes = 64;  // tiles of 2 pixels
  for (const bool array : {false, true}) {
    Listener listener;
    const auto engine = array ? make_array_engine(machine, &listener) : make_tile_engine(machine, &listener);
    const RunResult result =
        engine->run(chain.network(), accumulations(machine, chain.network()), chain.input(2), {});
    EXPECT_TRUE(listener.running_.empty());
    // conv1: 12 k folds x 3 n folds x 8 tiles (4 rows of 4 pixels in twos); conv3: 9 k folds, 1 n fold, 1 tile.
    EXPECT_EQ(listener.folds_, 2 * (12 * 3 * 8 + 9));
    for (const int layer : {1, 2, 3}) {
      EXPECT_EQ(listener.cycles_[layer], result.layers[static_cast<std::size_t>(layer)].cost->cycles);
    }
  }
}

TEST(Engines, GiveTheSameBytesTwice) {
  const tests::RandomCase random = tests::random_case(17);
  const Machine machine = tests::random_machine(17, random.network);
  const auto numbers = accumulations(machine, random.network);
  const auto engine = make_tile_engine(machine);
  const RunResult once = engine->run(random.network, numbers, random.input, {});
  (void)make_array_engine(tests::random_machine(18, random.network))
      ->run(random.network, accumulations(tests::random_machine(18, random.network), random.network), random.input, {});
  nets::RunOptions options;
  options.threads = 3;
  const RunResult twice = engine->run(random.network, numbers, random.input, options);
  expect_same_values(random.network, once, twice);
  expect_same_cost(random.network, once, twice);
}

}  // namespace
}  // namespace guardbit::sim
