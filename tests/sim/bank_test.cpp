// Bank conflicts, dead bytes and rooflines of tiny cases, derived by hand, on both engines.
#include "sim/bank.hpp"

#include <gtest/gtest.h>

#include "sim/roofline.hpp"
#include "sim/simulator.hpp"
#include "tests/sim/chain_network.hpp"

namespace guardbit::sim {
namespace {

using nets::LayerCost;
using tests::Chain;

TEST(BankClock, TheFullestBankDecides) {
  Machine::Scratchpads pads;
  pads.banks = 4;
  pads.word = 2;
  pads.ports = 1;
  BankClock clock;
  clock.configure(pads);
  EXPECT_EQ(clock.end_cycle(), 0);
  // Words 0, 0, 4, 8: bank 0 has three of them; words 1 and 2 stand in other banks.
  for (const std::int64_t address : {0, 1, 8, 16, 2, 4}) clock.read(Memory::Weight, address);
  EXPECT_EQ(clock.end_cycle(), 2);
  EXPECT_EQ(clock.end_cycle(), 0) << "the cycle is over";
  // Memories, and the reads and writes of one, do not disturb each other.
  for (const Memory memory : {Memory::Activation, Memory::Weight, Memory::Accumulator}) {
    clock.read(memory, 0);
    clock.write(memory, 0);
  }
  EXPECT_EQ(clock.end_cycle(), 0);
  clock.write(Memory::Accumulator, 0);
  clock.write(Memory::Accumulator, 8);
  EXPECT_EQ(clock.end_cycle(), 1);
  pads.ports = 2;
  clock.configure(pads);
  for (const std::int64_t address : {0, 8, 16}) clock.read(Memory::Weight, address);
  EXPECT_EQ(clock.end_cycle(), 1);
}

TEST(BankClock, AccessesAtOnceCountLikeSingleOnes) {
  struct Shape {
    int banks, word, ports;
  };
  const Shape shapes[] = {{16, 1, 1}, {16, 4, 1}, {64, 2, 2}, {128, 1, 1}, {12, 1, 1}, {8, 3, 1}, {1, 1, 1}, {4, 1, 0}};
  for (const auto [banks, word, ports] : shapes) {
    Machine::Scratchpads pads;
    pads.banks = banks;
    pads.word = word;
    pads.ports = ports;
    BankClock single, whole;
    single.configure(pads);
    whole.configure(pads);
    for (std::int64_t step = 0; step < 70; ++step) {
      for (std::int64_t count = 0; count < 20; ++count) {
        std::vector<std::int64_t> reads, writes;
        for (std::int64_t i = 0; i < count; ++i) {
          reads.push_back(3 + i * step);
          writes.push_back((7 + i * step) % 23);
          single.read(Memory::Activation, reads.back());
          single.write(Memory::Accumulator, writes.back());
        }
        whole.read(Memory::Activation, reads);
        whole.write(Memory::Accumulator, writes);
        EXPECT_EQ(whole.end_cycle(), single.end_cycle()) << banks << " banks, word " << word << ", step " << step;
      }
    }
  }
}

Machine two_by_two(Dataflow dataflow) {
  Machine machine;
  machine.array = {.rows = 2, .columns = 2, .dataflow = dataflow};
  machine.dram = {.bytes_per_cycle = 4, .latency_cycles = 3};
  machine.vector_unit.lanes = 2;
  return machine;
}

LayerCost cost_of(const Machine& machine, const Chain& chain, bool array) {
  const auto engine = array ? make_array_engine(machine) : make_tile_engine(machine);
  const auto result = engine->run(chain.network(), accumulations(machine, chain.network()), chain.input(1), {});
  return *result.layers.back().cost;
}

class Banks : public testing::TestWithParam<bool> {
 protected:
  std::uint64_t waits(Dataflow dataflow, const Chain& chain, int banks, int word, int ports, bool psum = false) {
    Machine machine = two_by_two(dataflow);
    if (psum) machine.numerics.psum = arith::AccumulatorSpec{arith::integer_format(20), 1};
    const LayerCost ideal = cost_of(machine, chain, GetParam());
    EXPECT_EQ(ideal.bank_conflict_cycles, 0U);
    machine.scratchpads.banks = banks;
    machine.scratchpads.word = word;
    machine.scratchpads.ports = ports;
    const LayerCost cost = cost_of(machine, chain, GetParam());
    EXPECT_EQ(cost.array_busy_cycles, ideal.array_busy_cycles);
    EXPECT_EQ(cost.useful_macs, ideal.useful_macs);
    return cost.bank_conflict_cycles;
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, Banks, testing::Values(false, true),
                         [](const auto& param) { return param.param ? "array" : "tile"; });

TEST_P(Banks, OfAWeightStationaryPass) {
  // 3 pixels, 2 -> 2 channels, one bank of one element.
  //   load      each row reads 2 weights: 1 wait, twice
  //   cycle     0   1   2   3   4   5
  //   x read    1   2   2   1           row 0 pixel t, row 1 pixel t - 1
  //   written           1   2   2   1   column 0 pixel t - 2, column 1 pixel t - 3
  //   waits     0   1   1   1   1   0
  const Chain chain = Chain(1, 3, 2).conv(2, 1);
  EXPECT_EQ(waits(Dataflow::WeightStationary, chain, 1, 1, 1), 2U + 4U);
  EXPECT_EQ(waits(Dataflow::WeightStationary, chain, 1, 1, 2), 0U);
  // Two banks: neighbours stand in different ones, and so do the two operands of a cycle (addresses 2t and 2t - 1).
  EXPECT_EQ(waits(Dataflow::WeightStationary, chain, 2, 1, 1), 0U);
  // One bank of two elements: a row of weights is one word, the two operands of a cycle stand in two.
  EXPECT_EQ(waits(Dataflow::WeightStationary, chain, 1, 2, 1), 4U);
  // Everything in one word.
  EXPECT_EQ(waits(Dataflow::WeightStationary, chain, 1, 16, 1), 0U);
}

TEST_P(Banks, OfTheSumsThatComeBack) {
  // 3 pixels, 4 -> 2 channels: two passes. The second reads a sum at the top two cycles before it is written:
  //   cycle     0   1   2   3   4   5
  //   x, sums   1   2   2   1
  //   written           1   2   2   1     so it waits as the first; four banks serve the x of both channels of a pixel.
  const Chain chain = Chain(1, 3, 4).conv(2, 1);
  EXPECT_EQ(waits(Dataflow::WeightStationary, chain, 1, 1, 1), 2 * 6U);
  // With a format of their own, sums are read where they are written.
  EXPECT_EQ(waits(Dataflow::WeightStationary, chain, 1, 1, 1, true), 2 * 6U);
  // 4 banks: x of cycle t stand at 4t and 4t - 3; weights at 2k, 2k + 1; sums at 2t and 2t - 1: never the same bank.
  EXPECT_EQ(waits(Dataflow::WeightStationary, chain, 4, 1, 1), 0U);
  // 3 banks: 4t and 4t - 3 are in the same one: 2 waits in each pass.
  EXPECT_EQ(waits(Dataflow::WeightStationary, chain, 3, 1, 1), 2 * 2U);
}

TEST_P(Banks, OfAnOutputStationaryPass) {
  // 2 pixels, 3 -> 2 channels, one bank: x and weights are read in pairs in cycles 1 and 2; two rows of two sums leave.
  EXPECT_EQ(waits(Dataflow::OutputStationary, Chain(1, 2, 3).conv(2, 1), 1, 1, 1), 2U + 2U);
  EXPECT_EQ(waits(Dataflow::OutputStationary, Chain(1, 2, 3).conv(2, 1), 1, 1, 2), 0U);
  // Sums alone wait: 2 words of one bank. x of cycle t: addresses t and 3 + t - 1; weights: 2t and 2(t - 1) + 1.
  EXPECT_EQ(waits(Dataflow::OutputStationary, Chain(1, 2, 3).conv(2, 1), 5, 1, 1), 0U);
}

TEST_P(Banks, OfAnInputStationaryPass) {
  // 2 pixels, 2 -> 3 channels, one bank: each row loads the x of 2 pixels; weights are streamed as x above.
  EXPECT_EQ(waits(Dataflow::InputStationary, Chain(1, 2, 2).conv(3, 1), 1, 1, 1), 2U + 4U);
  EXPECT_EQ(waits(Dataflow::InputStationary, Chain(1, 2, 2).conv(3, 1), 1, 1, 2), 0U);
}

TEST_P(Banks, ConflictsLengthenTheLayer) {
  Machine machine = two_by_two(Dataflow::WeightStationary);
  machine.scratchpads.banks = 1;
  machine.scratchpads.ports = 1;
  const LayerCost cost = cost_of(machine, Chain(1, 3, 2).conv(2, 1), GetParam());
  EXPECT_EQ(cost.cycles, 25U + 6U);  // cycles_test.cpp derives the 25
  EXPECT_EQ(cost.dram_stall_cycles, 9U + 5U);
  EXPECT_EQ(cost.vector_stall_cycles, 3U);
}

TEST_P(Banks, PaddedTapsNeedNoBank) {
  // 1 pixel, 3x3 window of padding around one input: one access in nine.
  Machine machine = two_by_two(Dataflow::WeightStationary);
  machine.array.rows = 9;
  machine.scratchpads.banks = 1;
  machine.scratchpads.ports = 1;
  const LayerCost cost = cost_of(machine, Chain(1, 1, 1).conv(1, 3, 1, 1), GetParam());
  EXPECT_EQ(cost.bank_conflict_cycles, 0U);
}

class DeadBytes : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Engines, DeadBytes, testing::Values(false, true),
                         [](const auto& param) { return param.param ? "array" : "tile"; });

TEST_P(DeadBytes, AreInputsThatNoWindowReads) {
  // 1x1 windows with stride 2 over 3x3: the rows and columns between are loaded, 4 of 9 inputs are read.
  for (const Dataflow dataflow :
       {Dataflow::WeightStationary, Dataflow::OutputStationary, Dataflow::InputStationary}) {
    const LayerCost cost = cost_of(two_by_two(dataflow), Chain(3, 3, 2).conv(3, 1, 2), GetParam());
    EXPECT_EQ(cost.activation_dead_bytes, 2 * 5U);
    EXPECT_EQ(cost.weight_dead_bytes, 0U);
    EXPECT_EQ(cost.accumulator_dead_bytes, 0U);
  }
  EXPECT_EQ(cost_of(two_by_two(Dataflow::WeightStationary), Chain(3, 3, 2).conv(3, 3), GetParam()).activation_dead_bytes,
            0U);
}

TEST_P(DeadBytes, AreNoneWhereInputsStay) {
  // 3 blocks of channels x 16 tiles of one pixel, inputs that stay: they are loaded once, row by row, and all are read.
  Machine machine = two_by_two(Dataflow::WeightStationary);
  machine.scratchpads.accumulator_bytes = 16;
  const Chain chain = Chain(6, 6, 2).conv(6, 3);
  const LayerCost cost = cost_of(machine, chain, GetParam());
  EXPECT_EQ(cost.activation_dead_bytes, 0U);
  EXPECT_EQ(cost.dram_read_bytes, 6U * 6 * 2 + 6 * 9 * 2);
}

TEST(Roofline, TheLowerRoofBinds) {
  Machine machine = two_by_two(Dataflow::WeightStationary);
  LayerCost cost;
  EXPECT_FALSE(roofline(machine, cost).has_value());
  cost.useful_macs = 600;
  cost.cycles = 300;
  cost.dram_read_bytes = 1000;
  cost.dram_write_bytes = 200;
  // Memory: 600 MACs in 1000 / 4 = 250 cycles.
  const auto memory = roofline(machine, cost);
  EXPECT_DOUBLE_EQ(memory->intensity, 0.5);
  EXPECT_DOUBLE_EQ(memory->attainable, 2.4);
  EXPECT_DOUBLE_EQ(memory->achieved, 2.0);
  EXPECT_TRUE(memory->memory_bound);
  cost.dram_read_bytes = 100;  // now writes: 50 cycles, 12 MACs per cycle
  const auto compute = roofline(machine, cost);
  EXPECT_DOUBLE_EQ(compute->attainable, 4.0);
  EXPECT_FALSE(compute->memory_bound);
}

}  // namespace
}  // namespace guardbit::sim
