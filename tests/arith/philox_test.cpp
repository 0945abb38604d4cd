// The counter-based generator: published known answers, and the draws defined on top of it.
#include <gtest/gtest.h>

#include <cmath>

#include "arith/philox.hpp"

namespace guardbit::arith {
namespace {

using Block = std::array<std::uint32_t, 4>;

// Random123 1.14, tests/kat_vectors, rows "philox4x32 10".
TEST(Philox, GivesTheKnownAnswersOfRandom123) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Block{0x6627e8d5U, 0xe169c58dU, 0xbc57ac4cU, 0x9b00dbd8U}));
  EXPECT_EQ(philox4x32({0xffffffffU, 0xffffffffU, 0xffffffffU, 0xffffffffU}, {0xffffffffU, 0xffffffffU}),
            (Block{0x408f276dU, 0x41c83b0eU, 0xa20bc7c6U, 0x6d5451fdU}));
  EXPECT_EQ(philox4x32({0x243f6a88U, 0x85a308d3U, 0x13198a2eU, 0x03707344U}, {0xa4093822U, 0x299f31d0U}),
            (Block{0xd16cfe09U, 0x94fdccebU, 0x5001e420U, 0x24126ea1U}));
}

TEST(Random, WalksTheBlocksOfItsStream) {
  Random random(0x123456789abcdef0U, 7);
  for (std::uint32_t block = 0; block < 3; ++block) {
    const Block expected = philox4x32({block, 0, 7, 0}, {0x9abcdef0U, 0x12345678U});
    for (const std::uint32_t word : expected) EXPECT_EQ(random.next_u32(), word);
  }
}

TEST(Random, TakesTheLowHalfFirst) {
  Random random(0);
  EXPECT_EQ(random.next_u64(), 0xe169c58d6627e8d5U);
  EXPECT_EQ(Random(0).uniform(), static_cast<double>(0xe169c58d6627e8d5U >> 11) * 0x1p-53);
}

TEST(Random, BelowIsUniform) {
  Random random(5);
  std::array<int, 7> seen{};
  for (int i = 0; i < 70000; ++i) ++seen[random.below(7)];
  for (const int count : seen) EXPECT_NEAR(count, 10000, 400);  // four standard deviations
  EXPECT_EQ(random.below(1), 0U);
  const std::uint64_t large = (std::uint64_t{1} << 63) + 1;  // half of the draws are refused
  for (int i = 0; i < 100; ++i) EXPECT_LT(random.below(large), large);
}

TEST(Random, BelowRefusesTheDrawsThatWouldMakeItBiased) {
  const std::uint64_t n = (std::uint64_t{1} << 63) + 1;
  Random random(5);
  Random same(5);
  int refused = 0;
  for (int i = 0; i < 50; ++i) {
    std::uint64_t draw = same.next_u64();
    for (; draw < n - 2; draw = same.next_u64()) ++refused;  // 2^64 mod n = n - 2
    EXPECT_EQ(random.below(n), draw % n);
  }
  EXPECT_GT(refused, 20);
}

TEST(Random, UniformStaysInTheUnitInterval) {
  Random random(9);
  double sum = 0;
  for (int i = 0; i < 100000; ++i) {
    const double x = random.uniform();
    ASSERT_TRUE(x >= 0 && x < 1);
    sum += x;
  }
  EXPECT_NEAR(sum / 100000, 0.5, 0.004);
}

TEST(Random, NormalHasTheMomentsAndTailsOfTheNormalDistribution) {
  Random random(11);
  double sum = 0, squares = 0, fourth = 0;
  int beyond_two = 0;
  constexpr int kCount = 200000;
  for (int i = 0; i < kCount; ++i) {
    const double x = random.normal();
    sum += x;
    squares += x * x;
    fourth += x * x * x * x;
    beyond_two += std::fabs(x) > 2 ? 1 : 0;
  }
  EXPECT_NEAR(sum / kCount, 0, 0.01);
  EXPECT_NEAR(squares / kCount, 1, 0.015);
  EXPECT_NEAR(fourth / kCount, 3, 0.1);
  EXPECT_NEAR(static_cast<double>(beyond_two) / kCount, 0.0455, 0.002);
}

TEST(Random, NormalIsThePolarMethod) {
  Random random(3);
  Random same(3);
  double u = 0, v = 0, s = 2;
  while (s >= 1 || s == 0) {
    u = 2 * same.uniform() - 1;
    v = 2 * same.uniform() - 1;
    s = u * u + v * v;
  }
  const double factor = std::sqrt(-2 * std::log(s) / s);  // the library's logarithm: close, not equal
  EXPECT_NEAR(random.normal(), u * factor, 1e-14);
  EXPECT_NEAR(random.normal(), v * factor, 1e-14);
}

}  // namespace
}  // namespace guardbit::arith
