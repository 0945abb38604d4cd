// Every row of vectors.json that is arithmetic: fixed, minifloat, shift, the divergence rates, accumulator widths and
// norm caps. Rows of requant and qmult: stages_test.cpp. The rest (dg, networks, scores) belongs to nets and trainer.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "arith/accumulator_bounds.hpp"
#include "arith/mayo.hpp"
#include "arith/philox.hpp"
#include "arith/real.hpp"
#include "arith/stages.hpp"

namespace guardbit::arith {
namespace {

class Vectors : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* shared = std::getenv("GUARDBIT_SHARED");
    std::ifstream file(std::string(shared != nullptr ? shared : "../shared") + "/vectors.json");
    if (!file) GTEST_SKIP() << "no vectors.json: set GUARDBIT_SHARED to its folder";
    all_ = nlohmann::json::parse(file);
  }
  static double number(const nlohmann::json& row, const char* key) { return std::stod(row.at(key).get<std::string>()); }
  nlohmann::json all_;
};

TEST_F(Vectors, Fixed) {
  for (const auto& row : all_.at("fixed")) {
    const Format format{.kind = Kind::Fixed, .width = row.at("width"), .integer_bits = row.at("point"),
                        .rounding = Rounding::RND_CONV, .overflow = Overflow::SAT};
    const NarrowedReal got = narrow(number(row, "v"), format);
    EXPECT_EQ(static_cast<std::int64_t>(got.value), row.at("q").get<std::int64_t>()) << row;
    EXPECT_EQ(format.frac_bits(), row.at("frac_bits").get<int>());
    EXPECT_EQ(std::ldexp(static_cast<double>(got.value), -format.frac_bits()), row.at("value").get<double>()) << row;
  }
  EXPECT_EQ(all_.at("fixed").size(), 120U);
}

TEST_F(Vectors, MinifloatInBothColumns) {
  for (const auto& row : all_.at("minifloat")) {
    const auto got = [&](MayoRange range) {
      return mayo_minifloat(number(row, "v"), row.at("width"), row.at("mantissa_width"), row.at("exponent_bias"),
                            range);
    };
    EXPECT_EQ(got(MayoRange::Original), row.at("mayo").get<double>()) << row;
    EXPECT_EQ(got(MayoRange::Saturate), row.at("saturating").get<double>()) << row;
  }
  EXPECT_EQ(all_.at("minifloat").size(), 39U);
}

TEST_F(Vectors, Shift) {
  for (const auto& row : all_.at("shift")) {
    const int width = row.at("width"), bias = row.at("exponent_bias");
    const double value = number(row, "v");
    const double want = row.at("q");
    EXPECT_EQ(mayo_shift(value, width, bias, MayoRange::Original), want) << row;
    // Saturating: the same within the exponents, else the nearest end.
    const double smallest = std::ldexp(1.0, -bias), largest = std::ldexp(1.0, (1 << width) - 1 - bias);
    const double magnitude = std::fabs(value);
    const double saturated = want == 0 ? 0 : magnitude < smallest ? smallest : std::min(std::fabs(want), largest);
    const double bounded = magnitude >= 2 * largest ? largest : saturated;
    EXPECT_EQ(mayo_shift(value, width, bias), std::copysign(bounded, want)) << row;
  }
  EXPECT_EQ(all_.at("shift").size(), 32U);
}

// --- how often the requantizers differ ------------------------------------------------------------

struct Rates {
  double double_vs_single = 0, single_vs_float32 = 0;
};

// Shares of `count` random accumulators up to 2^bits and mantissas whose result differs.
Rates disagreement(int least_shift, int shifts, int bits, int count, std::uint64_t seed) {
  Random random(seed);
  Rates rates;
  for (int i = 0; i < count; ++i) {
    const std::int64_t acc = static_cast<std::int64_t>(random.below((std::uint64_t{2} << bits) + 1)) -
                             (std::int64_t{1} << bits);
    const auto mantissa = static_cast<double>((std::uint64_t{1} << 30) + random.below(std::uint64_t{1} << 30));
    const int shift = least_shift + static_cast<int>(random.below(static_cast<std::uint64_t>(shifts)));
    const OutputSpec spec{.real_multipliers = {std::ldexp(mantissa, -31 - shift)}, .format = integer_format(32)};
    const auto run = [&](const StageList& stages) {
      StageCounts counts{.changed = std::vector<std::uint64_t>(stages.size())};
      return apply_stages(stages, acc, 0, counts);
    };
    const std::int64_t single = run(tflite_single(spec));
    rates.double_vs_single += run(tflite_double(spec)) != single ? 1.0 / count : 0;
    rates.single_vs_float32 += run(onnx_float(spec)) != single ? 1.0 / count : 0;
  }
  return rates;
}

// Two samples of a rate: five standard errors of their difference, and a count or two where it is nearly nought.
double tolerance(double rate, double count) { return 5 * std::sqrt(2 * rate * (1 - rate) / count) + 3 / count; }

TEST_F(Vectors, RequantDivergence) {
  const auto& row = all_.at("requant_divergence");  // accumulators up to 2^20, right shifts 4 to 14
  const int count = row.at("n");
  const double want = row.at("fraction");
  EXPECT_NEAR(disagreement(4, 11, 20, count, 21).double_vs_single, want, tolerance(want, count));
}

TEST_F(Vectors, RequantModesByShift) {
  constexpr int kCount = 40000;
  for (const auto& row : all_.at("requant_modes_by_shift")) {
    const int shift = row.at("right_shift");
    const double want = row.at("double_vs_single");
    EXPECT_NEAR(disagreement(shift, 1, 20, kCount, 22).double_vs_single, want, tolerance(want, kCount)) << shift;
    // The published rows hold for accumulators that leave binary32 many bits; with 2^10 the rate is of their size.
    const double of_float = row.at("single_vs_float32");
    EXPECT_NEAR(disagreement(shift, 1, 10, kCount, 23).single_vs_float32, of_float, 4.0 / kCount) << shift;
  }
  EXPECT_EQ(all_.at("requant_modes_by_shift").size(), 13U);
}

// --- accumulators ---------------------------------------------------------------------------------

TEST_F(Vectors, A2qCaps) {
  for (const auto& row : all_.at("a2q")) {
    const int bits = row.at("P"), activation_bits = row.at("N");
    EXPECT_EQ(a2q_l1_cap(bits, activation_bits, row.at("signed")), row.at("a2q_l1").get<double>()) << row;
    EXPECT_EQ(a2q_plus_l1_cap(bits, activation_bits), row.at("a2qplus_l1").get<double>()) << row;
  }
  EXPECT_EQ(all_.at("a2q").size(), 72U);
}

TEST_F(Vectors, AccumulatorWidths) {
  int rows = 0;
  for (const auto& [name, layers] : all_.at("acc_width_datatype_bound").items()) {
    const int bits = name[1] - '0';  // w8a8: signed weights, unsigned activations
    for (const auto& layer : layers) {
      EXPECT_EQ(datatype_bound_bits(layer[1], (std::int64_t{1} << bits) - 1, (std::int64_t{1} << (bits - 1)) - 1),
                layer[2].get<int>())
          << name << " " << layer;
      ++rows;
    }
  }
  EXPECT_EQ(rows, 36);
}

}  // namespace
}  // namespace guardbit::arith
