// reference = tile = array on codes, accumulators and evidence; tile = array on every cost: random networks on random
// machines. GUARDBIT_SIM_SEED=S repeats one case of EnginesAgree.OnRandomNetworksAndMachines.
#include <gtest/gtest.h>

#include <cstdlib>

#include "nets/engines/compare.hpp"
#include "sim/mapping.hpp"
#include "sim/simulator.hpp"
#include "tests/sim/random_machine.hpp"
#include "tests/support/random_network.hpp"

namespace guardbit::sim {
namespace {

using nets::RunResult;

void expect_same_values(const nets::IntegerNetwork& network, const RunResult& expected, const RunResult& actual) {
  const auto mismatch = nets::first_mismatch(network, expected, actual);
  EXPECT_FALSE(mismatch.has_value()) << mismatch->text();
  for (const std::string& line : nets::compare_evidence(network, expected, actual)) {
    ADD_FAILURE() << line;
  }
  for (std::size_t i = 0; i < expected.layers.size(); ++i) {
    SCOPED_TRACE(network.layers[i].name);
    EXPECT_EQ(expected.layers[i].accumulators, actual.layers[i].accumulators);
    EXPECT_EQ(expected.layers[i].accumulation, actual.layers[i].accumulation);
    EXPECT_EQ(expected.layers[i].stages, actual.layers[i].stages);
  }
}

void expect_same_cost(const nets::IntegerNetwork& network, const RunResult& tile, const RunResult& array) {
  for (std::size_t i = 0; i < tile.layers.size(); ++i) {
    SCOPED_TRACE(network.layers[i].name);
    ASSERT_TRUE(tile.layers[i].cost && array.layers[i].cost);
    EXPECT_EQ(tile.layers[i].cost->cycles, array.layers[i].cost->cycles);
    EXPECT_TRUE(*tile.layers[i].cost == *array.layers[i].cost);
  }
}

// What a whole test saw, so that agreement about nothing does not pass.
struct Seen {
  std::uint64_t overflows = 0, psum_overflows = 0, stalls = 0, padded = 0, tiles = 0, pairs = 0;
};

void compare_engines(std::uint64_t seed, Seen& seen) {
  SCOPED_TRACE(testing::Message() << "repeat with GUARDBIT_SIM_SEED=" << seed);
  const tests::RandomCase random = tests::random_case(seed);
  const Machine machine = tests::random_machine(seed, random.network);
  const auto numbers = accumulations(machine, random.network);
  nets::RunOptions options;
  options.keep_accumulators = true;
  options.first_image = static_cast<std::int64_t>(seed % 5);
  const RunResult reference = nets::make_reference_engine()->run(random.network, numbers, random.input, options);
  const RunResult tile = make_tile_engine(machine)->run(random.network, numbers, random.input, options);
  const RunResult array = make_array_engine(machine)->run(random.network, numbers, random.input, options);
  {
    SCOPED_TRACE("tile");
    expect_same_values(random.network, reference, tile);
  }
  {
    SCOPED_TRACE("array");
    expect_same_values(random.network, reference, array);
  }
  expect_same_cost(random.network, tile, array);
  ++seen.pairs;
  for (const nets::LayerResult& layer : tile.layers) {
    seen.overflows += layer.accumulation.accumulator.outputs;
    seen.psum_overflows += layer.accumulation.psum.outputs;
    seen.stalls += layer.cost->dram_stall_cycles;
    seen.padded += layer.cost->padded_macs;
  }
  for (const LayerProgram& program : map_network(machine, random.network)) {
    seen.tiles += program.commands.size() > 10 ? 1 : 0;
  }
}

TEST(EnginesAgree, OnRandomNetworksAndMachines) {
  std::uint64_t begin = 0, end = 300;
  if (const char* seed = std::getenv("GUARDBIT_SIM_SEED")) {
    begin = std::strtoull(seed, nullptr, 10);
    end = begin + 1;
  }
  Seen seen;
  for (std::uint64_t seed = begin; seed < end && !testing::Test::HasFailure(); ++seed) {
    compare_engines(seed, seen);
  }
  if (end - begin > 1) {
    EXPECT_GT(seen.overflows, 1000U);
    EXPECT_GT(seen.psum_overflows, 1000U);
    EXPECT_GT(seen.stalls, 1000U);
    EXPECT_GT(seen.padded, 1000U);
    EXPECT_GT(seen.tiles, 100U);
  }
}

}  // namespace
}  // namespace guardbit::sim
