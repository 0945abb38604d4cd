#include "sim/systemc/pe_arithmetic.hpp"

#include "sim/check.hpp"

namespace guardbit::sim {
namespace {

using arith::int128;

int128 power_of_two(int exponent) { return int128{1} << exponent; }

// In [0, modulus).
int128 remainder(int128 value, int128 modulus) {
  const int128 rest = value % modulus;
  return rest < 0 ? rest + modulus : rest;
}

}  // namespace

PeRegisterRules::PeRegisterRules(const arith::Format& format) : format_(format) {
  const int magnitude_bits = format.is_signed ? format.width - 1 : format.width;
  high_ = power_of_two(magnitude_bits) - 1;
  low_ = 0;
  if (format.is_signed) {
    low_ = format.overflow == arith::Overflow::SAT_SYM ? -high_ : -high_ - 1;
  }
}

int128 PeRegisterRules::beyond(int128 sum) const {
  switch (format_.overflow) {
    case arith::Overflow::SAT:
    case arith::Overflow::SAT_SYM:
      return sum > high_ ? high_ : low_;
    case arith::Overflow::SAT_ZERO:
      return 0;
    case arith::Overflow::WRAP:
      return format_.n_bits == 0 ? wrapped(sum) : wrapped_below_saturated_bits(sum, false);
    case arith::Overflow::WRAP_SM:
      return format_.n_bits == 0 ? reflected(sum) : wrapped_below_saturated_bits(sum, true);
  }
  fail_check(__FILE__, __LINE__, "an overflow mode without a rule");
}

// The number of the register's range that is congruent modulo 2^width.
int128 PeRegisterRules::wrapped(int128 sum) const {
  const int128 rest = remainder(sum, power_of_two(format_.width));
  return rest > high_ ? rest - power_of_two(format_.width) : rest;
}

// IEEE 1666 7.10.9.9.4 and .5 with n_bits: the top n bits are those of the saturated value, the lower ones wrap. With
// WRAP_SM they are inverted if the sum's bit above them differs from the saturated value's.
int128 PeRegisterRules::wrapped_below_saturated_bits(int128 sum, bool reflect) const {
  const int lower_bits = format_.width - format_.n_bits;
  const int128 lower_range = power_of_two(lower_bits);
  const bool above = sum > high_;
  int128 lower = remainder(sum, lower_range);
  if (reflect) {
    const bool saturated_bit = format_.n_bits == 1 ? !above : above;  // lowest of 0, 01, 011 or of 1, 10, 100
    const bool sum_bit = remainder(sum, 2 * lower_range) >= lower_range;
    lower = saturated_bit != sum_bit ? lower_range - 1 - lower : lower;
  }
  // Above the range: the last block of lower_range codes; below: the first.
  return (above ? high_ + 1 - lower_range : low_) + lower;
}

// WRAP_SM without n_bits: a triangle wave of period 2^(width + 1) and amplitude 2^(width - 1).
int128 PeRegisterRules::reflected(int128 sum) const {
  const int128 quarter = power_of_two(format_.width - 1);
  const int128 phase = remainder(sum, 4 * quarter);
  if (phase < quarter) {
    return phase;
  }
  return phase < 3 * quarter ? 2 * quarter - 1 - phase : phase - 4 * quarter;
}

}  // namespace guardbit::sim
