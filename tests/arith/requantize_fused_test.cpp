// The fused requantize loops against the definition, on every instruction set, for every pair of types: presets and
// random lists, on ties, rails, both signs and both sides of the largest input they are proven for.
#include <gtest/gtest.h>

#include <cmath>
#include <iostream>
#include <limits>

#include "arith/detail/fused_stages.hpp"
#include "arith/detail/lane_kernel.hpp"
#include "arith/error.hpp"
#include "arith/philox.hpp"
#include "arith/stage_text.hpp"

namespace guardbit::arith {
namespace {

using detail::Isa;

std::vector<Isa> isas() {
  std::vector<Isa> all{Isa::Baseline};
  if (detail::best_isa() >= Isa::Avx2) all.push_back(Isa::Avx2);
  if (detail::best_isa() >= Isa::Avx512) all.push_back(Isa::Avx512);
  return all;
}

std::int64_t in_range(Random& random, std::int64_t low, std::int64_t high) {
  return low + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(high - low + 1)));
}

struct Seen {
  std::uint64_t values = 0, saturated = 0, fused = 0, lists = 0;
  ~Seen() {
    std::cout << "compared " << values << " values, " << saturated << " of them saturated; " << fused << " of " << lists
              << " lists fused\n";
  }
};

// A block of a random shape: rows may lie apart, columns may begin anywhere.
struct Shape {
  std::int64_t rows, first, cols, in_stride, out_stride;
};

Shape random_shape(Random& random, std::int64_t channels) {
  Shape shape{.rows = in_range(random, 1, 40), .first = 0, .cols = channels, .in_stride = channels,
              .out_stride = channels};
  if (random.below(2) == 0) {
    shape.first = in_range(random, 0, channels - 1);
    shape.cols = in_range(random, 1, channels - shape.first);
    shape.in_stride = shape.cols + in_range(random, 0, 3);
    shape.out_stride = shape.cols + in_range(random, 0, 3);
  }
  return shape;
}

template <class In, class Out>
void compare(const StageList& stages, std::int64_t channels, const Shape& shape, const std::vector<std::int64_t>& wide,
             Seen& seen) {
  const std::vector<In> in(wide.begin(), wide.end());
  StageCounts want{.changed = std::vector<std::uint64_t>(stages.size())};
  std::vector<Out> expected(static_cast<std::size_t>(shape.rows * shape.out_stride), Out{99});
  for (std::int64_t r = 0; r < shape.rows; ++r) {
    for (std::int64_t c = 0; c < shape.cols; ++c) {
      const In value = in[static_cast<std::size_t>(r * shape.in_stride + c)];
      const std::int64_t code = apply_stages(stages, value, shape.first + c, want);
      ASSERT_TRUE(std::numeric_limits<Out>::min() <= code && code <= std::numeric_limits<Out>::max());
      expected[static_cast<std::size_t>(r * shape.out_stride + c)] = static_cast<Out>(code);
    }
  }
  seen.values += want.total;
  for (const std::uint64_t changed : want.changed) seen.saturated += changed;
  for (const Isa isa : isas()) {
    const Requantizer requantizer(stages, channels, isa);
    std::vector<Out> out(expected.size(), Out{99});
    StageCounts got;
    requantizer.apply(in.data(), shape.in_stride, out.data(), shape.out_stride, shape.rows, shape.first, shape.cols,
                      got);
    for (std::int64_t i = 0; i < shape.rows * shape.out_stride; ++i) {
      const auto e = static_cast<std::size_t>(i);
      ASSERT_EQ(std::int64_t{out[e]}, std::int64_t{expected[e]})
          << "element " << i << " of " << shape.cols << " columns, out stride " << shape.out_stride << ", input "
          << in[static_cast<std::size_t>(i / shape.out_stride * shape.in_stride + i % shape.out_stride) % in.size()]
          << ", isa " << static_cast<int>(isa) << " " << to_string(stages);
    }
    ASSERT_EQ(got, want) << "isa " << static_cast<int>(isa) << " " << to_string(stages);
  }
}

