// Engine pe = array = tile = reference: codes, accumulators and evidence; pe = array = tile: every cost.
// GUARDBIT_SIM_SEED=S repeats one random case, GUARDBIT_SIM_CASES=N runs cases 0 to N - 1.
#include <gtest/gtest.h>

#include <cstdlib>

#include "arith/error.hpp"
#include "sim/simulator.hpp"
#include "tests/sim/chain_network.hpp"
#include "tests/sim/compare_results.hpp"
#include "tests/sim/random_machine.hpp"
#include "tests/support/random_network.hpp"

namespace guardbit::sim {
namespace {

using nets::RunResult;

struct Seen {
  std::uint64_t overflows = 0, psum_overflows = 0, stalls = 0;
};

void compare(const Machine& machine, const nets::IntegerNetwork& network, const nets::IntTensor& input, Seen& seen,
             std::int64_t first_image = 0) {
  const auto numbers = accumulations(machine, network);
  nets::RunOptions options;
  options.keep_accumulators = true;
  options.first_image = first_image;
  const RunResult reference = nets::make_reference_engine()->run(network, numbers, input, options);
  const RunResult tile = make_tile_engine(machine)->run(network, numbers, input, options);
  const RunResult array = make_array_engine(machine)->run(network, numbers, input, options);
  const RunResult pe = make_pe_engine(machine)->run(network, numbers, input, options);
  tests::expect_same_values(network, reference, pe);
  tests::expect_same_values(network, reference, array);
  tests::expect_same_cost(network, tile, pe);
  tests::expect_same_cost(network, array, pe);
  for (const nets::LayerResult& layer : pe.layers) {
    seen.overflows += layer.accumulation.accumulator.outputs;
    seen.psum_overflows += layer.accumulation.psum.outputs;
    seen.stalls += layer.cost->dram_stall_cycles;
  }
}

TEST(PeEngine, AgreesOnRandomNetworksAndMachines) {
  std::uint64_t begin = 1000, end = 1040;
  if (const char* cases = std::getenv("GUARDBIT_SIM_CASES")) {
    begin = 0;
    end = std::strtoull(cases, nullptr, 10);
  }
  if (const char* seed = std::getenv("GUARDBIT_SIM_SEED")) {
    begin = std::strtoull(seed, nullptr, 10);
    end = begin + 1;
  }
  Seen seen;
  for (std::uint64_t seed = begin; seed < end && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "repeat with GUARDBIT_SIM_SEED=" << seed);
    const tests::RandomCase random = tests::random_case(seed);
    const Machine machine = tests::random_machine(seed, random.network);
    compare(machine, random.network, random.input, seen, static_cast<std::int64_t>(seed % 5));
  }
  if (end - begin >= 40) {
    EXPECT_GT(seen.overflows, 200U);
    EXPECT_GT(seen.psum_overflows, 200U);
    EXPECT_GT(seen.stalls, 200U);
  }
}

// Every size in turn, larger and smaller, in one process: PEs outside the machine must not take part.
TEST(PeEngine, AgreesOnArraysOfManySizesOneAfterTheOther) {
  const tests::Chain chain = [] {
    tests::Chain layers(5, 6, 3);
    layers.conv(7, 3, 2, 1, 1, true, 9).conv(7, 3, 1, 1, 7, true, 6).conv(18, 1, 1, 0, 1, false, 9);
    return layers;
  }();
  Seen seen;
  constexpr int kSizes[][2]{{1, 1}, {8, 8}, {1, 8}, {8, 1}, {16, 16}, {2, 3}, {3, 2}, {7, 5}};
  for (const auto& [rows, columns] : kSizes) {
    for (const Dataflow dataflow :
         {Dataflow::WeightStationary, Dataflow::OutputStationary, Dataflow::InputStationary}) {
      SCOPED_TRACE(testing::Message() << rows << " x " << columns << " " << name(dataflow));
      Machine machine;
      machine.array = {.rows = rows, .columns = columns, .dataflow = dataflow};
      machine.numerics.accumulator = {arith::parse_format("int<12,SAT>"), 2};
      compare(machine, chain.network(), chain.input(1), seen);
      machine.numerics.psum = arith::AccumulatorSpec{arith::parse_format("int<11,WRAP>"), 3};
      compare(machine, chain.network(), chain.input(1), seen);
    }
  }
  EXPECT_GT(seen.overflows, 100U);
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
