// Every kernel path on every instruction set against the oracle, more than a million outputs in all and at least a
// hundred thousand of each; prints the table. Accumulators: every width 4..40, signed and unsigned, SAT, SAT_SYM and
// WRAP, steps 1, 4, 16 and the whole reduction.
#include <iomanip>
#include <set>

#include "tests/arith/direct_compare.hpp"
#include "tests/arith/gemm_adversary.hpp"

namespace guardbit::arith {
namespace {

using testing::Attack;
using testing::kAttacks;

constexpr std::uint64_t kEach = 100000;

struct Million {
  testing::Tally products, convolutions;
  std::set<std::string> accumulators;
  Random random{3, 0};

  void add(Attack attack, int width, bool is_signed, Overflow mode, int step) {
    const AccumulatorSpec spec{.format = integer_format(width, is_signed, mode), .step = step};
    const testing::GemmProblem p = attack_gemm(attack, random, spec);
    compare(p, gemm_oracle(p), products);
    accumulators.insert(to_string(spec.format) + " " + std::to_string(step));
  }

  void attacks() {
    std::size_t turn = 0;
    for (int width = 4; width <= 40; ++width) {
      for (const bool is_signed : {true, false}) {
        for (const Overflow mode : {Overflow::SAT, Overflow::SAT_SYM, Overflow::WRAP}) {
          for (const int step : {1, 4, 16, 0}) {
            // Formats with loops of their own meet every attack, the others one after the other.
            const bool all = is_signed && (width == 20 || (width == 16 && step == 1));
            const std::size_t count = all ? std::size(kAttacks) : 1;
            for (std::size_t i = 0; i < count; ++i) {
              add(kAttacks[turn++ % std::size(kAttacks)], width, is_signed, mode, step);
              if (::testing::Test::HasFatalFailure()) return;
            }
          }
        }
      }
    }
  }

  // 16-bit lanes take step 1, and few other cases.
  void sixteen_bits() {
    for (std::size_t turn = 0; products.of("lanes16 scalar") < kEach; ++turn) {
      constexpr Overflow kModes[] = {Overflow::SAT, Overflow::SAT_SYM, Overflow::WRAP};
      add(kAttacks[turn / 3 % std::size(kAttacks)], 16, true, kModes[turn % 3], 1);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }

  // Small products in formats that are wide enough for them.
  void proven() {
    while (products.of("proven scalar") < kEach) {
      const testing::GemmProblem p = testing::random_gemm(random, testing::between(random, 20, 31));
      compare(p, gemm_oracle(p), products);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }

  void convolve(bool depthwise, const char* until) {
    while (convolutions.of(until) < kEach) {
      testing::ConvProblem p =
          testing::random_conv(random, testing::between(random, 4, 60), random.below(2) == 0, depthwise);
      if (random.below(2) == 0) testing::provoke(random, p);
      if (p.accumulation.psum) continue;
      compare_direct(p, definition(p), convolutions);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
};

void print_table(const testing::Tally& tally) {
  std::set<std::string> paths;
  for (const auto& [name, count] : tally.outputs) paths.insert(name.substr(0, name.rfind(' ')));
  std::cout << std::left << std::setw(22) << "outputs compared" << std::right;
  for (const GemmIsa isa : testing::kIsas) std::cout << std::setw(10) << testing::name_of(isa);
  std::cout << "\n";
  for (const std::string& path : paths) {
    std::cout << std::left << std::setw(22) << path << std::right;
    for (const GemmIsa isa : testing::kIsas) {
      std::cout << std::setw(10) << tally.of(path + " " + testing::name_of(isa));
    }
    std::cout << "\n";
  }
  std::cout << tally.distinct << " distinct outputs, " << tally.overflowed << " overflow, " << tally.transient
            << " of them transient; " << tally.differences << " differences\n";
}

TEST(GemmMillion, EveryPathAndInstructionSetAgreesWithTheOracle) {
  Million million;
  million.attacks();
  if (!HasFatalFailure()) million.sixteen_bits();
  if (!HasFatalFailure()) million.proven();
  // Few depthwise sums are proven to fit 32 bits no more and the format all the same.
  for (const char* until : {"depthwise 32 lanes scalar", "depthwise 32 proven scalar", "depthwise 64 lanes scalar"}) {
    if (!HasFatalFailure()) million.convolve(true, until);
  }
  if (!HasFatalFailure()) million.convolve(false, "16 bits scalar");
  if (HasFatalFailure()) return;
  print_table(million.products);
  print_table(million.convolutions);
  EXPECT_EQ(million.accumulators.size(), 37U * 2 * 3 * 4);
  EXPECT_GE(million.products.distinct, 1000000U);
  EXPECT_GE(million.products.overflowed, 500000U);
  EXPECT_GE(million.products.transient, 10000U);
  EXPECT_GE(million.convolutions.transient, 5000U);
  // Whatever this processor can run has run, and often.
  for (const GemmIsa isa : testing::kIsas) {
    if (!isa_supported(isa)) continue;
    const std::string name = std::string(" ") + testing::name_of(isa);
    for (const char* path : {"auto", "proven", "guarded", "lanes16", "lanes32"}) {
      EXPECT_GE(million.products.of(path + name), kEach) << path << name;
    }
    for (const char* path : {"depthwise 32 lanes", "depthwise 32 proven", "depthwise 64 lanes", "16 bits"}) {
      EXPECT_GE(million.convolutions.of(path + name), kEach) << path << name;
    }
    EXPECT_GE(million.convolutions.of("depthwise 64 proven" + name), 1000U);
  }
  EXPECT_GE(million.products.of("general scalar"), 1000000U);
}

}  // namespace
}  // namespace guardbit::arith