// Both input types, the output type that fits the codes; 64-bit inputs beyond 32 bits now and then.
void compare_types(const StageList& stages, std::int64_t channels, const Format& format, const Shape& shape,
                   std::vector<std::int64_t> values, Random& random, Seen& seen) {
  const auto both = [&]<class Out>(Out) {
    compare<std::int32_t, Out>(stages, channels, shape, values, seen);
    if (testing::Test::HasFatalFailure()) return;
    if (random.below(4) == 0) values[random.below(values.size())] = in_range(random, -(1LL << 40), 1LL << 40);
    compare<std::int64_t, Out>(stages, channels, shape, values, seen);
  };
  if (format.width > (format.is_signed ? 16 : 15)) return both(std::int32_t{});
  if (format.width > 8) return random.below(2) == 0 ? both(std::int16_t{}) : both(std::int32_t{});
  if (random.below(4) == 0) return both(std::int64_t{});
  return format.is_signed ? both(std::int8_t{}) : both(std::uint8_t{});
}

std::int32_t held(double value) { return static_cast<std::int32_t>(std::clamp(value, -0x1p31, 0x1p31 - 1)); }

// Accumulators where something happens to a channel that multiplies by about `real`: at codes and half codes and one
// beside them, beyond the format, at powers of two, which are the limits of plans, and at the ends of 32 bits.
std::int32_t adversarial(Random& random, double real, const Format& format) {
  const auto jitter = static_cast<double>(in_range(random, -1, 1));
  const double high = static_cast<double>(format.max_code());
  switch (random.below(6)) {
    case 0:
      return held(std::round((static_cast<double>(in_range(random, -300, 300)) + 0.5) / real) + jitter);
    case 1:
      return held(std::round((random.below(2) == 0 ? high + 0.5 : -high - 0.5) / real) + jitter);
    case 2:
      return held((random.below(2) == 0 ? -1.0 : 1.0) * std::ldexp(1.0, static_cast<int>(random.below(32))) + jitter);
    case 3:
      return random.below(2) == 0 ? INT32_MIN + static_cast<std::int32_t>(random.below(2))
                                  : INT32_MAX - static_cast<std::int32_t>(random.below(2));
    case 4:
      return held((random.uniform() * 4 - 2) * high / real);
    default:
      return static_cast<std::int32_t>(random.next_u32()) >> random.below(32);
  }
}

// Blocks without the extreme values stay within every plan's limit, so that the loop's own result is what is compared.
std::vector<std::int64_t> block(Random& random, const Shape& shape, const std::vector<double>& reals,
                                const Format& format, std::int64_t limit) {
  const bool tame = random.below(4) != 0;
  std::vector<std::int64_t> values(static_cast<std::size_t>(shape.rows * shape.in_stride));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto channel = static_cast<std::size_t>(shape.first) + i % static_cast<std::size_t>(shape.in_stride);
    values[i] = adversarial(random, reals[channel % reals.size()], format);
    if (tame) values[i] = std::clamp(values[i], -limit, limit - 1);
  }
  return values;
}

Format output_format(Random& random) {
  Format format = integer_format(static_cast<int>(random.below(4) == 0 ? in_range(random, 2, 16) : 8),
                                 random.below(2) == 0);
  if (random.below(4) == 0) format.width = format.integer_bits = 16 - (format.is_signed ? 0 : 1);
  if (format.is_signed && random.below(3) == 0) format.overflow = Overflow::SAT_SYM;
  return format;
}

std::int64_t limit_of(const StageList& stages, std::int64_t channels, Seen& seen) {
  const auto plan = detail::fuse_stages(stages, channels);
  ++seen.lists;
  seen.fused += plan ? 1 : 0;
  return plan ? plan->limit : std::int64_t{1} << 20;
}

