// narrow() against sc_fix and sc_ufix: all formats up to six bits, one case per rounding mode.
#include "tests/arith/systemc_oracle.hpp"

#include <gtest/gtest.h>

#include <iostream>

int sc_main(int, char**) { return 0; }  // the library asks for it; nothing is simulated

namespace guardbit::arith {
namespace {

class ExhaustiveAgainstSystemC : public ::testing::TestWithParam<Rounding> {};

TEST_P(ExhaustiveAgainstSystemC, AllFormatsUpToSixBits) {
  testing::Comparison result;
  for (int width = 1; width <= 6; ++width) testing::compare_width(width, GetParam(), 4, result);
  std::cout << name(GetParam()) << ": " << result.text() << "\n";
  EXPECT_GT(result.conversions, 2000000U);
  EXPECT_EQ(result.differences(), 0U) << result.text();
}

INSTANTIATE_TEST_SUITE_P(Modes, ExhaustiveAgainstSystemC,
                         ::testing::Values(Rounding::RND, Rounding::RND_ZERO, Rounding::RND_MIN_INF, Rounding::RND_INF,
                                           Rounding::RND_CONV, Rounding::TRN, Rounding::TRN_ZERO),
                         [](const auto& param_info) { return std::string(name(param_info.param)); });

}  // namespace
}  // namespace guardbit::arith
