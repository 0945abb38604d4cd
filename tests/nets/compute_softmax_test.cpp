// Integer softmax against softmax in double, and its edges.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "arith/error.hpp"
#include "nets/compute/softmax.hpp"

namespace guardbit::nets::compute {
namespace {

using Codes = std::vector<std::int32_t>;

Codes int8(const Codes& codes, const SoftmaxInt8& parameters) {
  Codes out(codes.size());
  softmax_int8(codes, static_cast<std::int64_t>(codes.size()), parameters, out);
  return out;
}

std::vector<double> real(const Codes& codes, double step) {
  double sum = 0;
  const int largest = *std::max_element(codes.begin(), codes.end());
  std::vector<double> values;
  for (const int code : codes) sum += values.emplace_back(std::exp(step * (code - largest)));
  for (double& value : values) value /= sum;
  return values;
}

TEST(SoftmaxInt8, IsWithinOneCodeOfSoftmaxInDouble) {
  std::mt19937_64 random(1);
  for (const double step : {0.002, 0.03, 0.25, 1.0}) {
    const SoftmaxInt8 parameters = softmax_int8_parameters(step);
    for (int i = 0; i < 500; ++i) {
      Codes codes(1 + random() % 40);
      for (std::int32_t& code : codes) code = static_cast<std::int32_t>(random() % 256) - 128;
      const std::vector<double> exact = real(codes, step);
      const Codes out = int8(codes, parameters);
      for (std::size_t e = 0; e < codes.size(); ++e) {
        ASSERT_NEAR(out[e], std::min(exact[e] * 256 - 128, 127.0), 0.56);
      }
    }
  }
}

// Literals of the C formulation (wrapping shifts, masks, rounding by remainder), written down and run separately.
TEST(SoftmaxInt8, ItsFunctionsAreExactToTheLastBit) {
  const std::vector<std::pair<std::int32_t, std::int32_t>> exponentials{
      {0, 2147483647},          {-1, 2147483124},        {-2000000, 2084427794},  {-5000000, 1993298794},
      {-8388608, 1895147668},   {-12345678, 1786631188}, {-14680064, 1725551701}, {-16777216, 1672462419},
      {-16777217, 1672461539},  {-67108864, 790015308},  {-100000000, 483927985}, {-500000000, 1247912},
      {-1073741824, 242},       {INT32_MIN, 0}};
  for (const auto& [x, expected] : exponentials) {
    EXPECT_EQ(exponential(x), expected) << x;
    EXPECT_NEAR(expected / 2147483648.0, std::exp(x / 67108864.0), 1e-6) << x;
  }
  const std::vector<std::pair<std::int32_t, std::int32_t>> reciprocals{
      {0, 2147483647},         {1, 2147483647},          {123456789, 2030738432},  {715827882, 1610612732},
      {1073741824, 1431655762}, {1500000000, 1264347280}, {2000000001, 1111923858}, {2147483647, 1073741820}};
  for (const auto& [x, expected] : reciprocals) {
    EXPECT_EQ(reciprocal(x), expected) << x;
    EXPECT_NEAR(expected / 2147483648.0, 1 / (1 + x / 2147483648.0), 1e-8) << x;
  }
  const Codes row{-7, -62, 61,  114, -95, -122, 112, 4,   -9,  -30,  112, 115,
                  75, -51, -10, -51, 71,  -121, -96, -47, -107, 26, -113, 9};
  const Codes expected{-126, -127, -115, -81,  -128, -128, -83,  -125, -126, -127, -83,  -80,
                       -110, -127, -126, -127, -112, -128, -128, -127, -128, -123, -128, -125};
  EXPECT_EQ(int8(row, {1717986918, 21, -992}), expected);
}

TEST(SoftmaxInt8, OneCodeIsEverythingAndEqualOnesShare) {
  const SoftmaxInt8 parameters = softmax_int8_parameters(0.1);
  EXPECT_EQ(int8({-7}, parameters), (Codes{127})) << "256 - 128, held at 127";
  EXPECT_EQ(int8({5, 5}, parameters), (Codes{0, 0}));
  EXPECT_EQ(int8({5, 5, 5, 5}, parameters), (Codes{-64, -64, -64, -64}));
}

TEST(SoftmaxInt8, DifferencesBelowTheSmallestCountNothing) {
  // TFLite: scale * beta = 1 gives 2^30, shift 27, and 31 * 2^26 / 2^27 = 15.5.
  const SoftmaxInt8 parameters = softmax_int8_parameters(1.0);
  EXPECT_EQ(parameters.multiplier, 1 << 30);
  EXPECT_EQ(parameters.left_shift, 27);
  EXPECT_EQ(parameters.diff_min, -15);
  EXPECT_EQ(int8({0, -15, -16}, parameters), (Codes{127, -128, -128}));
  const SoftmaxInt8 coarse{1 << 30, 24, -3};  // a step of 1/8; differences below -3 are left out of the sum
  EXPECT_EQ(int8({0, -3, -4, -5}, coarse), int8({0, -3, -90, -128}, coarse));
  EXPECT_EQ(int8({0, -4}, coarse), (Codes{127, -128}));
  EXPECT_EQ(int8({0, -3}, coarse), (Codes{24, -24})) << "exp(-3/8): the limit itself counts";
}

TEST(SoftmaxInt8, RowsAreIndependent) {
  const SoftmaxInt8 parameters = softmax_int8_parameters(0.05);
  const Codes first{1, 2, 3}, second{-100, 0, 100};
  Codes both = first, out(6);
  both.insert(both.end(), second.begin(), second.end());
  softmax_int8(both, 3, parameters, out);
  Codes expected = int8(first, parameters);
  for (const std::int32_t code : int8(second, parameters)) expected.push_back(code);
  EXPECT_EQ(out, expected);
}

TEST(SoftmaxInt8, RefusesWhatItCannotTake) {
  Codes out(3);
  EXPECT_THROW(softmax_int8(Codes{1, 2, 3}, 2, {1 << 30, 20, -10}, out), Error);
  EXPECT_THROW(softmax_int8(Codes{1, 2, 300}, 3, {1 << 30, 20, -10}, out), Error);
  EXPECT_THROW(softmax_int8(Codes{1, 2, 3}, 3, {1 << 30, 32, -10}, out), Error);
  EXPECT_THROW(softmax_int8(Codes{1, 2, 3}, 3, {1 << 30, 20, 1}, out), Error);
  EXPECT_THROW(static_cast<void>(softmax_int8_parameters(std::nan(""))), Error);
  EXPECT_THROW(static_cast<void>(softmax_int8_parameters(0)), Error);
  Codes many(4096), results(4096);
  EXPECT_THROW(softmax_int8(many, 4096, {1 << 30, 20, -10}, results), Error);
}

TEST(SoftmaxInt16, IsNearSoftmaxInDouble) {
  std::mt19937_64 random(2);
  // 10 / 65535 per unit of the table; the factor maps a code to it.
  const double step = 10.0 / 65535 * 0.8 / 4;
  const SoftmaxInt16 parameters{1717986918, -2};  // 0.8 * 2^31, / 4
  for (int i = 0; i < 200; ++i) {
    Codes codes(1 + random() % 30), out(codes.size());
    for (std::int32_t& code : codes) code = static_cast<std::int32_t>(random() % 65536) - 32768;
    softmax_int16(codes, static_cast<std::int64_t>(codes.size()), parameters, out);
    const std::vector<double> exact = real(codes, step);
    for (std::size_t e = 0; e < codes.size(); ++e) ASSERT_NEAR(out[e], std::min(exact[e] * 32768, 32767.0), 4.0);
  }
}

TEST(InterpolationTable, BendsItsEntriesByHalfTheErrorInTheMiddle) {
  // A straight line has no error; x^2 on [0, 1]: the chord is 1/4 * step^2 above the middle.
  const std::vector<std::int16_t> line = interpolation_table([](double x) { return x; }, -1, 1);
  ASSERT_EQ(line.size(), 513u);
  EXPECT_EQ(line[0], -32768);
  EXPECT_EQ(line[256], 0);
  EXPECT_EQ(line[300], 44 * 128);
  EXPECT_EQ(line[512], 32767) << "held in 16 bits";
  const std::vector<std::int16_t> square = interpolation_table([](double x) { return x * x / 512; }, 0, 512);
  EXPECT_EQ(square[0], -8) << "32768 / 512 / 4 = 16 too high, half of it";
  EXPECT_EQ(square[1], 64 - 8);
}

}  // namespace
}  // namespace guardbit::nets::compute