TEST(FusedStages, EqualTheDefinitionForEveryPreset) {
  Random random(31);
  Seen seen;
  for (int i = 0; i < 800 && !HasFailure(); ++i) {
    const std::int64_t channels = random.below(3) == 0 ? in_range(random, 1, 15) : in_range(random, 16, 70);
    OutputSpec spec;
    spec.format = output_format(random);
    const double size = std::ldexp(1.0, -static_cast<int>(random.below(20)));
    for (std::int64_t c = random.below(3) == 0 ? channels - 1 : 0; c < channels; ++c) {
      spec.real_multipliers.push_back((0.25 + random.uniform()) * size);
    }
    const auto code = [&](std::int64_t value) {
      return std::clamp(value, static_cast<std::int64_t>(spec.format.min_code()),
                        static_cast<std::int64_t>(spec.format.max_code()));
    };
    spec.zero_point = random.below(3) == 0 ? 0 : code(in_range(random, -128, 127));
    spec.activation = static_cast<Activation>(random.below(3));
    spec.relu6_code = in_range(random, 0, 255);
    const auto shift = static_cast<int>(in_range(random, -2, 20));
    const auto mode = static_cast<Rounding>(random.below(8));
    const std::vector<double> powers{std::ldexp(1.0, -shift)};
    for (const auto& [stages, reals] : {std::pair(tflite_double(spec), spec.real_multipliers),
                                        std::pair(tflite_single(spec), spec.real_multipliers),
                                        std::pair(onnx_float(spec), spec.real_multipliers),
                                        std::pair(pow2(spec, shift, mode), powers)}) {
      const std::int64_t limit = limit_of(stages, channels, seen);
      const Shape shape = random_shape(random, channels);
      const auto values = block(random, shape, reals, spec.format, limit);
      compare_types(stages, channels, spec.format, shape, values, random, seen);
    }
  }
  EXPECT_GT(seen.values, 1000000U);
  EXPECT_GT(seen.saturated, 100000U);
  EXPECT_EQ(seen.fused, seen.lists);  // all presets take the fused loop
}

Parameter parameter(Random& random, std::int64_t channels, std::int64_t low, std::int64_t high) {
  if (random.below(2) == 0) return in_range(random, low, high);
  std::vector<std::int64_t> values;
  for (std::int64_t c = 0; c < channels; ++c) values.push_back(in_range(random, low, high));
  return Parameter(std::move(values));
}

// Lists of the fused shape, with parameters that sometimes do not fit it.
StageList random_list(Random& random, std::int64_t channels, const Format& format, double& real) {
  StageList stages;
  real = 1;
  if (random.below(3) == 0) stages.push_back(Add{parameter(random, channels, -5000, 5000)});
  if (random.below(6) == 0) stages.push_back(Subtract{parameter(random, channels, -50, 50)});
  if (random.below(3) == 0) stages.push_back(ShiftLeft{parameter(random, channels, 0, 5)});
  if (random.below(2) == 0) {
    const std::int64_t bits = in_range(random, 1, 31);
    Multiply stage;
    stage.value = parameter(random, channels, std::int64_t{1} << (bits - 1), (std::int64_t{1} << bits) - 1);
    if (random.below(8) == 0) stage.value = parameter(random, channels, -(1LL << bits), 1LL << bits);
    if (random.below(3) == 0) stage.format = integer_format(static_cast<int>(in_range(random, 30, 64)));
    real *= std::ldexp(1.0, static_cast<int>(bits));
    stages.push_back(stage);
  }
  if (random.below(4) == 0) stages.push_back(Narrow{integer_format(static_cast<int>(in_range(random, 30, 62)))});
  const int shifts = static_cast<int>(random.below(3));
  for (int i = 0; i < shifts; ++i) {
    const std::int64_t bits = i == 0 && random.below(2) == 0 ? 31 : in_range(random, 0, 34);
    stages.push_back(ShiftRight{parameter(random, channels, std::max<std::int64_t>(bits - 3, 0), bits),
                                static_cast<Rounding>(random.below(8))});
    real = std::ldexp(real, -static_cast<int>(bits));
    if (random.below(4) == 0) stages.push_back(Narrow{integer_format(static_cast<int>(in_range(random, 12, 33)))});
  }
  if (random.below(3) == 0) stages.push_back(Relu{});
  if (random.below(3) == 0) stages.push_back(Clamp{in_range(random, -200, 0), in_range(random, 1, 200)});
  if (random.below(3) == 0) stages.push_back(Add{in_range(random, -100, 100)});
  if (random.below(6) == 0) stages.push_back(Clamp{in_range(random, -200, 200), std::nullopt});
  stages.push_back(Narrow{format});
  if (random.below(8) == 0) stages.push_back(Relu{});
  return stages;
}

