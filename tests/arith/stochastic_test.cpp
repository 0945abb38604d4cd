// Stochastic rounding: exact probabilities by enumerating the random words, and words that depend on their index alone.
#include <gtest/gtest.h>

#include <cmath>

#include "arith/minifloat.hpp"
#include "arith/quantize.hpp"
#include "arith/stochastic.hpp"

namespace guardbit::arith {
namespace {

TEST(StochasticWord, IsTheSequenceOfRandomWithoutDrawingIt) {
  for (const std::uint64_t seed : {0ULL, 7ULL, 0x123456789ABCDEF0ULL}) {
    Random random(seed, seed + 3);
    for (std::uint64_t index = 0; index < 50; ++index) {
      ASSERT_EQ(stochastic_word(seed, seed + 3, index), random.next_u64()) << index;
    }
  }
}

// Of the 2^shift random words that differ in their top bits, exactly `dropped fraction * 2^shift` round up.
TEST(RoundShiftStochastic, GoesUpExactlyAsOftenAsTheFractionSays) {
  for (int shift = 1; shift <= 8; ++shift) {
    for (int value = -300; value <= 300; ++value) {
      const int floor = value >> shift;
      int ups = 0;
      for (std::uint64_t word = 0; word < (std::uint64_t{1} << shift); ++word) {
        for (const std::uint64_t low : {std::uint64_t{0}, ~std::uint64_t{0} >> shift}) {
          const Rounded got = round_shift_stochastic(value, shift, (word << (64 - shift)) | low);
          ASSERT_TRUE(got.value == floor || got.value == floor + 1);
          ASSERT_EQ(got.inexact, value % (1 << shift) != 0);
          ups += got.value == floor ? 0 : 1;
        }
      }
      ASSERT_EQ(ups, 2 * (value - (floor << shift))) << value << " >> " << shift;
    }
  }
}

TEST(RoundShiftStochastic, WorksAtAndBeyondTheWord) {
  const std::uint64_t top = std::uint64_t{1} << 63;
  EXPECT_EQ(round_shift_stochastic(1, 64, ~std::uint64_t{0}), (Rounded{1, true}));
  EXPECT_EQ(round_shift_stochastic(1, 64, ~std::uint64_t{0} - 1), (Rounded{0, true}));
  EXPECT_EQ(round_shift_stochastic(-1, 64, 0), (Rounded{-1, true}));
  EXPECT_EQ(round_shift_stochastic(-1, 64, 1), (Rounded{0, true}));
  EXPECT_EQ(round_shift_stochastic(int128{1} << 99, 100, top), (Rounded{1, true}));
  EXPECT_EQ(round_shift_stochastic(int128{1} << 99, 100, top - 1), (Rounded{0, true}));
  EXPECT_EQ(round_shift_stochastic(3, -2, ~std::uint64_t{0}), (Rounded{12, false}));
  EXPECT_EQ(round_shift_stochastic(3, 0, ~std::uint64_t{0}), (Rounded{3, false}));
  EXPECT_EQ(round_shift_stochastic(1, 1000, ~std::uint64_t{0}).value, 0);
  EXPECT_EQ(round_shift_stochastic(-1, 1000, 0).value, -1);
}

TEST(RoundShiftCoin, NeedsAFractionAndIgnoresItsSize) {
  const std::uint64_t heads = std::uint64_t{1} << 63;
  EXPECT_EQ(round_shift_coin(1, 5, heads), (Rounded{1, true}));
  EXPECT_EQ(round_shift_coin(31, 5, heads - 1), (Rounded{0, true}));
  EXPECT_EQ(round_shift_coin(-1, 5, heads), (Rounded{0, true}));
  EXPECT_EQ(round_shift_coin(64, 5, heads), (Rounded{2, false}));
}

TEST(NarrowStochastic, FitsAfterRounding) {
  const Format int4 = integer_format(4);
  EXPECT_EQ(narrow_stochastic(31, 2, int4, ~std::uint64_t{0}), (Narrowed{7, true, true}));
  EXPECT_EQ(narrow_stochastic(31, 2, int4, 0), (Narrowed{7, false, true}));
  EXPECT_EQ(narrow_stochastic(-31, 2, int4, 0), (Narrowed{-8, false, true}));
}

TEST(EncodeStochastic, ChoosesBetweenTheTwoNeighbours) {
  // 1 + 3/8 of a unit of E4M3 (1/8): 3/8 of all words go up.
  const double value = 1 + 3.0 / 64;
  int ups = 0;
  for (std::uint64_t word = 0; word < 256; ++word) {
    const Encoded got = encode_stochastic(value, kE4m3, word << 56);
    ASSERT_TRUE(got.code == 0x38 || got.code == 0x39);
    ASSERT_TRUE(got.inexact);
    ups += got.code == 0x39 ? 1 : 0;
  }
  EXPECT_EQ(ups, 96);
  EXPECT_EQ(encode_stochastic(1.0, kE4m3, ~std::uint64_t{0}), (Encoded{.code = 0x38}));
  EXPECT_EQ(encode_stochastic(500.0, kE4m3, 0).code, 0x7FU);
}

TEST(QuantizeStochastic, DependsOnTheElementsIndexAlone) {
  std::vector<float> in;
  for (int i = 0; i < 3000; ++i) in.push_back(static_cast<float>(i) * 0.01F - 15.0F);
  const Format format{.kind = Kind::Fixed, .width = 8, .integer_bits = 6};
  std::vector<std::int8_t> whole(in.size());
  QuantizeStatistics of_whole;
  quantize_stochastic<std::int8_t>(in, format, 5, 2, 100, whole, of_whole);
  std::vector<std::int8_t> parts(in.size());
  QuantizeStatistics of_parts;
  for (std::size_t begin = 3000; begin > 0; begin -= 375) {  // from the end, in pieces
    QuantizeStatistics one;
    quantize_stochastic<std::int8_t>(std::span(in).subspan(begin - 375, 375), format, 5, 2, 100 + begin - 375,
                                     std::span(parts).subspan(begin - 375, 375), one);
    of_parts.merge(one);
  }
  EXPECT_EQ(whole, parts);
  EXPECT_EQ(of_whole, of_parts);
  double error = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    const double difference = whole[i] / 4.0 - double{in[i]};
    ASSERT_LT(std::fabs(difference), 0.25);
    error += difference;
  }
  EXPECT_LT(std::fabs(error / 3000), 0.01);  // unbiased: the standard error is 0.002
}

}  // namespace
}  // namespace guardbit::arith
