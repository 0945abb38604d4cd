// narrow() against sc_fix and sc_ufix, up to three bits: the quick part of systemc_exhaustive_test.cpp.
#include "tests/arith/systemc_oracle.hpp"

#include <gtest/gtest.h>

#include <iostream>

#include "arith/philox.hpp"

int sc_main(int, char**) { return 0; }  // the library asks for it; nothing is simulated

namespace guardbit::arith {
namespace {

using testing::Comparison;

constexpr Rounding kRoundings[] = {Rounding::RND,      Rounding::RND_ZERO, Rounding::RND_MIN_INF, Rounding::RND_INF,
                                   Rounding::RND_CONV, Rounding::TRN,      Rounding::TRN_ZERO};

TEST(AgainstSystemC, AllFormatsUpToThreeBits) {
  Comparison result;
  for (const Rounding rounding : kRoundings) {
    for (int width = 1; width <= 3; ++width) testing::compare_width(width, rounding, 2, result);
  }
  std::cout << result.text() << "\n";
  EXPECT_GT(result.conversions, 500000U);
  EXPECT_EQ(result.differences(), 0U) << result.text();
}

// 64-bit codes, dropped bits and results that cross the 32-bit words of SystemC's representation.
TEST(AgainstSystemC, RandomFormatsUpTo64Bits) {
  Comparison result;
  Random random(1);
  for (int i = 0; i < 200000; ++i) {
    Format format{.kind = Kind::Fixed, .is_signed = random.below(2) == 0};
    format.width = static_cast<int>(random.below(64)) + 1;
    format.integer_bits = static_cast<int>(random.below(100)) - 20;
    format.rounding = kRoundings[random.below(7)];
    format.overflow = static_cast<Overflow>(random.below(format.is_signed ? 5 : 4));
    if (format.overflow == Overflow::WRAP || format.overflow == Overflow::WRAP_SM) {
      format.n_bits = static_cast<int>(random.below(static_cast<std::uint64_t>(format.width) + 1));
    }
    // Few significant bits now and then, so that ties and range ends are hit.
    auto code = static_cast<std::int64_t>(random.next_u64()) >> random.below(64);
    if (random.below(3) == 0) code = static_cast<std::int64_t>(static_cast<std::uint64_t>(code) << random.below(60));
    const int frac_bits = static_cast<int>(random.below(80)) - 10;
    const sc_dt::sc_fxval value = testing::systemc_value(code, frac_bits);
    const Narrowed got = narrow(code, frac_bits, format);
    const auto compare = [&](const auto& target) {
      // Bit by bit: to_int64() of SystemC 2.3.4 returns 0 for -2^40.
      std::uint64_t bits = 0;
      for (int bit = 0; bit < format.width; ++bit) bits |= std::uint64_t{target[bit]} << bit;
      const auto mask = format.width == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << format.width) - 1;
      result.note(bits != (static_cast<std::uint64_t>(got.value) & mask) || !format.contains(got.value),
                  got.overflowed != target.overflow_flag(),
                  got.inexact != target.quantization_flag(), format, code, frac_bits);
    };
    const auto q_mode = testing::systemc_mode(format.rounding);
    const auto o_mode = testing::systemc_mode(format.overflow);
    if (format.is_signed) {
      sc_dt::sc_fix target(format.width, format.integer_bits, q_mode, o_mode, format.n_bits);
      target = value;
      compare(target);
    } else {
      sc_dt::sc_ufix target(format.width, format.integer_bits, q_mode, o_mode, format.n_bits);
      target = value;
      compare(target);
    }
  }
  std::cout << result.text() << "\n";
  EXPECT_EQ(result.differences(), 0U) << result.text();
}

}  // namespace
}  // namespace guardbit::arith
