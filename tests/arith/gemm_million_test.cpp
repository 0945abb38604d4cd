// gemm() against the oracle over more than a million outputs: every width 4..40, signed and unsigned, SAT, SAT_SYM and
// WRAP, steps 1, 4, 16 and the whole reduction; through every path and instruction set that can compute them.
#include <set>

#include "tests/arith/gemm_adversary.hpp"
#include "tests/arith/gemm_compare.hpp"

namespace guardbit::arith {
namespace {

using testing::Attack;
using testing::kAttacks;

class Million {
 public:
  void add(Attack attack, int width, bool is_signed, Overflow mode, int step) {
    const AccumulatorSpec spec{.format = integer_format(width, is_signed, mode), .step = step};
    const testing::GemmProblem p = attack_gemm(attack, random_, spec);
    compare(p, gemm_oracle(p), tally);
    accumulators.insert(to_string(spec.format) + " " + std::to_string(step));
  }

  testing::Tally tally;
  std::set<std::string> accumulators;

 private:
  Random random_{3, 0};
};

TEST(GemmMillion, EveryPathAndInstructionSetAgreesWithTheOracle) {
  Million million;
  std::size_t turn = 0;
  for (int width = 4; width <= 40; ++width) {
    for (const bool is_signed : {true, false}) {
      for (const Overflow mode : {Overflow::SAT, Overflow::SAT_SYM, Overflow::WRAP}) {
        for (const int step : {1, 4, 16, 0}) {
          // Formats with loops of their own meet every attack, the others one after the other.
          const bool all = is_signed && (width == 16 || width == 20);
          for (std::size_t i = 0; i < (all ? std::size(kAttacks) : 1); ++i) {
            million.add(kAttacks[turn++ % std::size(kAttacks)], width, is_signed, mode, step);
            if (HasFatalFailure()) return;
          }
        }
      }
    }
  }
  const testing::Tally& tally = million.tally;
  print(tally);
  EXPECT_EQ(million.accumulators.size(), 37U * 2 * 3 * 4);
  EXPECT_GE(tally.distinct, 1000000U);
  EXPECT_GE(tally.overflowed, 500000U);
  EXPECT_GE(tally.transient, 10000U);
  EXPECT_EQ(tally.differences, 0U);
  // Whatever this processor can run has run, and often.
  for (const GemmIsa isa : testing::kIsas) {
    if (!isa_supported(isa)) continue;
    const std::string name = testing::name_of(isa);
    EXPECT_GE(tally.of("auto " + name), 1000000U);
    EXPECT_GE(tally.of("proven " + name), 5000U);
    EXPECT_GE(tally.of("guarded " + name), 300000U);
    EXPECT_GE(tally.of("lanes16 " + name), 20000U);
    EXPECT_GE(tally.of("lanes32 " + name), 300000U);
  }
  EXPECT_GE(tally.of("general scalar"), 1000000U);
}

TEST(GemmMillion, RandomProblemsAgreeWithTheOracle) {
  testing::Tally tally;
  testing::compare_random(2, 200000, tally);
  EXPECT_EQ(tally.differences, 0U);
  EXPECT_GE(tally.of("lanes16 scalar"), 20000U);
}

}  // namespace
}  // namespace guardbit::arith
