// narrow() against sc_fix and sc_ufix: all formats up to eight bits, one case per rounding mode and
// width group.
#include "tests/arith/systemc_oracle.hpp"

#include <gtest/gtest.h>

#include <iostream>

int sc_main(int, char**) { return 0; }  // the library asks for it; nothing is simulated

namespace guardbit::arith {
namespace {

class ExhaustiveAgainstSystemC : public ::testing::TestWithParam<Rounding> {};

void report(Rounding mode, const char* widths, const testing::Comparison& result) {
  std::cout << name(mode) << ", " << widths << ": " << result.text() << "\n";
  EXPECT_EQ(result.differences(), 0U) << result.text();
}

TEST_P(ExhaustiveAgainstSystemC, AllFormatsUpToSixBits) {
  testing::Comparison result;
  for (int width = 1; width <= 6; ++width) testing::compare_width(width, GetParam(), 4, result);
  EXPECT_GT(result.conversions, 2000000U);
  report(GetParam(), "1 to 6 bits", result);
}

TEST_P(ExhaustiveAgainstSystemC, AllFormatsOfSevenBits) {
  testing::Comparison result;
  testing::compare_width(7, GetParam(), 4, result);
  EXPECT_GT(result.conversions, 3000000U);
  report(GetParam(), "7 bits", result);
}

TEST_P(ExhaustiveAgainstSystemC, AllFormatsOfEightBits) {
  testing::Comparison result;
  testing::compare_width(8, GetParam(), 4, result);
  EXPECT_GT(result.conversions, 8000000U);
  report(GetParam(), "8 bits", result);
}

INSTANTIATE_TEST_SUITE_P(Modes, ExhaustiveAgainstSystemC,
                         ::testing::Values(Rounding::RND, Rounding::RND_ZERO, Rounding::RND_MIN_INF, Rounding::RND_INF,
                                           Rounding::RND_CONV, Rounding::TRN, Rounding::TRN_ZERO),
                         [](const auto& param_info) { return std::string(name(param_info.param)); });

}  // namespace
}  // namespace guardbit::arith
