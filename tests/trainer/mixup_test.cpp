#include "trainer/mixup.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace guardbit::trainer {
namespace {

TEST(Mixup, PartnersAreAPermutationAndEverythingDependsOnSeedAndStepOnly) {
  const Mixup one = draw_mixup(0.7, 50, 3, 9), again = draw_mixup(0.7, 50, 3, 9);
  EXPECT_EQ(std::set<std::int32_t>(one.partner.begin(), one.partner.end()).size(), 50U);
  EXPECT_EQ(*std::max_element(one.partner.begin(), one.partner.end()), 49);
  EXPECT_EQ(one.share, again.share);
  EXPECT_EQ(one.partner, again.partner);
  EXPECT_NE(one.share, draw_mixup(0.7, 50, 3, 10).share);
  EXPECT_NE(one.share, draw_mixup(0.7, 50, 4, 9).share);
}

// Beta(a, a): mean 1/2, variance 1 / (4 (2 a + 1)), and the share of numbers below 0.1 by numerical integration of
// the density (x (1 - x))^(a - 1), substituted x = u^k so that the integrand is bounded.
double below_tenth(double a) {
  const auto integral = [&](double to) {
    const int steps = 200000;
    const double k = 1 / a, end = std::pow(to, a);
    double sum = 0;
    for (int i = 0; i < steps; ++i) {
      const double u = (i + 0.5) * end / steps, x = std::pow(u, k);
      sum += k * std::pow(1 - x, a - 1) * end / steps;  // x^(a-1) dx = k du
    }
    return sum;
  };
  return integral(0.1) / (2 * integral(0.5));
}

TEST(Mixup, SharesAreBetaDistributed) {
  for (const double alpha : {0.2, 0.7, 1.0, 3.0}) {
    double sum = 0, squares = 0, low = 0;
    const int count = 20000;
    for (int i = 0; i < count; ++i) {
      const double share = draw_mixup(alpha, 1, 1, static_cast<std::uint64_t>(i)).share;
      ASSERT_TRUE(share >= 0 && share <= 1);
      sum += share;
      squares += (share - 0.5) * (share - 0.5);
      low += share < 0.1 ? 1 : 0;
    }
    EXPECT_NEAR(sum / count, 0.5, 0.013) << alpha;  // five standard deviations at alpha 0.2
    EXPECT_NEAR(squares / count, 1 / (4 * (2 * alpha + 1)), 0.004) << alpha;
    EXPECT_NEAR(low / count, below_tenth(alpha), 0.018) << alpha;
  }
}

}  // namespace
}  // namespace guardbit::trainer
