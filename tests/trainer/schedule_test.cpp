#include "trainer/schedule.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "arith/error.hpp"
#include "trainer/augment.hpp"

namespace guardbit::trainer {
namespace {

LearningRate parse(const std::string& text) {
  const nets::Section section = nets::Section::parse("learning_rate: " + text);
  LearningRate rate = read_learning_rate(section);
  section.done();
  return rate;
}

TEST(LearningRate, ANumberIsConstant) { EXPECT_EQ(parse("0.25").at(7, 10), 0.25); }
TEST(LearningRate, WarmUpRisesInALine) {
  const LearningRate rate = parse("{rate: 1, warm_up: 2, warm_up_factor: 0.5}");
  EXPECT_DOUBLE_EQ(rate.at(0, 10), 0.5);
  EXPECT_DOUBLE_EQ(rate.at(1, 10), 0.75);
  EXPECT_DOUBLE_EQ(rate.at(2, 10), 1);
}
TEST(LearningRate, StepsFallAtTheirEpochs) {
  const LearningRate step = parse("{policy: step, rate: 1, factor: 0.5, epochs: 3}");
  EXPECT_DOUBLE_EQ(step.at(2.9, 10), 1);
  EXPECT_DOUBLE_EQ(step.at(3, 10), 0.5);
  EXPECT_DOUBLE_EQ(step.at(6.5, 10), 0.25);
  const LearningRate multi = parse("{policy: multi_step, rate: 1, factor: 0.1, milestones: [2, 4]}");
  EXPECT_DOUBLE_EQ(multi.at(1.99, 10), 1);
  EXPECT_DOUBLE_EQ(multi.at(2, 10), 0.1);
  EXPECT_NEAR(multi.at(4, 10), 0.01, 1e-15);
}
TEST(LearningRate, ExponentialPolynomialAndCosineReachTheirEnds) {
  EXPECT_DOUBLE_EQ(parse("{policy: exponential, rate: 1, factor: 0.25, epochs: 2}").at(1, 10), 0.5);
  EXPECT_DOUBLE_EQ(parse("{policy: polynomial, rate: 2, power: 2}").at(5, 10), 0.5);
  const LearningRate cosine = parse("{policy: cosine, rate: 2, final: 0.1}");
  EXPECT_DOUBLE_EQ(cosine.at(0, 10), 2);
  EXPECT_DOUBLE_EQ(cosine.at(5, 10), 1.1);
  EXPECT_DOUBLE_EQ(cosine.at(10, 10), 0.2);
}
TEST(LearningRate, OneCycleRisesAndFalls) {
  const LearningRate rate = parse("{policy: one_cycle, rate: 1, rise: 0.25, start: 0.1, final: 0.01}");
  EXPECT_DOUBLE_EQ(rate.at(0, 8), 0.1);
  EXPECT_DOUBLE_EQ(rate.at(1, 8), 0.55);
  EXPECT_DOUBLE_EQ(rate.at(2, 8), 1);
  EXPECT_DOUBLE_EQ(rate.at(5, 8), 0.505);
  EXPECT_DOUBLE_EQ(rate.at(8, 8), 0.01);
}
TEST(LearningRate, SgdrBeginsAgainAfterEveryCycle) {
  const LearningRate rate = parse("{policy: sgdr, rate: 2, epochs: 2, growth: 2, final: 0.5}");
  EXPECT_DOUBLE_EQ(rate.at(0, 14), 2);
  EXPECT_DOUBLE_EQ(rate.at(1, 14), 1.5);
  EXPECT_DOUBLE_EQ(rate.at(2, 14), 2);    // cycles 0 .. 2, 2 .. 6, 6 .. 14
  EXPECT_DOUBLE_EQ(rate.at(4, 14), 1.5);
  EXPECT_DOUBLE_EQ(rate.at(6, 14), 2);
  EXPECT_DOUBLE_EQ(rate.at(10, 14), 1.5);
  const LearningRate warm = parse("{policy: sgdr, rate: 2, epochs: 2, warm_up: 1, warm_up_factor: 0.5}");
  EXPECT_DOUBLE_EQ(warm.at(0, 9), 1);
  EXPECT_DOUBLE_EQ(warm.at(1, 9), 2);
  EXPECT_DOUBLE_EQ(warm.at(2, 9), 1);
  EXPECT_DOUBLE_EQ(warm.at(3, 9), 2);
}
TEST(LearningRate, SgdrStepBeginsCyclesAtItsMilestones) {
  const LearningRate rate = parse("{policy: sgdr_step, rate: 1, milestones: [2, 6], factor: 0.5}");
  EXPECT_DOUBLE_EQ(rate.at(0, 10), 1);
  EXPECT_DOUBLE_EQ(rate.at(1, 10), 0.5);
  EXPECT_DOUBLE_EQ(rate.at(2, 10), 0.5);
  EXPECT_DOUBLE_EQ(rate.at(4, 10), 0.25);
  EXPECT_DOUBLE_EQ(rate.at(6, 10), 0.25);
  EXPECT_DOUBLE_EQ(rate.at(8, 10), 0.125);
  EXPECT_DOUBLE_EQ(rate.at(10, 10), 0);
  EXPECT_THROW(parse("{policy: sgdr_step, rate: 1, milestones: [6, 2]}"), Error);
}
TEST(LearningRate, PolynomialFallsFromEachMilestoneAnew) {
  const LearningRate rate = parse("{policy: poly, rate: 1, power: 2, milestones: [4, 6], factor: 0.5, final: 0.2}");
  EXPECT_DOUBLE_EQ(rate.at(0, 10), 1);
  EXPECT_DOUBLE_EQ(rate.at(2, 10), 0.4);  // 0.2 + 0.8 * (1 - 1/2)^2
  EXPECT_DOUBLE_EQ(rate.at(4, 10), 0.5);
  EXPECT_DOUBLE_EQ(rate.at(5, 10), 0.2);
  EXPECT_DOUBLE_EQ(rate.at(6, 10), 0.25);
  EXPECT_DOUBLE_EQ(rate.at(8, 10), 0.1);
  EXPECT_DOUBLE_EQ(rate.at(10, 10), 0.05);
  EXPECT_DOUBLE_EQ(parse("{policy: poly, rate: 1, milestones: [5], warm_up: 1}").at(3, 10), 0.5);
  EXPECT_DOUBLE_EQ(parse("{policy: poly, rate: 1, milestones: [5]}").at(5, 10), 1);  // factor 1: the same again
  EXPECT_THROW(parse("{policy: poly, rate: 1, milestones: [6, 2]}"), Error);
}
TEST(LearningRate, PoliciesHaveOtherNames) {
  EXPECT_DOUBLE_EQ(parse("{policy: fix, rate: 3}").at(5, 10), 3);
  EXPECT_DOUBLE_EQ(parse("{policy: decay, rate: 1, factor: 0.5}").at(2.9, 10), 0.25);
  EXPECT_THROW(parse("{policy: decay, rate: 1, factor: 0.5, epochs: 2}"), Error);
  EXPECT_DOUBLE_EQ(parse("{policy: fix_step, rate: 1, factor: 0.5, epochs: 3}").at(3, 10), 0.5);
  EXPECT_DOUBLE_EQ(parse("{policy: custom_step, rate: 1, factor: 0.5, milestones: [4]}").at(4, 10), 0.5);
  EXPECT_DOUBLE_EQ(parse("{policy: poly, rate: 2, power: 2, final: 0.5}").at(5, 10), 1.25);
  EXPECT_DOUBLE_EQ(parse("{policy: cos, rate: 2}").at(5, 10), 1);
}
TEST(LearningRate, KeysOfOtherPoliciesAreErrors) {
  EXPECT_THROW(parse("{policy: cosine, rate: 1, milestones: [1]}"), Error);
  EXPECT_THROW(parse("{policy: cosinus, rate: 1}"), Error);
  EXPECT_THROW(parse("{policy: cosine}"), Error);
}

TEST(Augment, OrderIsAPermutationThatDependsOnSeedAndEpoch) {
  const auto order = shuffled(100, 1, 0);
  EXPECT_EQ(std::set<std::int32_t>(order.begin(), order.end()).size(), 100U);
  EXPECT_EQ(*std::max_element(order.begin(), order.end()), 99);
  EXPECT_EQ(order, shuffled(100, 1, 0));
  EXPECT_NE(order, shuffled(100, 1, 1));
  EXPECT_NE(order, shuffled(100, 2, 0));
}
TEST(Augment, ChangesStayInTheirRangesAndReachThem) {
  const Augment augment{.shift = 2, .flip = true, .rotate_degrees = 10, .scale = 0.1, .cutout = 4};
  std::set<int> shifts;
  int flips = 0;
  for (std::int32_t i = 0; i < 400; ++i) {
    const SampleTransform t = augmented(augment, {28, 28, 1}, i, 1, 3);
    shifts.insert(t.shift_x);
    flips += t.flip ? 1 : 0;
    EXPECT_NEAR(t.matrix[0] * t.matrix[3] - t.matrix[1] * t.matrix[2], 1.03, 0.21);  // 1 / 1.1^2 .. 1 / 0.9^2
    EXPECT_TRUE(t.cut_top >= -2 && t.cut_top <= 25 && t.cut_height == 4);
  }
  EXPECT_EQ(shifts, (std::set<int>{-2, -1, 0, 1, 2}));
  EXPECT_TRUE(flips > 150 && flips < 250);
}
TEST(Augment, ChangesDependOnSeedEpochAndSampleAndNothingElse) {
  const Augment one{.shift = 3, .flip = true, .rotate_degrees = 10, .scale = 0.1, .cutout = 4}, two = one;
  const auto numbers = [](const SampleTransform& t) {
    return std::vector<double>{t.flip ? 1.0 : 0.0, double(t.shift_y), double(t.shift_x), t.matrix[0], t.matrix[1],
                               double(t.cut_top), double(t.cut_left)};
  };
  const auto first = numbers(augmented(one, {28, 28, 1}, 5, 1, 3));
  EXPECT_EQ(first, numbers(augmented(two, {28, 28, 1}, 5, 1, 3)));
  EXPECT_NE(first, numbers(augmented(one, {28, 28, 1}, 6, 1, 3)));
  EXPECT_NE(first, numbers(augmented(one, {28, 28, 1}, 5, 2, 3)));
  EXPECT_NE(first, numbers(augmented(one, {28, 28, 1}, 5, 1, 4)));
}
TEST(Augment, ColoursStayInTheirRangesAndReachThem) {
  const Augment augment{.brightness = 0.1, .saturation = 0.5, .hue = 0.2, .contrast = 0.4};
  std::vector<double> low(4, 9), high(4, -9);
  for (std::int32_t i = 0; i < 400; ++i) {
    const ColourChange c = augmented(augment, {32, 32, 3}, i, 1, 3).colour;
    EXPECT_TRUE(c.wanted);
    const double found[] = {c.brightness / 0.1, (c.saturation - 1) / 0.5, c.hue / 0.2, (c.contrast - 1) / 0.4};
    for (std::size_t k = 0; k < 4; ++k) low[k] = std::min(low[k], found[k]), high[k] = std::max(high[k], found[k]);
  }
  for (std::size_t k = 0; k < 4; ++k) {
    EXPECT_TRUE(low[k] >= -1 && low[k] < -0.98) << k << ": " << low[k];
    EXPECT_TRUE(high[k] <= 1 && high[k] > 0.98) << k << ": " << high[k];
  }
}
TEST(Augment, ColoursAreDrawnBehindTheOtherChanges) {
  const Augment plain{.shift = 3, .flip = true, .rotate_degrees = 10, .scale = 0.1, .cutout = 4};
  Augment coloured = plain;
  coloured.brightness = coloured.saturation = coloured.hue = coloured.contrast = 0.3;
  const SampleTransform a = augmented(plain, {32, 32, 3}, 5, 1, 3), b = augmented(coloured, {32, 32, 3}, 5, 1, 3);
  EXPECT_FALSE(a.colour.wanted);
  EXPECT_TRUE(a.flip == b.flip && a.shift_x == b.shift_x && a.matrix[1] == b.matrix[1] && a.cut_left == b.cut_left);
  EXPECT_NE(b.colour.hue, augmented(coloured, {32, 32, 3}, 6, 1, 3).colour.hue);
  EXPECT_NE(b.colour.hue, augmented(coloured, {32, 32, 3}, 5, 2, 3).colour.hue);
  EXPECT_NE(b.colour.hue, augmented(coloured, {32, 32, 3}, 5, 1, 4).colour.hue);
  EXPECT_EQ(b.colour.hue, augmented(coloured, {32, 32, 3}, 5, 1, 3).colour.hue);
}
TEST(Augment, SaturationAndHueNeedThreeChannels) {
  const auto error = [](const Augment& augment) {
    try {
      static_cast<void>(augmented(augment, {28, 28, 1}, 0, 1, 1));
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("none");
  };
  EXPECT_EQ(error({.hue = 0.1}),
            "trainer.augment: found hue for images of 1 channels, allowed 3 (red, green, blue)");
  EXPECT_EQ(error({.saturation = 0.1}),
            "trainer.augment: found saturation for images of 1 channels, allowed 3 (red, green, blue)");
  EXPECT_EQ(error({.brightness = 0.1, .contrast = 0.1}), "none");
}
TEST(Augment, NothingAskedForChangesNothing) {
  const SampleTransform t = augmented({}, {28, 28, 1}, 7, 1, 1);
  EXPECT_TRUE(t.sample == 7 && !t.flip && !t.affine && t.shift_x == 0 && t.shift_y == 0 && t.cut_height == 0);
}

}  // namespace
}  // namespace guardbit::trainer
