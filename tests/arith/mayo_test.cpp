// Mayo's quantizers: numbers of SPEC 2.7 and 2.8, the ends of the range, bad parameters. Every row: vectors_test.cpp.
#include <gtest/gtest.h>

#include <cmath>

#include "arith/error.hpp"
#include "arith/mayo.hpp"

namespace guardbit::arith {
namespace {

// Two exponent and two mantissa bits, bias 2: 2^-2 .. 2^1, the largest number is 3.5.
double original(double value) { return mayo_minifloat(value, 4, 2, 2, MayoRange::Original); }
double saturating(double value) { return mayo_minifloat(value, 4, 2, 2); }

TEST(MayoMinifloat, RoundsWithinItsRangeAlike) {
  for (const auto& [value, want] : {std::pair{0.0, 0.0}, {0.125, 0.0}, {-0.125, 0.0}, {0.99, 1.0}, {1.9999, 2.0},
                                    {3.5, 3.5}, {-0.375, -0.375}, {1.125, 1.0}, {1.375, 1.5}, {0.25, 0.25}}) {
    EXPECT_EQ(original(value), want) << value;
    EXPECT_EQ(saturating(value), want) << value;
  }
}

TEST(MayoMinifloat, TheOriginalKeepsTheMantissaBeyondItsRange) {
  EXPECT_EQ(original(6), 3.0);
  EXPECT_EQ(original(300), 2.5);
  EXPECT_EQ(original(0.2), 0.375);
  EXPECT_EQ(original(-5.3), -2.5);
  EXPECT_EQ(original(3.9), 4.0);  // the carry leaves the exponents
}

TEST(MayoMinifloat, SaturationGivesTheNearestEnd) {
  for (const double beyond : {6.0, 300.0, 3.9, 1e300, HUGE_VAL}) {
    EXPECT_EQ(saturating(beyond), 3.5) << beyond;
    EXPECT_EQ(saturating(-beyond), -3.5) << beyond;
  }
  for (const double small : {0.126, 0.13, 0.2, 0.2499}) EXPECT_EQ(saturating(-small), -0.25) << small;
}

TEST(MayoShift, SwitchesAtOneAndAHalf) {
  EXPECT_EQ(mayo_shift(0.74, 4, 14), 0.5);
  EXPECT_EQ(mayo_shift(0.75, 4, 14), 1.0);
  EXPECT_EQ(mayo_shift(-2.9, 4, 14), -2.0);
  EXPECT_EQ(mayo_shift(100, 3, 7, MayoRange::Original), 2.0);
  EXPECT_EQ(mayo_shift(2.9, 3, 7, MayoRange::Original), 1.0);
  EXPECT_EQ(mayo_shift(100, 3, 7), 1.0);
}

TEST(Mayo, RefusesWidthsWithoutMeaning) {
  EXPECT_THROW((void)mayo_minifloat(1, 0, 0, 0), Error);
  EXPECT_THROW((void)mayo_minifloat(1, 3, 4, 0), Error);
  EXPECT_THROW((void)mayo_minifloat(1, 14, 2, 0), Error);
  EXPECT_THROW((void)mayo_minifloat(1, 4, 2, 1001), Error);
  EXPECT_THROW((void)mayo_minifloat(NAN, 4, 2, 2), Error);
}

}  // namespace
}  // namespace guardbit::arith
