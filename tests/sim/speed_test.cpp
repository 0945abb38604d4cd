// CifarNet, one image on the 16x16 machine: both engines agree with each other and with the fast engine at real sizes,
// and say how long they took (printed, not judged).
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>

#include "nets/engines/compare.hpp"
#include "sim/simulator.hpp"
#include "tests/sim/chain_network.hpp"

namespace guardbit::sim {
namespace {

nets::RunResult timed(nets::Engine& engine, const tests::Chain& chain, const Machine& machine,
                      std::int64_t images = 1) {
  const auto begin = std::chrono::steady_clock::now();
  auto result = engine.run(chain.network(), accumulations(machine, chain.network()), chain.input(images), {});
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  std::printf("  %-6s %s step %d: %.3f s\n", engine.name().c_str(),
              arith::to_string(machine.numerics.accumulator.format).c_str(), machine.numerics.accumulator.step,
              seconds.count());
  return result;
}

void compare_on_cifarnet(const char* format, int step, Dataflow dataflow = Dataflow::WeightStationary) {
  const tests::Chain chain = tests::cifarnet_chain();
  Machine machine;
  machine.numerics.accumulator = {arith::parse_format(format), step};
  machine.array.dataflow = dataflow;
  const auto fast = timed(*nets::make_fast_engine(), chain, machine);
  const auto tile = timed(*make_tile_engine(machine), chain, machine);
  const auto array = timed(*make_array_engine(machine), chain, machine);
  std::uint64_t macs = 0;
  for (std::size_t i = 0; i < tile.layers.size(); ++i) {
    EXPECT_EQ(fast.layers[i].codes, tile.layers[i].codes);
    EXPECT_EQ(fast.layers[i].codes, array.layers[i].codes);
    EXPECT_EQ(fast.layers[i].accumulation, tile.layers[i].accumulation);
    EXPECT_EQ(fast.layers[i].accumulation, array.layers[i].accumulation);
    EXPECT_EQ(*tile.layers[i].cost, *array.layers[i].cost);
    macs += tile.layers[i].cost->useful_macs;
  }
  EXPECT_EQ(macs, 174301824U);
}

// LeNet-5 (20 and 50 channels, 500 units), many images: what a verification over a data set costs per image.
TEST(LeNet5, OverManyImages) {
  tests::Chain chain(28, 28, 1);
  chain.conv(20, 5, 1, 0, 1, true, 9).max_pool(2, 2).conv(50, 5, 1, 0, 1, true, 11).max_pool(2, 2);
  chain.conv(500, 4, 1, 0, 1, true, 11).conv(10, 1, 1, 0, 1, true, 10);
  Machine machine;
  machine.numerics.accumulator.format = arith::parse_format("int<16,SAT>");
  const auto fast = timed(*nets::make_fast_engine(), chain, machine, 50);
  const auto tile = timed(*make_tile_engine(machine), chain, machine, 50);
  const auto array = timed(*make_array_engine(machine), chain, machine, 50);
  for (std::size_t i = 0; i < tile.layers.size(); ++i) {
    EXPECT_EQ(fast.layers[i].codes, tile.layers[i].codes);
    EXPECT_EQ(fast.layers[i].accumulation, array.layers[i].accumulation);
    EXPECT_EQ(*tile.layers[i].cost, *array.layers[i].cost);
  }
}

TEST(CifarNet, WrappingAt32Bits) { compare_on_cifarnet("int<32,WRAP>", 1); }
TEST(CifarNet, SaturatingAt16Bits) { compare_on_cifarnet("int<16,SAT>", 1); }
TEST(CifarNet, WrappingAt20BitsInGroupsOf4) { compare_on_cifarnet("int<20,WRAP>", 4); }
TEST(CifarNet, OutputStationary) { compare_on_cifarnet("int<16,SAT>", 1, Dataflow::OutputStationary); }
TEST(CifarNet, OutputStationaryInGroupsOf4) { compare_on_cifarnet("int<20,WRAP>", 4, Dataflow::OutputStationary); }
TEST(CifarNet, InputStationary) { compare_on_cifarnet("int<16,SAT>", 1, Dataflow::InputStationary); }

}  // namespace
}  // namespace guardbit::sim
