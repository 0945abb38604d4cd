// Minifloats: every format up to 5 exponent and 4 mantissa bits against a search in its table of numbers; float16 and
// bfloat16 against the compiler's conversions; the published numbers of the 8-bit formats.
#include "tests/arith/minifloat_oracle.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <iostream>

#include "arith/format.hpp"
#include "arith/philox.hpp"

namespace guardbit::arith {
namespace {

using testing::MinifloatTable;

// Every number, every midpoint, their neighbours in binary64, and numbers between; both signs.
std::vector<double> sources(const MinifloatTable& table, Random& random) {
  std::vector<double> numbers{0.0, 1e-300, 1e300, 0x1p-1074, std::numeric_limits<double>::max()};
  for (int code = 0; code <= table.finite(); ++code) {
    const double here = table.value(code);
    const double next = table.value(code + 1);
    const double middle = here + (next - here) / 2;
    for (const double number : {here, middle}) {
      numbers.insert(numbers.end(), {number, std::nextafter(number, 0.0), std::nextafter(number, HUGE_VAL)});
    }
    numbers.push_back(here + (next - here) * random.uniform());
  }
  return numbers;
}

struct Tally {
  std::uint64_t encoded = 0, decoded = 0, differences = 0;
  std::string first;
  void differ(const Format& format, double number) {
    if (differences++ == 0) first = to_string(format) + " at " + std::to_string(number);
  }
};

void compare_format(Format format, Random& random, Tally& tally) {
  const MinifloatTable table(format);
  for (int code = 0; code < table.finite(); ++code) {
    for (const bool negative : {false, true}) {
      const std::uint64_t sign = negative ? std::uint64_t{1} << (format.width - 1) : 0;
      const Real real = decode(static_cast<std::uint64_t>(code) | sign, format);
      ++tally.decoded;
      const bool same = real.kind == Real::Class::Finite && real.negative == negative &&
                        to_double(real) == (negative ? -table.value(code) : table.value(code));
      if (!same) tally.differ(format, table.value(code));
    }
  }
  const std::vector<double> numbers = sources(table, random);
  for (int mode = 0; mode < 8; ++mode) {
    format.rounding = static_cast<Rounding>(mode);
    const MinifloatTable oracle(format);
    for (const double number : numbers) {
      for (const double signed_number : {number, -number}) {
        Encoded got = encode(signed_number, format);
        const Encoded want = oracle.encode(signed_number);
        if (!oracle.within_table(signed_number)) got.inexact = want.inexact;
        ++tally.encoded;
        if (!(got == want)) tally.differ(format, signed_number);
      }
    }
  }
}

class EveryMinifloat : public ::testing::TestWithParam<int> {};

TEST_P(EveryMinifloat, EqualsASearchAmongItsNumbers) {
  const int exponent_bits = GetParam();
  Random random(5, static_cast<std::uint64_t>(exponent_bits));
  Tally tally;
  for (int mantissa_bits = exponent_bits == 0 ? 1 : 0; mantissa_bits <= 4; ++mantissa_bits) {
    for (const int bias : {default_bias(exponent_bits), default_bias(exponent_bits) + 9, -6}) {
      for (const Specials specials : {Specials::None, Specials::Fn, Specials::Ieee}) {
        if (specials == Specials::Ieee && (exponent_bits == 0 || mantissa_bits == 0)) continue;
        Format format = minifloat_format(exponent_bits, mantissa_bits, specials, bias);
        compare_format(format, random, tally);
        if (specials == Specials::None) continue;
        format.overflows_to_special = false;
        compare_format(format, random, tally);
      }
    }
  }
  std::cout << exponent_bits << " exponent bits: " << tally.decoded << " decoded, " << tally.encoded << " encoded: "
            << tally.differences << " differences\n";
  EXPECT_EQ(tally.differences, 0U) << tally.first;
  EXPECT_GT(tally.encoded, 5000U);
}

INSTANTIATE_TEST_SUITE_P(ExponentBits, EveryMinifloat, ::testing::Range(0, 6));

// --- float16 and bfloat16 against the compiler ----------------------------------------------------

__extension__ typedef _Float16 Half;

std::uint64_t half_bits(double value) { return std::bit_cast<std::uint16_t>(static_cast<Half>(value)); }

TEST(Float16, EveryCodeMeansWhatTheCompilerSays) {
  for (std::uint32_t code = 0; code < 0x10000; ++code) {
    const auto half = std::bit_cast<Half>(static_cast<std::uint16_t>(code));
    const auto value = static_cast<double>(half);
    const double got = to_double(decode(code, kFloat16));
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(got)) << code;
      ASSERT_EQ(encode(value, kFloat16), (Encoded{.code = 0x7E00, .invalid = true}));
    } else {
      ASSERT_EQ(std::bit_cast<std::uint64_t>(got), std::bit_cast<std::uint64_t>(value)) << code;
      ASSERT_EQ(encode(value, kFloat16), (Encoded{.code = code}));
    }
  }
}

