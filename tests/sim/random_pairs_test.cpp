// reference = fast = tile = array = pe on codes, accumulators and evidence, tile = array = pe on every cost: random
// networks on random machines. Environment: GUARDBIT_SIM_SEED=S repeats one pair (the failure prints the command).
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/sim/random_pair.hpp"

namespace guardbit {
namespace {

using tests::Seen;

Seen compare_range(std::uint64_t begin, std::uint64_t end) {
  Seen seen;
  for (std::uint64_t seed = begin; seed < end && !testing::Test::HasFailure(); ++seed) {
    tests::compare_engines(seed, seen);
  }
  return seen;
}

// Every kind of machine and of trouble must have occurred.
void expect_variety(const Seen& seen) {
  for (std::size_t dataflow = 0; dataflow < 3; ++dataflow) {
    EXPECT_GT(seen.overflows[dataflow], seen.pairs);
    EXPECT_GT(seen.psum_overflows[dataflow], seen.pairs);
    EXPECT_GT(seen.conflicts[dataflow], seen.pairs);
    EXPECT_GT(seen.dead[dataflow], seen.pairs);
  }
  EXPECT_GT(seen.psum_pairs, seen.pairs / 4);
  EXPECT_GT(seen.outer_pairs, seen.pairs / 8);
  EXPECT_GT(seen.tiles, seen.pairs / 3);
  EXPECT_GT(seen.spills, seen.pairs);
  EXPECT_GT(seen.waiting_sums, seen.pairs / 100);
  EXPECT_GT(seen.cut_reductions, seen.pairs);
  EXPECT_GT(seen.cut_channels, seen.pairs / 20);
  EXPECT_GT(seen.softmaxes, seen.pairs / 5);
  EXPECT_GT(seen.cut_softmaxes, seen.pairs / 20);
  EXPECT_GT(seen.stalls, seen.pairs);
  EXPECT_GT(seen.padded, seen.pairs);
}

TEST(RandomPairs, Agree) {
  if (const char* text = std::getenv("GUARDBIT_SIM_SEED")) {
    const std::uint64_t seed = std::strtoull(text, nullptr, 10);
    EXPECT_EQ(compare_range(seed, seed + 1).pairs, 1U);
    return;
  }
  const Seen seen = compare_range(0, 300);
  if (!HasFailure()) {
    expect_variety(seen);
  }
}

}  // namespace
}  // namespace guardbit
