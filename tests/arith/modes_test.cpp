// Rounding and overflow: literal tables, and shifts beyond the word.
#include <gtest/gtest.h>

#include "arith/fixed.hpp"
#include "arith/narrow.hpp"

namespace guardbit::arith {
namespace {

TEST(RoundShift, NegativeShiftMultipliesExactly) {
  EXPECT_EQ(round_shift(-3, -4, Rounding::RND).value, -48);
  EXPECT_FALSE(round_shift(-3, -4, Rounding::RND).inexact);
}

}  // namespace
}  // namespace guardbit::arith