TEST(FusedStages, EqualTheDefinitionForRandomLists) {
  Random random(32);
  Seen seen;
  for (int i = 0; i < 6000 && !HasFailure(); ++i) {
    const std::int64_t channels = random.below(3) == 0 ? in_range(random, 1, 15) : in_range(random, 16, 40);
    const Format format = output_format(random);
    double real = 1;
    const StageList stages = random_list(random, channels, format, real);
    const std::int64_t limit = limit_of(stages, channels, seen);
    const Shape shape = random_shape(random, channels);
    compare_types(stages, channels, format, shape, block(random, shape, {real}, format, limit), random, seen);
  }
  EXPECT_GT(seen.values, 1000000U);
  EXPECT_GT(seen.saturated, 100000U);
  EXPECT_GT(seen.fused, seen.lists / 3);
  EXPECT_LT(seen.fused, seen.lists);
}

TEST(FusedStages, LongAndNarrowBlocksOfEveryLength) {
  Random random(33);
  Seen seen;
  const Format format = integer_format(8);
  const OutputSpec spec{.real_multipliers = {0.0037}, .zero_point = 3, .format = format};
  for (std::int64_t cols : {1, 2, 3, 7, 15, 16, 17, 31, 33, 255, 256, 257, 700, 5000}) {
    for (const StageList& stages : {tflite_double(spec), onnx_float(spec)}) {
      const std::int64_t limit = limit_of(stages, cols, seen);
      for (const std::int64_t rows : {1, 2, 15, 16, 33}) {
        const Shape shape{.rows = rows, .first = 0, .cols = cols, .in_stride = cols, .out_stride = cols};
        compare_types(stages, cols, format, shape, block(random, shape, {0.0037}, format, limit), random, seen);
      }
    }
  }
}

// Every rounding mode, every shift, every residue: nothing is left to chance.
TEST(FusedStages, RoundEveryTieInEveryMode) {
  Seen seen;
  Random random(34);
  const Format format = integer_format(16);
  for (int mode = 0; mode < 8; ++mode) {
    for (std::int64_t bits = 0; bits <= 6; ++bits) {
      std::vector<std::int64_t> values;
      for (std::int64_t v = -256; v < 256; ++v) values.push_back(v);
      const Shape shape{.rows = 32, .first = 0, .cols = 16, .in_stride = 16, .out_stride = 16};
      const ShiftRight shift{bits, static_cast<Rounding>(mode)};
      const StageList lists[] = {{shift, Narrow{format}},
                                 {Multiply{3, std::nullopt}, ShiftRight{bits + 1, shift.rounding}, Narrow{format}},
                                 {Multiply{5 << 20, {}}, ShiftRight{20, Rounding::RND}, shift, Narrow{format}},
                                 {Multiply{-5 << 20, {}}, ShiftRight{20, Rounding::TRN}, shift, Narrow{format}}};
      for (const StageList& stages : lists) {
        limit_of(stages, 16, seen);
        compare_types(stages, 16, format, shape, values, random, seen);
      }
    }
  }
  EXPECT_GT(seen.fused, seen.lists / 2);
}

