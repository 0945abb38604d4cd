// narrow() of integers and of binary64 numbers against a big-integer oracle: ten million conversions.
#include "tests/arith/big_oracle.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <iostream>

#include "arith/format.hpp"
#include "arith/philox.hpp"
#include "arith/real.hpp"

namespace guardbit::arith {
namespace {

using testing::Big;
using testing::BigAnswer;

constexpr int kPerCase = 1250000;

Format random_format(Random& random) {
  Format format{.kind = Kind::Fixed, .is_signed = random.below(2) == 0};
  format.width = static_cast<int>(random.below(64)) + 1;
  format.integer_bits = static_cast<int>(random.below(100)) - 20;
  format.rounding = static_cast<Rounding>(random.below(8));
  format.overflow = static_cast<Overflow>(random.below(format.is_signed ? 5 : 4));
  if (format.overflow == Overflow::WRAP || format.overflow == Overflow::WRAP_SM) {
    format.n_bits = static_cast<int>(random.below(static_cast<std::uint64_t>(format.width) + 1));
  }
  return format;
}

std::uint64_t low_bits(int128 value, int width) {
  const auto bits = static_cast<std::uint64_t>(static_cast<uint128>(value));
  return width == 64 ? bits : bits & ((std::uint64_t{1} << width) - 1);
}

class AgainstBigIntegers : public ::testing::TestWithParam<int> {
 protected:
  template <typename Narrowing>
  void compare(const Narrowing& got, const Big& magnitude, bool negative, int frac_bits, const Format& format) {
    const BigAnswer want = testing::big_narrow(magnitude, negative, frac_bits, format);
    const bool same = low_bits(got.value, format.width) == want.bits && format.contains(got.value) &&
                      got.overflowed == want.overflowed && got.inexact == want.inexact;
    if (!same && differences_++ == 0) first_ = to_string(format) + " from " + std::to_string(frac_bits) + " bits";
    overflows_ += want.overflowed ? 1 : 0;
    inexact_ += want.inexact ? 1 : 0;
    ++conversions_;
  }
  void report() {
    std::cout << conversions_ << " conversions (" << overflows_ << " overflow, " << inexact_ << " inexact): "
              << differences_ << " differences " << first_ << "\n";
    EXPECT_EQ(differences_, 0) << first_;
    EXPECT_GT(overflows_, conversions_ / 10);
    EXPECT_GT(conversions_ - overflows_, conversions_ / 10);
    EXPECT_GT(inexact_, conversions_ / 10);
  }
  int conversions_ = 0, overflows_ = 0, inexact_ = 0, differences_ = 0;
  std::string first_;
};

// Values of up to 126 bits; half of them at a tie or one beside it.
TEST_P(AgainstBigIntegers, Narrow) {
  Random random(10, static_cast<std::uint64_t>(GetParam()));
  for (int i = 0; i < kPerCase; ++i) {
    const Format format = random_format(random);
    uint128 magnitude = (uint128{random.next_u64()} << 64 | random.next_u64()) >> (2 + random.below(126));
    int frac_bits = format.frac_bits() + static_cast<int>(random.below(220)) - 60;
    const auto shift = static_cast<int>(random.below(60)) + 1;
    if (random.below(2) == 0) {
      frac_bits = format.frac_bits() + shift;
      magnitude = (magnitude >> 64 << shift) + (uint128{1} << (shift - 1)) + random.below(3) - 1;
    }
    const bool negative = random.below(2) == 0;
    const auto value = static_cast<int128>(magnitude);
    compare(narrow(negative ? -value : value, frac_bits, format), Big::of(magnitude), negative, frac_bits, format);
  }
  report();
}

// Significands of all lengths, exponents from far below the format's last place to far above its range.
TEST_P(AgainstBigIntegers, NarrowOfBinary64) {
  Random random(11, static_cast<std::uint64_t>(GetParam()));
  for (int i = 0; i < kPerCase; ++i) {
    const Format format = random_format(random);
    const std::uint64_t significand = random.next_u64() >> (11 + random.below(53));
    const int exponent = static_cast<int>(random.below(140)) - 100 + format.width - format.frac_bits();
    const bool negative = random.below(2) == 0;
    const double value = std::ldexp(static_cast<double>(significand), exponent) * (negative ? -1 : 1);
    const NarrowedReal got = narrow(value, format);
    EXPECT_FALSE(got.invalid);
    compare(got, Big::of(significand), negative, -exponent, format);
  }
  report();
}

INSTANTIATE_TEST_SUITE_P(Streams, AgainstBigIntegers, ::testing::Range(0, 4));

}  // namespace
}  // namespace guardbit::arith
