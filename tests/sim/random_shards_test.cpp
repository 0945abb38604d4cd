// Thousands of random pairs (random_pair.hpp) beyond those of RandomPairs.Agree, in shards that can run side by side.
#include <gtest/gtest.h>

#include "tests/sim/random_pair.hpp"

namespace guardbit {
namespace {

constexpr std::uint64_t kPairs = 1500;  // of a shard; the first shard begins where RandomPairs.Agree ends

class RandomShard : public testing::TestWithParam<std::uint64_t> {};

TEST_P(RandomShard, Agrees) {
  const std::uint64_t begin = 300 + GetParam() * kPairs;
  tests::Seen seen;
  for (std::uint64_t seed = begin; seed < begin + kPairs && !HasFailure(); ++seed) {
    tests::compare_engines(seed, seen);
  }
  EXPECT_EQ(seen.pairs, kPairs);
}

INSTANTIATE_TEST_SUITE_P(Of4, RandomShard, testing::Range<std::uint64_t>(0, 4));

}  // namespace
}  // namespace guardbit