TEST(Float16, EveryMidpointAndItsNeighboursRoundAsTheCompilerDoes) {
  for (std::uint32_t code = 0; code < 0x7C00; ++code) {
    const double here = to_double(decode(code, kFloat16));
    const double next = code == 0x7BFF ? 65536.0 : to_double(decode(code + 1, kFloat16));
    const double middle = here + (next - here) / 2;
    for (const double number : {middle, std::nextafter(middle, 0.0), std::nextafter(middle, 1e9), here * 1.0001}) {
      ASSERT_EQ(encode(number, kFloat16).code, half_bits(number)) << number;
      ASSERT_EQ(encode(-number, kFloat16).code, half_bits(-number)) << number;
    }
  }
}

TEST(Float16, RandomNumbersRoundAsTheCompilerDoes) {
  Random random(16);
  for (int i = 0; i < 300000; ++i) {
    const double number = std::ldexp(random.uniform() * 2 - 1, static_cast<int>(random.below(60)) - 40);
    ASSERT_EQ(encode(number, kFloat16).code, half_bits(number)) << number;
  }
}

// Nearest even of a binary32 by adding to its bits.
std::uint64_t bfloat_bits(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return (bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16;
}

TEST(Bfloat16, EqualsTheTopHalfOfABinary32) {
  for (std::uint32_t high = 0; high < 0x10000; ++high) {
    for (const std::uint32_t low : {0x0U, 0x1U, 0x7FFFU, 0x8000U, 0x8001U, 0xFFFFU}) {
      const auto number = std::bit_cast<float>((high << 16) | low);
      const Encoded got = encode(number, kBfloat16);
      if (std::isnan(number)) {
        ASSERT_EQ(got, (Encoded{.code = 0x7FC0, .invalid = true}));
      } else {
        ASSERT_EQ(got.code, bfloat_bits(number)) << number;
        ASSERT_EQ(to_double(decode(high, kBfloat16)), double{std::bit_cast<float>(high << 16)});
      }
    }
  }
}

TEST(Float32, IsTheMinifloatOfTheHardware) {
  Random random(32);
  const Format format = parse_format("float");
  for (int i = 0; i < 300000; ++i) {
    const double number = std::ldexp(random.uniform() * 2 - 1, static_cast<int>(random.below(320)) - 170);
    ASSERT_EQ(encode(number, format).code, std::bit_cast<std::uint32_t>(static_cast<float>(number))) << number;
    ASSERT_EQ(to_double(decode(encode(number, format).code, format)), double{static_cast<float>(number)});
  }
}

TEST(Real, EveryBinary64IsItself) {
  Random random(64);
  for (int i = 0; i < 300000; ++i) {
    // All exponents; a third of the numbers subnormal.
    const std::uint64_t bits = i % 3 == 0 ? random.next_u64() & 0x800FFFFFFFFFFFFFU : random.next_u64();
    const auto number = std::bit_cast<double>(bits);
    if (std::isnan(number)) continue;
    ASSERT_EQ(std::bit_cast<std::uint64_t>(to_double(real_of(number))), bits);
    if (std::isinf(number)) continue;
    const Real real = real_of(number);
    ASSERT_EQ(std::ldexp(static_cast<double>(real.significand), real.exponent), std::fabs(number));
  }
}

// --- published numbers ----------------------------------------------------------------------------

TEST(EightBitFloats, HaveThePublishedNumbers) {  // OCP 8-bit floating point specification, table 1
  EXPECT_EQ(to_double(decode(0x7E, kE4m3)), 448.0);
  EXPECT_EQ(to_double(decode(0x08, kE4m3)), 0x1p-6);
  EXPECT_EQ(to_double(decode(0x07, kE4m3)), 0.875 * 0x1p-6);
  EXPECT_EQ(to_double(decode(0x01, kE4m3)), 0x1p-9);
  EXPECT_EQ(decode(0x7F, kE4m3).kind, Real::Class::NaN);
  EXPECT_EQ(decode(0xFF, kE4m3).kind, Real::Class::NaN);
  EXPECT_EQ(to_double(decode(0x7B, kE5m2)), 57344.0);
  EXPECT_EQ(to_double(decode(0x04, kE5m2)), 0x1p-14);
  EXPECT_EQ(to_double(decode(0x01, kE5m2)), 0x1p-16);
  EXPECT_EQ(decode(0x7C, kE5m2).kind, Real::Class::Infinite);
  EXPECT_EQ(decode(0xFC, kE5m2).negative, true);
  for (const int nan : {0x7D, 0x7E, 0x7F}) {
    EXPECT_EQ(decode(static_cast<std::uint64_t>(nan), kE5m2).kind, Real::Class::NaN);
  }
}

TEST(EightBitFloats, OverflowToTheirSpecialOrSaturate) {
  const Format e4m3_sat = parse_format("e4m3<SAT>");
  const Format e5m2_sat = parse_format("e5m2<SAT>");
  EXPECT_EQ(encode(-1000.0, kE4m3), (Encoded{.code = 0xFF, .overflowed = true, .inexact = true}));
  EXPECT_EQ(encode(-1000.0, e4m3_sat), (Encoded{.code = 0xFE, .overflowed = true, .inexact = true}));
  EXPECT_EQ(encode(1e6, kE5m2).code, 0x7CU);
  EXPECT_EQ(encode(1e6, e5m2_sat).code, 0x7BU);
  EXPECT_EQ(encode(INFINITY, kE5m2), (Encoded{.code = 0x7C}));
  EXPECT_EQ(encode(INFINITY, e5m2_sat), (Encoded{.code = 0x7B, .overflowed = true}));
  EXPECT_EQ(encode(-INFINITY, kE4m3), (Encoded{.code = 0xFF, .overflowed = true}));
  EXPECT_EQ(encode(-INFINITY, e4m3_sat), (Encoded{.code = 0xFE, .overflowed = true}));
  EXPECT_EQ(encode(NAN, kE4m3), (Encoded{.code = 0x7F, .invalid = true}));
  EXPECT_EQ(encode(NAN, parse_format("minifloat<4,3>")), (Encoded{.code = 0, .invalid = true}));
}

TEST(PowersOfTwo, AreMinifloatsWithoutMantissa) {
  const Format format = parse_format("pow2<3,7>");  // 0, 2^-6 .. 2^0
  EXPECT_EQ(to_double(decode(0, format)), 0.0);
  EXPECT_EQ(to_double(decode(1, format)), 0x1p-6);
  EXPECT_EQ(to_double(decode(15, format)), -1.0);
  EXPECT_EQ(encode(0.75, format).code, 7U);  // the tie goes up, as the significand 1 is odd
  EXPECT_EQ(encode(0.74, format).code, 6U);
  EXPECT_EQ(encode(0x1p-7, format).code, 0U);
  EXPECT_EQ(encode(100.0, format), (Encoded{.code = 7, .overflowed = true, .inexact = true}));
  EXPECT_EQ(encode(2.0, format), (Encoded{.code = 7, .overflowed = true}));
}

TEST(Bipolar, IsTheSignWithZeroUp) {
  EXPECT_EQ(encode(0.0, kBipolar), (Encoded{.code = 1, .inexact = true}));
  EXPECT_EQ(encode(-0.0, kBipolar), (Encoded{.code = 1, .inexact = true}));
  EXPECT_EQ(encode(1.0, kBipolar), (Encoded{.code = 1}));
  EXPECT_EQ(encode(-1.0, kBipolar), (Encoded{.code = 0}));
  EXPECT_EQ(encode(-1.5, kBipolar), (Encoded{.code = 0, .overflowed = true}));
  EXPECT_EQ(encode(-0x1p-1074, kBipolar), (Encoded{.code = 0, .inexact = true}));
  EXPECT_EQ(encode(-INFINITY, kBipolar), (Encoded{.code = 0, .overflowed = true}));
  EXPECT_EQ(encode(NAN, kBipolar), (Encoded{.code = 0, .invalid = true}));
  EXPECT_EQ(to_double(decode(0, kBipolar)), -1.0);
  EXPECT_EQ(to_double(decode(1, kBipolar)), 1.0);
}

}  // namespace
}  // namespace guardbit::arith