TEST(FusedStages, AreProvenUpToTheirLimitOnly) {
  const Narrow int8{integer_format(8)};
  const auto limit = [](const StageList& stages) {
    const auto plan = detail::fuse_stages(stages, 1);
    return plan ? plan->limit : 0;
  };
  EXPECT_EQ(limit({int8}), std::int64_t{1} << 31);
  EXPECT_EQ(limit({Add{1}, int8}), std::int64_t{1} << 30);  // 2^31 - 1 + 1 does not fit
  EXPECT_EQ(limit({ShiftLeft{8}, int8}), std::int64_t{1} << 23);
  EXPECT_EQ(limit({ShiftRight{8, Rounding::TRN}, int8}), std::int64_t{1} << 31);
  EXPECT_EQ(limit({ShiftRight{8, Rounding::RND}, int8}), std::int64_t{1} << 30);
  const ShiftRight high{31, Rounding::RND};
  EXPECT_EQ(limit({Multiply{1 << 30, std::nullopt}, high, ShiftRight{3, Rounding::RND_INF}, int8}),
            std::int64_t{1} << 30);
  // The narrowing in between must be unable to act.
  EXPECT_EQ(limit({Narrow{integer_format(20)}, ShiftRight{4, Rounding::TRN}, int8}), std::int64_t{1} << 19);
  EXPECT_EQ(limit({Multiply{3, integer_format(20)}, ShiftRight{4, Rounding::TRN}, int8}), std::int64_t{1} << 17);
  EXPECT_EQ(limit({Scale{{0.1F}}, int8}), std::int64_t{1} << 31);
}

TEST(FusedStages, RefuseOtherShapes) {
  const Narrow int8{integer_format(8)};
  const auto fused = [](const StageList& stages) { return detail::fuse_stages(stages, 1).has_value(); };
  EXPECT_TRUE(fused({ShiftRight{4, Rounding::RND}, int8}));
  EXPECT_TRUE(fused({ShiftRight{4, Rounding::RND}, int8, Relu{}, Add{3}}));
  EXPECT_FALSE(fused({ShiftRight{4, Rounding::RND}, Narrow{integer_format(16)}, int8}));  // two that count
  EXPECT_FALSE(fused({ShiftRight{4, Rounding::RND}, Narrow{integer_format(8, true, Overflow::WRAP)}}));
  EXPECT_FALSE(fused({ShiftRight{4, Rounding::RND}, Narrow{integer_format(8, true, Overflow::SAT_ZERO)}}));
  EXPECT_FALSE(fused({ShiftRight{4, Rounding::RND}, Relu{}, ShiftRight{4, Rounding::RND}, int8}));
  EXPECT_FALSE(fused({ShiftRight{4, Rounding::RND}, Multiply{3, std::nullopt}, int8}));
  EXPECT_FALSE(fused({Multiply{1 << 30, std::nullopt}, int8}));                     // no shift to end it
  EXPECT_FALSE(fused({Multiply{(1 << 22) + 1, std::nullopt}, ShiftRight{30, Rounding::RND_CONV}, int8}));
  EXPECT_FALSE(fused({ShiftRight{40, Rounding::RND_CONV}, int8}));
  EXPECT_FALSE(fused({Scale{{0.1F}}}));                                             // the result has no bound
  EXPECT_FALSE(fused({Scale{{0.1F}}, Narrow{integer_format(32)}, Clamp{-5, 5}}));   // a count beyond the held values
}

TEST(FusedStages, CodesThatTheTypeDoesNotHoldAreRefused) {
  const StageList stages{ShiftRight{4, Rounding::RND}, Narrow{integer_format(9)}};
  for (const Isa isa : isas()) {
    const Requantizer requantizer(stages, 20, isa);
    std::vector<std::int32_t> in(40, 100);
    std::vector<std::int8_t> out(40);
    StageCounts counts;
    requantizer.apply(in.data(), 20, out.data(), 20, 2, 0, 20, counts);
    EXPECT_EQ(out[39], 6);
    in[27] = 200 * 16;
    try {
      requantizer.apply(in.data(), 20, out.data(), 20, 2, 0, 20, counts);
      FAIL();
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(),
                   "requantize: a result in channel 7 needs more than 8 bits; end the stages with a narrowing");
    }
  }
}

}  // namespace
}  // namespace guardbit::arith
