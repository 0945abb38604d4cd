// gemm() against the oracle over more than a million outputs: widths 4..40, SAT, SAT_SYM and WRAP, many steps.
#include "tests/arith/gemm_compare.hpp"

namespace guardbit::arith {
namespace {

TEST(GemmMillion, EveryPathAndInstructionSetAgreesWithTheOracle) {
  testing::Tally tally;
  testing::compare_random(2, 1000000, tally);
  EXPECT_GE(tally.distinct, 1000000U);
  EXPECT_EQ(tally.differences, 0U);
  EXPECT_GE(tally.outputs["lanes16 scalar"], 100000U);
  EXPECT_GE(tally.outputs["lanes32 scalar"], 500000U);
  EXPECT_GE(tally.outputs["guarded scalar"], 500000U);
}

}  // namespace
}  // namespace guardbit::arith
