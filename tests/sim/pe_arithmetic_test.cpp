// The PE's own narrowing rules against arith::fit: two implementations that share nothing.
#include <gtest/gtest.h>

#include "arith/overflow.hpp"
#include "sim/systemc/pe_arithmetic.hpp"

namespace guardbit::sim {
namespace {

using arith::Format;
using arith::int128;
using arith::Overflow;

constexpr Overflow kModes[]{Overflow::SAT, Overflow::SAT_ZERO, Overflow::SAT_SYM, Overflow::WRAP, Overflow::WRAP_SM};

void compare(const Format& format, int128 value) {
  const auto mine = PeRegisterRules(format).narrow(value);
  const arith::Fitted other = arith::fit(value, format);
  ASSERT_TRUE(mine.value == other.value && mine.overflowed == other.overflowed)
      << arith::to_string(format) << " n_bits " << format.n_bits << ": " << static_cast<std::int64_t>(value) << ": "
      << mine.value << " and " << static_cast<std::int64_t>(other.value);
}

template <class Visit>
void for_formats(int width, const Visit& visit) {
  for (const bool is_signed : {true, false}) {
    for (const Overflow mode : kModes) {
      const bool wraps = mode == Overflow::WRAP || mode == Overflow::WRAP_SM;
      for (int n_bits = 0; n_bits <= (wraps ? width : 0); ++n_bits) {
        Format format = arith::integer_format(width, is_signed, mode);
        format.n_bits = n_bits;
        if (mode != Overflow::WRAP_SM || is_signed) {
          visit(format);
        }
      }
    }
  }
}

TEST(PeRegisterRules, AgreeWithFitOnEverySumOfSmallWidths) {
  for (int width = 1; width <= 6; ++width) {
    for_formats(width, [](const Format& format) {
      for (int value = -600; value <= 600; ++value) {
        compare(format, value);
      }
    });
  }
}

TEST(PeRegisterRules, AgreeWithFitAroundTheLimitsOfLargeWidths) {
  for (const int width : {16, 31, 32, 33, 62, 63, 64}) {
    for_formats(width, [width](const Format& format) {
      if (!format.is_signed && format.width > 63) {
        return;
      }
      for (int power = width - 3; power <= width + 2; ++power) {
        for (int off = -3; off <= 3; ++off) {
          compare(format, (int128{1} << power) + off);
          compare(format, -(int128{1} << power) + off);
          compare(format, (int128{3} << power) + off);
          compare(format, -(int128{3} << power) + off);
        }
      }
    });
  }
}

}  // namespace
}  // namespace guardbit::sim
