// Rounding and overflow: literal tables, shifts beyond the word, every small value against integer division.
#include <gtest/gtest.h>

#include <array>

#include "arith/mode_names.hpp"
#include "arith/detail/rounding_terms.hpp"
#include "arith/narrow.hpp"

namespace guardbit::arith {
namespace {

constexpr std::array kRoundings = {Rounding::RND,     Rounding::RND_ZERO, Rounding::RND_MIN_INF,
                                   Rounding::RND_INF, Rounding::RND_CONV, Rounding::TRN,
                                   Rounding::TRN_ZERO, Rounding::RND_CONV_ODD};

// numerator / denominator by the definition of each mode: compare the remainder with one half.
std::int64_t rounded_quotient(std::int64_t numerator, std::int64_t denominator, Rounding mode) {
  std::int64_t below = numerator / denominator;
  if (numerator % denominator < 0) --below;
  const std::int64_t twice_rest = 2 * (numerator - below * denominator);
  if (twice_rest == 0) return below;
  switch (mode) {
    case Rounding::TRN:
      return below;
    case Rounding::TRN_ZERO:
      return numerator < 0 ? below + 1 : below;
    default:
      break;
  }
  if (twice_rest != denominator) return twice_rest > denominator ? below + 1 : below;
  switch (mode) {
    case Rounding::RND:
      return below + 1;
    case Rounding::RND_MIN_INF:
      return below;
    case Rounding::RND_INF:
      return numerator > 0 ? below + 1 : below;
    case Rounding::RND_ZERO:
      return numerator > 0 ? below : below + 1;
    case Rounding::RND_CONV_ODD:
      return below % 2 == 0 ? below + 1 : below;
    default:
      return below % 2 == 0 ? below : below + 1;
  }
}

TEST(RoundShift, EqualsIntegerDivisionForAllSmallValues) {
  for (const Rounding mode : kRoundings) {
    for (int shift = 0; shift <= 9; ++shift) {
      for (int value = -1100; value <= 1100; ++value) {
        const Rounded got = round_shift(value, shift, mode);
        ASSERT_EQ(static_cast<std::int64_t>(got.value), rounded_quotient(value, std::int64_t{1} << shift, mode))
            << name(mode) << " " << value << " >> " << shift;
        ASSERT_EQ(got.inexact, value % (1 << shift) != 0);
      }
    }
  }
}

TEST(RoundShift, TiesGoToEvenUnderRndConv) {
  EXPECT_EQ(round_shift(-7, 1, Rounding::RND_CONV).value, -4);
  EXPECT_EQ(round_shift(-5, 1, Rounding::RND_CONV).value, -2);
  EXPECT_EQ(round_shift(1, 1, Rounding::RND_CONV).value, 0);
  EXPECT_EQ(round_shift(7, 1, Rounding::RND_CONV).value, 4);
}

TEST(RoundShift, TiesGoToOddUnderRndConvOdd) {
  EXPECT_EQ(round_shift(-7, 1, Rounding::RND_CONV_ODD).value, -3);
  EXPECT_EQ(round_shift(-5, 1, Rounding::RND_CONV_ODD).value, -3);
  EXPECT_EQ(round_shift(1, 1, Rounding::RND_CONV_ODD).value, 1);
  EXPECT_EQ(round_shift(7, 1, Rounding::RND_CONV_ODD).value, 3);
  EXPECT_EQ(round_shift(20, 3, Rounding::RND_CONV_ODD).value, 3);
  EXPECT_EQ(round_shift(19, 3, Rounding::RND_CONV_ODD).value, 2);
}

TEST(RoundShift, StickyBitsDecideNextToATie) {
  EXPECT_EQ(round_shift(20, 3, Rounding::RND_CONV).value, 2);
  EXPECT_EQ(round_shift(21, 3, Rounding::RND_CONV).value, 3);
  EXPECT_EQ(round_shift(20, 3, Rounding::RND_MIN_INF).value, 2);
  EXPECT_EQ(round_shift(21, 3, Rounding::RND_MIN_INF).value, 3);
  EXPECT_EQ(round_shift(-19, 3, Rounding::RND_INF).value, -2);
}

TEST(RoundShift, NegativeShiftMultipliesExactly) {
  EXPECT_EQ((round_shift(-3, -4, Rounding::RND)), (Rounded{-48, false}));
  EXPECT_EQ((round_shift(1, -126, Rounding::RND)), (Rounded{int128{1} << 126, false}));
  EXPECT_EQ((round_shift(-1, -126, Rounding::RND)), (Rounded{-(int128{1} << 126), false}));
  EXPECT_EQ((round_shift(0, -1000, Rounding::RND)), (Rounded{0, false}));
}

TEST(RoundShift, AProductBeyondTheWordStillOverflowsEveryFormatAndWrapsRight) {
  for (const int shift : {100, 120, 126, 127, 128, 129, 4000}) {
    for (const int128 value : {int128{INT64_MAX}, int128{INT64_MIN}, int128{3}, int128{-3}, int128{1} << 40}) {
      if (shift < 125 && value < 100 && value > -100) continue;  // still fits
      EXPECT_EQ(narrow(value, -shift, integer_format(64)).value, value < 0 ? INT64_MIN : INT64_MAX);
      EXPECT_EQ(narrow(value, -shift, integer_format(64, true, Overflow::WRAP)).value, 0);
      EXPECT_TRUE(narrow(value, -shift, integer_format(64, true, Overflow::WRAP)).overflowed);
    }
  }
}

TEST(RoundShift, ShiftsBeyondTheWordSeeOnlyTheSign) {
  const int128 lowest = -(int128{1} << 126) * 2;
  for (const int shift : {127, 128, 129, 1000}) {
    EXPECT_EQ(round_shift(1, shift, Rounding::TRN), (Rounded{0, true})) << shift;
    EXPECT_EQ(round_shift(-1, shift, Rounding::TRN), (Rounded{-1, true})) << shift;
    EXPECT_EQ(round_shift(-1, shift, Rounding::TRN_ZERO), (Rounded{0, true})) << shift;
    EXPECT_EQ(round_shift(-1, shift, Rounding::RND), (Rounded{0, true})) << shift;
    EXPECT_EQ(round_shift(-1, shift, Rounding::RND_INF), (Rounded{0, true})) << shift;
    EXPECT_EQ(round_shift(0, shift, Rounding::TRN), (Rounded{0, false})) << shift;
  }
  EXPECT_EQ(round_shift(lowest, 127, Rounding::RND), (Rounded{-1, false}));
  EXPECT_EQ(round_shift(lowest, 128, Rounding::RND_INF).value, -1);  // exactly one half
  EXPECT_EQ(round_shift(lowest, 128, Rounding::RND).value, 0);
  EXPECT_EQ(round_shift(lowest, 128, Rounding::RND_CONV).value, 0);
  EXPECT_EQ(round_shift(lowest, 129, Rounding::RND_INF).value, 0);  // a quarter
  EXPECT_EQ(round_shift(lowest + 1, 127, Rounding::TRN_ZERO).value, 0);
}

Format int4(Overflow overflow, int n_bits = 0, bool is_signed = true) {
  Format format = integer_format(4, is_signed, overflow);
  format.n_bits = n_bits;
  return format;
}

TEST(Fit, KeepsEveryCodeAndFlagsEverythingElse) {
  for (int width = 1; width <= 6; ++width) {
    for (const bool is_signed : {true, false}) {
      const Format format = integer_format(width, is_signed, Overflow::WRAP);
      for (int value = -200; value <= 200; ++value) {
        EXPECT_EQ(fit(value, format).overflowed, !format.contains(value));
        EXPECT_EQ(fit(value, format).value == value, format.contains(value));
        EXPECT_TRUE(format.contains(fit(value, format).value));
      }
    }
  }
}

TEST(Fit, FollowsTheTableOfModes) {
  EXPECT_EQ(fit(9, int4(Overflow::SAT)), (Fitted{7, true}));
  EXPECT_EQ(fit(-9, int4(Overflow::SAT)), (Fitted{-8, true}));
  EXPECT_EQ(fit(9, int4(Overflow::SAT_ZERO)), (Fitted{0, true}));
  EXPECT_EQ(fit(-8, int4(Overflow::SAT_SYM)), (Fitted{-7, true}));
  EXPECT_EQ(fit(9, int4(Overflow::WRAP)), (Fitted{-7, true}));
  EXPECT_EQ(fit(-9, int4(Overflow::WRAP)), (Fitted{7, true}));
  EXPECT_EQ(fit(8, int4(Overflow::WRAP_SM)), (Fitted{7, true}));
  EXPECT_EQ(fit(-10, int4(Overflow::WRAP_SM)), (Fitted{-7, true}));
  EXPECT_EQ(fit(17, int4(Overflow::WRAP_SM)), (Fitted{-2, true}));
  EXPECT_EQ(fit(24, int4(Overflow::WRAP_SM)), (Fitted{-8, true}));
  EXPECT_EQ(fit(-1, int4(Overflow::SAT_SYM, 0, false)), (Fitted{0, true}));
  EXPECT_EQ(fit(16, int4(Overflow::WRAP, 0, false)), (Fitted{0, true}));
}

TEST(Fit, SaturatedBitsKeepTheSignAndCopyTheRest) {
  EXPECT_EQ(fit(8, int4(Overflow::WRAP, 1)).value, 0);
  EXPECT_EQ(fit(-9, int4(Overflow::WRAP, 1)).value, -1);
  EXPECT_EQ(fit(9, int4(Overflow::WRAP, 2)).value, 5);
  EXPECT_EQ(fit(-12, int4(Overflow::WRAP, 2)).value, -8);
  EXPECT_EQ(fit(9, int4(Overflow::WRAP, 4)).value, 7);
  EXPECT_EQ(fit(17, int4(Overflow::WRAP, 1, false)).value, 9);
  EXPECT_EQ(fit(-3, int4(Overflow::WRAP, 1, false)).value, 5);
  EXPECT_EQ(fit(12, int4(Overflow::WRAP_SM, 2)).value, 4);
}

TEST(Fit, WorksAt64Bits) {
  const int128 two64 = int128{1} << 64;
  EXPECT_EQ(fit(two64 - 1, integer_format(64, false)), (Fitted{two64 - 1, false}));
  EXPECT_EQ(fit(two64, integer_format(64, false)), (Fitted{two64 - 1, true}));
  EXPECT_EQ(fit(two64 / 2, integer_format(64, true, Overflow::WRAP)), (Fitted{INT64_MIN, true}));
  EXPECT_EQ(fit(two64 / 2, integer_format(64, true, Overflow::WRAP_SM)), (Fitted{INT64_MAX, true}));
}

TEST(RoundingTerms, AddUpToTheRounding) {
  for (const Rounding mode : kRoundings) {
    for (int shift = 0; shift <= 62; ++shift) {
      const detail::RoundingTerms terms = detail::rounding_terms(mode, shift);
      for (const std::int64_t value : {INT64_MIN, INT64_MIN + 1, std::int64_t{-3}, std::int64_t{-1}, std::int64_t{0},
                                       std::int64_t{1}, std::int64_t{5}, INT64_MAX - 1, INT64_MAX,
                                       std::int64_t{3} << 61, std::int64_t{1} << 62}) {
        const bool selected = (terms.select == detail::RoundingSelect::Negative && value < 0) ||
                              (terms.select == detail::RoundingSelect::Odd && ((value >> shift) & 1) != 0);
        const int128 sum = int128{value} + terms.base + (selected ? terms.extra : 0);
        ASSERT_EQ(sum >> shift, round_shift(value, shift, mode).value) << name(mode) << " " << value << " >> " << shift;
        ASSERT_GE(terms.base + terms.extra, 0);
      }
    }
  }
}

TEST(Narrow, RoundsBeforeItFits) {
  // 7.5 rounds to 8, which is beyond a 4-bit integer.
  Format format = integer_format(4);
  format.rounding = Rounding::RND;
  EXPECT_EQ(narrow(15, 1, format), (Narrowed{7, true, true}));
  format.rounding = Rounding::TRN;
  EXPECT_EQ(narrow(15, 1, format), (Narrowed{7, false, true}));
}

}  // namespace
}  // namespace guardbit::arith
