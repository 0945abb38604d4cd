// Engine pe = array = tile = reference: codes, accumulators and evidence; pe = array = tile: every cost. Here on chosen
// arrays; random_pairs_test.cpp has the random ones.
#include <gtest/gtest.h>

#include "arith/error.hpp"
#include "sim/simulator.hpp"
#include "tests/sim/chain_network.hpp"
#include "tests/sim/same_results.hpp"

namespace guardbit::sim {
namespace {

using nets::RunResult;

// Adds the outputs that overflowed.
void compare(const Machine& machine, const tests::Chain& chain, std::uint64_t& overflows) {
  const nets::IntegerNetwork& network = chain.network();
  const auto numbers = accumulations(machine, network);
  nets::RunOptions options;
  options.keep_accumulators = true;
  const auto run = [&](const std::unique_ptr<nets::Engine>& engine) {
    return engine->run(network, numbers, chain.input(1), options);
  };
  const RunResult pe = run(make_pe_engine(machine));
  tests::expect_same_values(network, run(nets::make_reference_engine()), pe);
  tests::expect_same_cost(network, run(make_tile_engine(machine)), pe);
  tests::expect_same_cost(network, run(make_array_engine(machine)), pe);
  for (const nets::LayerResult& layer : pe.layers) {
    overflows += layer.accumulation.accumulator.outputs + layer.accumulation.psum.outputs;
  }
}

// Every size in turn, larger and smaller, in one process: PEs outside the machine must not take part.
TEST(PeEngine, AgreesOnArraysOfManySizesOneAfterTheOther) {
  const tests::Chain chain = [] {
    tests::Chain layers(5, 6, 3);
    layers.conv(7, 3, 2, 1, 1, true, 9).conv(7, 3, 1, 1, 7, true, 6).conv(18, 1, 1, 0, 1, false, 9);
    return layers;
  }();
  std::uint64_t overflows = 0;
  constexpr int kSizes[][2]{{1, 1}, {8, 8}, {1, 8}, {8, 1}, {16, 16}, {2, 3}, {3, 2}, {7, 5}};
  for (const auto& [rows, columns] : kSizes) {
    for (const Dataflow dataflow :
         {Dataflow::WeightStationary, Dataflow::OutputStationary, Dataflow::InputStationary}) {
      SCOPED_TRACE(testing::Message() << rows << " x " << columns << " " << name(dataflow));
      Machine machine;
      machine.array = {.rows = rows, .columns = columns, .dataflow = dataflow};
      machine.numerics.accumulator = {arith::parse_format("int<12,SAT>"), 2};
      compare(machine, chain, overflows);
      machine.numerics.psum = arith::AccumulatorSpec{arith::parse_format("int<11,WRAP>"), 3};
      compare(machine, chain, overflows);
    }
  }
  EXPECT_GT(overflows, 1000U);
}

TEST(PeEngine, RefusesArraysLargerThan16x16) {
  Machine machine;
  machine.array = {.rows = 16, .columns = 17};
  try {
    (void)make_pe_engine(machine);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "machine.array: found 16x17, allowed at most 16x16 with engine pe; engine array has no such limit");
  }
}

}  // namespace
}  // namespace guardbit::sim
