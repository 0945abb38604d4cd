// Compile-time formats: exact operators, explicit narrowing.
#include <gtest/gtest.h>

#include <cmath>

#include "arith/fixed.hpp"

namespace guardbit::arith {
namespace {

constexpr Format kQ8 = {.kind = Kind::Fixed, .width = 8, .integer_bits = 3, .is_signed = true,
                        .rounding = Rounding::RND_CONV, .overflow = Overflow::SAT};
constexpr Format kU4 = {.kind = Kind::Fixed, .width = 4, .integer_bits = 0, .is_signed = false,
                        .rounding = Rounding::RND, .overflow = Overflow::SAT};
using Q8 = Fixed<kQ8>;
using U4 = Fixed<kU4>;

// -4 * -4 = 16 needs the full product width.
static_assert((Q8::from_code(-128) * Q8::from_code(-128)).to_double() == 16.0);
static_assert((Q8::from_code(-128) * Q8::from_code(-128)).kFormat.width == 16);
static_assert((Q8::from_code(-128) - Q8::from_code(127)).to_double() == -7.96875);
static_assert((Q8::from_code(-128) + U4::from_code(15)).to_double() == -3.0625);
static_assert((U4::from_code(0) - U4::from_code(15)).to_double() == -0.9375);
static_assert((U4::from_code(0) - U4::from_code(15)).kFormat.width == 5);
static_assert((Q8::from_code(-128) * U4::from_code(15)).to_double() == -3.75);
static_assert(U4(Q8::from_code(3)).code() == 2);     // 3/32 to sixteenths: the tie goes up
static_assert(U4(Q8::from_code(-3)).code() == 0);    // below the range
static_assert(convert<kU4>(Q8::from_code(-3)).overflowed);
static_assert(convert<kU4>(Q8::from_code(3)) == Narrowed{2, false, true});
static_assert(Fixed<integer_format(64)>::from_code(INT64_MIN).code() == INT64_MIN);
static_assert(!std::is_convertible_v<Q8, U4>);
static_assert(Q8::from_double(1.015625).code() == 32);  // 32.5/32: the tie goes to even
static_assert(Q8::from_double(-100).code() == -128);
static_assert(U4::from_double(0.5).code() == 8);

TEST(Fixed, EveryOperatorIsExactForAllOperands) {
  for (int a = -128; a <= 127; ++a) {
    for (int b = 0; b <= 15; ++b) {
      const auto x = Q8::from_code(a);
      const auto y = U4::from_code(b);
      ASSERT_EQ((x + y).to_double(), a / 32.0 + b / 16.0);
      ASSERT_EQ((x - y).to_double(), a / 32.0 - b / 16.0);
      ASSERT_EQ((y - x).to_double(), b / 16.0 - a / 32.0);
      ASSERT_EQ((x * y).to_double(), a / 32.0 * (b / 16.0));
    }
  }
}

// The run-time form against exact binary64: all pairs of some formats, aligned and far apart.
TEST(Number, EveryOperatorIsExactForAllOperands) {
  const auto real = [](const Number& n) {
    return std::ldexp(static_cast<double>(n.code), -n.format.frac_bits());
  };
  const Format formats[] = {kQ8, kU4, integer_format(5), integer_format(3, false),
                            {.kind = Kind::Fixed, .width = 3, .integer_bits = -9},
                            {.kind = Kind::Fixed, .width = 4, .integer_bits = 12, .is_signed = false}};
  for (const Format& f : formats) {
    for (const Format& g : formats) {
      for (int128 a = f.min_code(); a <= f.max_code(); ++a) {
        for (int128 b = g.min_code(); b <= g.max_code(); ++b) {
          const Number x{f, a};
          const Number y{g, b};
          ASSERT_EQ(real(x + y), real(x) + real(y));
          ASSERT_EQ(real(x - y), real(x) - real(y));
          ASSERT_EQ(real(x * y), real(x) * real(y));
        }
      }
    }
  }
}

TEST(Number, ConversionIsNarrow) {
  EXPECT_EQ((Number{kQ8, -3}.to(kU4)), (Narrowed{0, true, true}));
}

TEST(NumberDeathTest, AnExactResultBeyond126BitsStops) {
  const Number wide{integer_format(64), INT64_MIN};
  EXPECT_EQ((wide * Number{integer_format(62), 1}).format.width, 126);
  EXPECT_DEATH((void)(wide * Number{integer_format(63), 1}), "");
  EXPECT_DEATH((void)(wide + Number{{.kind = Kind::Fixed, .width = 8, .integer_bits = -200}, 1}), "");
}

TEST(Fixed, ConversionIsNarrow) {
  for (int a = -128; a <= 127; ++a) {
    const Narrowed narrowed = narrow(a, 5, kU4);
    ASSERT_EQ(static_cast<std::int64_t>(U4(Q8::from_code(a)).code()), static_cast<std::int64_t>(narrowed.value));
  }
}

TEST(FixedDeathTest, ACodeOutsideTheFormatStops) { EXPECT_DEATH((void)U4::from_code(16), ""); }

}  // namespace
}  // namespace guardbit::arith
