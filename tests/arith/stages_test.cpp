// Requantize stages: golden rows, the presets against direct arithmetic (SPEC 5.3 written out), the checks.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "arith/error.hpp"
#include "arith/philox.hpp"
#include "arith/stage_text.hpp"
#include "arith/stages.hpp"

namespace guardbit::arith {
namespace {

// --- direct arithmetic --------------------------------------------------------------------------

// Saturating rounding doubling high multiplication: (a * b + nudge) / 2^31, C division (toward zero).
std::int64_t high_multiply(std::int64_t a, std::int64_t b) {
  const int128 product = int128{a} * b;
  const int128 nudge = product >= 0 ? int128{1} << 30 : 1 - (int128{1} << 30);
  const int128 result = (product + nudge) / (int128{1} << 31);
  return static_cast<std::int64_t>(std::min(std::max(result, int128{INT32_MIN}), int128{INT32_MAX}));
}

// x / 2^exponent, ties away from zero, by a masked remainder.
std::int64_t divide_by_power(std::int64_t x, int exponent) {
  const std::int64_t mask = (std::int64_t{1} << exponent) - 1;
  const std::int64_t threshold = (mask >> 1) + (x < 0 ? 1 : 0);
  return (x >> exponent) + ((x & mask) > threshold ? 1 : 0);
}

std::int64_t direct_double(std::int64_t acc, const QuantizedMultiplier& m) {
  const int left = std::max(m.shift, 0);
  return divide_by_power(high_multiply(acc * (std::int64_t{1} << left), m.multiplier), std::max(-m.shift, 0));
}

std::int64_t direct_single(std::int64_t acc, const QuantizedMultiplier& m) {
  const int total = 31 - m.shift;
  return static_cast<std::int64_t>((int128{acc} * m.multiplier + (int128{1} << (total - 1))) >> total);
}

std::int64_t clamp_output(std::int64_t value, const OutputSpec& spec) {
  std::int64_t low = static_cast<std::int64_t>(spec.format.min_code());
  std::int64_t high = static_cast<std::int64_t>(spec.format.max_code());
  if (spec.activation != Activation::None) low = std::max(low, spec.zero_point);
  if (spec.activation == Activation::Relu6) high = std::min(high, spec.zero_point + spec.relu6_code);
  return std::clamp(value + spec.zero_point, low, high);
}

double real_of(const QuantizedMultiplier& m) { return std::ldexp(static_cast<double>(m.multiplier), m.shift - 31); }

std::int64_t run_stages(const StageList& stages, std::int64_t value, std::int64_t channel = 0) {
  StageCounts counts{.changed = std::vector<std::uint64_t>(stages.size())};
  return apply_stages(stages, value, channel, counts);
}

OutputSpec spec_of(double real) { return {.real_multipliers = {real}, .format = integer_format(32)}; }

// --- golden rows --------------------------------------------------------------------------------

struct Row {
  std::int64_t acc, multiplier;
  int shift;
  std::int64_t after_double, after_single;
};

void expect_row(const Row& row) {
  const QuantizedMultiplier m{static_cast<std::int32_t>(row.multiplier), row.shift};
  EXPECT_EQ(run_stages(tflite_double(spec_of(real_of(m))), row.acc), row.after_double) << row.acc << " " << row.shift;
  EXPECT_EQ(run_stages(tflite_single(spec_of(real_of(m))), row.acc), row.after_single) << row.acc << " " << row.shift;
}

TEST(Presets, GiveTheGoldenRows) {
  expect_row({585, 1527099593, -6, 7, 7});
  expect_row({-585, 1527099593, -6, -7, -7});
  expect_row({1, 1073741824, 0, 1, 1});
  expect_row({-1, 1073741824, 0, 0, 0});
  expect_row({5, 1073741824, -1, 2, 1});
  expect_row({-5, 1073741824, -1, -1, -1});
  expect_row({-966241705, 1373157221, 0, -617840222, -617840222});
  expect_row({2147483647, 2147483647, -31, 1, 1});
  expect_row({-2147483648, 2147483647, -20, -2048, -2048});
}

TEST(QuantizeMultiplier, GivesTheGoldenRows) {
  const auto expect = [](double real, std::int32_t multiplier, int shift) {
    EXPECT_EQ(quantize_multiplier(real).multiplier, multiplier) << real;
    EXPECT_EQ(quantize_multiplier(real).shift, shift) << real;
  };
  expect(0.5, 1073741824, 0);
  expect(0.000392156862745098, 1724724122, -11);
  expect(0.011111111910680305, 1527099593, -6);
  expect(0.9999999999, 1073741824, 1);  // the mantissa rounds up to 2^31
  expect(1.0 / 3.0, 1431655765, -1);
  expect(0, 0, 0);
  expect(0x1p-32, 1073741824, -31);
  expect(0x1p-33, 0, 0);  // shift -32: too small
  expect(6.0, 1610612736, 3);
  EXPECT_THROW((void)quantize_multiplier(-1), Error);
  EXPECT_THROW((void)quantize_multiplier(std::nan("")), Error);
  EXPECT_THROW((void)quantize_multiplier(INFINITY), Error);
}

TEST(Presets, GiveEveryRowOfTheSharedVectors) {
  const char* configured = std::getenv("GUARDBIT_SHARED");
  const std::filesystem::path path = std::filesystem::path(configured != nullptr ? configured : "../shared") /
                                     "vectors.json";
  if (!std::filesystem::exists(path)) {
    GTEST_SKIP() << "no " << path << ": set GUARDBIT_SHARED to the folder of vectors.json";
  }
  std::ifstream file(path);
  const auto vectors = nlohmann::json::parse(file);
  for (const auto& row : vectors.at("requant")) {
    const auto number = [&](const char* key) { return row.at(key).get<std::int64_t>(); };
    expect_row({number("acc"), number("mult"), static_cast<int>(number("shift")), number("double"), number("single")});
  }
  EXPECT_EQ(vectors.at("requant").size(), 14U);
  for (const auto& row : vectors.at("qmult")) {
    const QuantizedMultiplier m = quantize_multiplier(row.at("real").get<double>());
    EXPECT_EQ(m.multiplier, row.at("mult").get<int>());
    EXPECT_EQ(m.shift, row.at("shift").get<int>());
  }
  EXPECT_EQ(vectors.at("qmult").size(), 8U);
}

// --- presets against direct arithmetic ----------------------------------------------------------

std::int64_t random_accumulator(Random& random) {
  return static_cast<std::int32_t>(random.next_u32()) >> random.below(31);
}

TEST(Presets, EqualDirectArithmeticOnRandomAccumulators) {
  Random random(4);
  for (int i = 0; i < 300; ++i) {
    OutputSpec spec;
    spec.real_multipliers = {std::ldexp(0.5 + random.uniform() / 2, static_cast<int>(random.below(34)) - 31)};
    spec.zero_point = static_cast<std::int64_t>(random.below(256)) - 128;
    spec.activation = static_cast<Activation>(random.below(3));
    spec.relu6_code = static_cast<std::int64_t>(random.below(200));
    spec.format = integer_format(random.below(2) == 0 ? 8 : 16);
    const QuantizedMultiplier m = quantize_multiplier(spec.real_multipliers[0]);
    const StageList twice = tflite_double(spec);
    const StageList once = tflite_single(spec);
    for (int j = 0; j < 300; ++j) {
      const std::int64_t acc = random_accumulator(random);
      ASSERT_EQ(run_stages(twice, acc), clamp_output(direct_double(acc, m), spec)) << acc << " " << to_string(twice);
      ASSERT_EQ(run_stages(once, acc), clamp_output(direct_single(acc, m), spec)) << acc << " " << to_string(once);
    }
  }
}

TEST(Presets, SingleAndDoubleRoundingDisagreeAsOftenAsPublished) {
  // Right shift 1: about a quarter of all accumulators differ, always by one (SPEC 1).
  Random random(8);
  int different = 0;
  for (int i = 0; i < 20000; ++i) {
    const double real = std::ldexp(0.5 + random.uniform() / 2, -1);
    const std::int64_t acc = static_cast<std::int64_t>(random.below(1U << 21)) - (1 << 20);
    const std::int64_t once = run_stages(tflite_single(spec_of(real)), acc);
    const std::int64_t difference = run_stages(tflite_double(spec_of(real)), acc) - once;
    EXPECT_LE(std::abs(difference), 1);
    different += difference != 0 ? 1 : 0;
  }
  EXPECT_NEAR(different / 20000.0, 0.25, 0.015);
}

TEST(Presets, TheDoubleFormSaturatesBetweenItsRoundings) {
  OutputSpec spec = spec_of(4.0);
  spec.zero_point = -5;
  const StageList stages = tflite_double(spec);
  StageCounts counts{.changed = std::vector<std::uint64_t>(stages.size())};
  EXPECT_EQ(apply_stages(stages, 1 << 30, 0, counts), INT32_MAX - 5);
  EXPECT_EQ(counts.changed[3], 1U);
}

TEST(Presets, ClampTheSingleFormAtShift30) {
  EXPECT_EQ(run_stages(tflite_single(spec_of(0x1p40)), 1), 1 << 30);
}

TEST(OnnxFloat, RoundsTheBinary32ProductToEven) {
  OutputSpec spec = spec_of(0.5);
  EXPECT_EQ(run_stages(onnx_float(spec), 3), 2);
  EXPECT_EQ(run_stages(onnx_float(spec), 5), 2);
  EXPECT_EQ(run_stages(onnx_float(spec), -3), -2);
  EXPECT_EQ(run_stages(onnx_float(spec), -5), -2);
  // 2^24 + 1 is not a binary32 number: the accumulator itself is rounded first.
  EXPECT_EQ(run_stages(onnx_float(spec_of(1.0)), 16777217), 16777216);
  Random random(6);
  for (int i = 0; i < 100000; ++i) {
    const auto scale = static_cast<float>(std::ldexp(random.uniform(), -static_cast<int>(random.below(20))));
    const std::int64_t acc = random_accumulator(random);
    const float product = static_cast<float>(acc) * scale;
    ASSERT_EQ(run_stages(StageList{Scale{{scale}}}, acc), std::llrint(product)) << acc << " " << scale;
  }
}

TEST(Pow2, ShiftsRoundsAndSaturates) {
  OutputSpec spec;
  spec.format = parse_format("fixed<8,3,RND,SAT>");
  EXPECT_EQ(run_stages(pow2(spec, 4, Rounding::RND_CONV), 40), 2);  // 2.5
  EXPECT_EQ(run_stages(pow2(spec, 4, Rounding::RND), 40), 3);
  EXPECT_EQ(run_stages(pow2(spec, -2, Rounding::RND), 5), 20);
  EXPECT_EQ(run_stages(pow2(spec, 0, Rounding::RND), 500), 127);
  spec.activation = Activation::Relu;
  EXPECT_EQ(run_stages(pow2(spec, 1, Rounding::RND), -100), 0);
}

// --- single stages ------------------------------------------------------------------------------

TEST(Stages, ParametersArePerChannelOrShared) {
  StageList stages;
  stages.push_back(Add{Parameter(std::vector<std::int64_t>{10, 20})});
  stages.push_back(Subtract{3});
  stages.push_back(ShiftLeft{Parameter(std::vector<std::int64_t>{0, 4})});
  stages.push_back(Multiply{-2, std::nullopt});
  EXPECT_EQ(run_stages(stages, 1, 0), -16);
  EXPECT_EQ(run_stages(stages, 1, 1), -576);
}

TEST(Stages, OnlyNarrowingsAreCounted) {
  const StageList stages{Relu{}, Multiply{3, integer_format(6)}, Clamp{std::nullopt, 20}, Narrow{integer_format(5)}};
  StageCounts counts{.changed = std::vector<std::uint64_t>(4)};
  EXPECT_EQ(apply_stages(stages, -4, 0, counts), 0);
  EXPECT_EQ(apply_stages(stages, 5, 0, counts), 15);
  EXPECT_EQ(apply_stages(stages, 6, 0, counts), 15);
  EXPECT_EQ(apply_stages(stages, 100, 0, counts), 15);
  EXPECT_EQ(counts.total, 4U);
  EXPECT_EQ(counts.changed, (std::vector<std::uint64_t>{0, 1, 0, 2}));
}

TEST(Stages, ASaturationToZeroIsCounted) {
  const StageList stages{Narrow{integer_format(8, false)}, Narrow{integer_format(4, true, Overflow::SAT_ZERO)}};
  StageCounts counts{.changed = std::vector<std::uint64_t>(2)};
  EXPECT_EQ(apply_stages(stages, -3, 0, counts), 0);
  EXPECT_EQ(apply_stages(stages, 9, 0, counts), 0);
  EXPECT_EQ(counts.changed, (std::vector<std::uint64_t>{1, 1}));
}

TEST(Stages, AResultBeyond64BitsIsRefused) {
  EXPECT_THROW((void)run_stages(StageList{ShiftLeft{63}}, 2), Error);
  EXPECT_EQ(run_stages(StageList{ShiftLeft{63}, ShiftRight{63, Rounding::TRN}}, INT64_MIN), INT64_MIN);
}

std::string check_error(const StageList& stages, std::int64_t channels = 4, int input_bits = 32) {
  try {
    check_stages(stages, channels, input_bits, "layer conv1");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(CheckStages, NamesTheStageAndWhatIsAllowed) {
  EXPECT_EQ(check_error({ShiftRight{64, Rounding::RND}}),
            "layer conv1: stage 0 (shift_right: 64, rounding: RND): shift 64 is not allowed; 0..63");
  EXPECT_EQ(check_error({Relu{}, ShiftLeft{-1}}),
            "layer conv1: stage 1 (shift_left: -1): shift -1 is not allowed; 0..63");
  EXPECT_EQ(check_error({Add{Parameter(std::vector<std::int64_t>{1, 2})}}),
            "layer conv1: stage 0 (add: [1, 2]): 2 values; 1 or 4 (one per channel) are allowed");
  EXPECT_EQ(check_error({Add{Parameter(std::vector<std::int64_t>{})}}),
            "layer conv1: stage 0 (add: []): 0 values; 1 or 4 (one per channel) are allowed");
  EXPECT_EQ(check_error({Clamp{5, 4}}), "layer conv1: stage 0 (clamp: [5, 4]): its low bound is above its high bound");
  EXPECT_EQ(check_error({Scale{{NAN}}}), "layer conv1: stage 0 (scale: nan): a scale is not a finite number");
  EXPECT_EQ(check_error({Narrow{parse_format("float")}}),
            "layer conv1: stage 0 (saturate: float): an integer or fixed-point format of 1..64 bits is needed");
  EXPECT_EQ(check_error({ShiftLeft{63}, ShiftLeft{63}}),
            "layer conv1: stage 1 (shift_left: 63): its result may need more than 127 bits for an input of 32 bits");
  EXPECT_EQ(check_error({ShiftLeft{40}}),
            "layer conv1: the result may need more than 64 bits; end the stages with a narrowing");
  EXPECT_EQ(check_error({}, 4, 65), "layer conv1: an input of 65 bits; 1..64 are allowed");
}

TEST(CheckStages, AcceptsWhatFitsExactly) {
  EXPECT_EQ(check_error({ShiftLeft{63}}, 1, 1), "no error");
  EXPECT_EQ(check_error({ShiftLeft{63}, Narrow{integer_format(8)}}, 1, 64), "no error");  // -2^126 is 127 bits
  EXPECT_EQ(check_error({ShiftLeft{63}, Add{-1}, Narrow{integer_format(8)}}, 1, 64),
            "layer conv1: stage 1 (add: -1): its result may need more than 127 bits for an input of 64 bits");
  EXPECT_EQ(check_error(tflite_double(spec_of(0.3))), "no error");
  EXPECT_EQ(check_error(tflite_single(spec_of(0.3))), "no error");
  EXPECT_EQ(check_error(onnx_float(spec_of(0.3))), "no error");
}

TEST(StageText, IsTheSpellingOfTheConfiguration) {
  const OutputSpec spec{.real_multipliers = {0.5, 0.25, 0.125, 0.5, 0.5}, .zero_point = -3,
                        .activation = Activation::Relu6, .relu6_code = 60};
  EXPECT_EQ(to_string(tflite_double(spec)),
            "shift_left: [0, 0, 0, 0, ... 5 values]; "
            "multiply: [1073741824, 1073741824, 1073741824, 1073741824, ... 5 values]; "
            "shift_right: 31, rounding: RND; saturate: int32; "
            "shift_right: [0, 1, 2, 0, ... 5 values], rounding: RND_INF; clamp: [0, 60]; add: -3; saturate: int8");
  EXPECT_EQ(to_string(Stage{Narrow{parse_format("int<16,WRAP>")}}), "wrap: int16");
  EXPECT_EQ(to_string(Stage{Narrow{parse_format("int<16,WRAP,2>")}}), "wrap: int<16,WRAP,2>");
  const Multiply narrowed{5, parse_format("int<49,WRAP>")};
  EXPECT_EQ(to_string(Stage{narrowed}), "multiply: 5, format: int<49,WRAP>");
  EXPECT_EQ(to_string(Stage{Clamp{std::nullopt, 7}}), "clamp: [none, 7]");
  EXPECT_EQ(to_string(Stage{Scale{{0.1F}}}), "scale: 0.1");
}

}  // namespace
}  // namespace guardbit::arith
