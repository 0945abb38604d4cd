// Laws of narrowing, on random formats and 64-bit values.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdlib>

#include "arith/narrow.hpp"

namespace guardbit::arith {
namespace {

Rounding any_rounding() { return static_cast<Rounding>(*rc::gen::inRange(0, 8)); }

Format any_format(Overflow overflow) {
  const int width = *rc::gen::inRange(1, 65);
  return {.kind = Kind::Fixed, .width = width, .integer_bits = *rc::gen::inRange(-20, 80),
          .is_signed = overflow == Overflow::WRAP_SM || *rc::gen::arbitrary<bool>(), .rounding = any_rounding(),
          .overflow = overflow};
}

// All magnitudes alike, so that shifts meet values of their own size.
std::int64_t any_value() { return *rc::gen::arbitrary<std::int64_t>() >> *rc::gen::inRange(0, 64); }

RC_GTEST_PROP(RoundingLaws, RoundingIsMonotone, ()) {
  const std::int64_t a = any_value();
  const std::int64_t b = any_value();
  const int shift = *rc::gen::inRange(-20, 80);
  const Rounding mode = any_rounding();
  if (a <= b) RC_ASSERT(round_shift(a, shift, mode).value <= round_shift(b, shift, mode).value);
}

RC_GTEST_PROP(RoundingLaws, RndMirrorsRndMinInf, ()) {
  const int128 value = any_value();
  const int shift = *rc::gen::inRange(0, 80);
  RC_ASSERT(round_shift(-value, shift, Rounding::RND).value == -round_shift(value, shift, Rounding::RND_MIN_INF).value);
}

RC_GTEST_PROP(RoundingLaws, TheOtherNearestModesAreOdd, ()) {
  const int128 value = any_value();
  const int shift = *rc::gen::inRange(0, 80);
  for (const Rounding mode : {Rounding::RND_ZERO, Rounding::RND_INF, Rounding::RND_CONV, Rounding::TRN_ZERO,
                              Rounding::RND_CONV_ODD}) {
    RC_ASSERT(round_shift(-value, shift, mode).value == -round_shift(value, shift, mode).value);
  }
}

RC_GTEST_PROP(RoundingLaws, TheErrorIsBelowOneAndForNearestAtMostOneHalf, ()) {
  const int128 value = any_value();
  const int shift = *rc::gen::inRange(1, 62);
  const Rounding mode = any_rounding();
  const int128 error = (round_shift(value, shift, mode).value << shift) - value;
  const int128 unit = int128{1} << shift;
  const bool nearest = mode != Rounding::TRN && mode != Rounding::TRN_ZERO;
  const bool bounded = nearest ? -unit <= 2 * error && 2 * error <= unit : -unit < error && error < unit;
  RC_ASSERT(bounded);
  RC_ASSERT(round_shift(value, shift, mode).inexact == (error != 0));
}

RC_GTEST_PROP(NarrowingLaws, SaturationIsMonotone, ()) {
  const Format format = any_format(*rc::gen::element(Overflow::SAT, Overflow::SAT_SYM));
  const std::int64_t a = any_value();
  const std::int64_t b = any_value();
  const int frac_bits = *rc::gen::inRange(-10, 70);
  const int128 lower = narrow(std::min(a, b), frac_bits, format).value;
  const int128 upper = narrow(std::max(a, b), frac_bits, format).value;
  RC_ASSERT(lower <= upper);
}

RC_GTEST_PROP(NarrowingLaws, NarrowingTwiceIsNarrowingOnce, ()) {
  const Format format = any_format(static_cast<Overflow>(*rc::gen::inRange(0, 5)));
  const Narrowed once = narrow(any_value(), *rc::gen::inRange(-10, 70), format);
  RC_ASSERT(format.contains(once.value));
  RC_ASSERT(narrow(once.value, format.frac_bits(), format) == (Narrowed{once.value, false, false}));
}

RC_GTEST_PROP(NarrowingLaws, WrapIsARingHomomorphism, ()) {
  Format format = any_format(Overflow::WRAP);
  const auto wrap = [&](int128 value) { return fit(value, format).value; };
  const int128 a = any_value();
  const int128 b = any_value();
  RC_ASSERT(wrap(wrap(a) + wrap(b)) == wrap(a + b));
  RC_ASSERT(wrap(wrap(a) - wrap(b)) == wrap(a - b));
  RC_ASSERT(wrap(int128{static_cast<std::int64_t>(wrap(a) >> 1)} * 2 + (wrap(a) & 1)) == wrap(a));
  if (format.width <= 60) RC_ASSERT(wrap(wrap(a) * wrap(b)) == wrap(a * b));
}

}  // namespace
}  // namespace guardbit::arith

// The same cases in every run; RC_PARAMS of the environment wins.
int main(int argc, char** argv) {
  setenv("RC_PARAMS", "seed=1666 max_success=2000", 0);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
