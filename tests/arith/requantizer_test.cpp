// Blocks against the definition: results and counts of every preset and of random stage lists.
#include <gtest/gtest.h>

#include <iostream>

#include "arith/detail/stage_program.hpp"
#include "arith/error.hpp"
#include "arith/philox.hpp"
#include "arith/stage_text.hpp"

namespace guardbit::arith {
namespace {

constexpr std::int64_t kChannels = 37;

std::int64_t in_range(Random& random, std::int64_t low, std::int64_t high) {
  return low + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(high - low + 1)));
}

Parameter random_parameter(Random& random, std::int64_t low, std::int64_t high) {
  if (random.below(2) == 0) return in_range(random, low, high);
  std::vector<std::int64_t> values;
  for (std::int64_t c = 0; c < kChannels; ++c) values.push_back(in_range(random, low, high));
  return Parameter(std::move(values));
}

Format random_format(Random& random, int low_width) {
  Format format = integer_format(static_cast<int>(in_range(random, low_width, 40)), random.below(4) != 0);
  format.overflow = static_cast<Overflow>(random.below(format.is_signed ? 5 : 4));
  if (random.below(2) == 0) format.overflow = random.below(2) == 0 ? Overflow::SAT : Overflow::WRAP;
  if (format.overflow == Overflow::WRAP && random.below(4) == 0) format.n_bits = static_cast<int>(random.below(3));
  return format;
}

Stage random_stage(Random& random) {
  switch (random.below(8)) {
    case 0:
      return Add{random_parameter(random, -5000, 5000)};
    case 1:
      return Subtract{random_parameter(random, -5000, 5000)};
    case 2:
      return ShiftLeft{random_parameter(random, 0, 6)};
    case 3: {
      Multiply stage;
      stage.value = random_parameter(random, -3000, 3000);
      if (random.below(2) == 0) stage.format = random_format(random, 8);
      return stage;
    }
    case 4:
      return ShiftRight{random_parameter(random, 0, 12), static_cast<Rounding>(random.below(7))};
    case 5:
      return Narrow{random_format(random, 4)};
    case 6:
      return Relu{};
    default:
      return Clamp{in_range(random, -300, 0), in_range(random, 1, 300)};
  }
}

// Blocks of both, compared; inputs of up to `input_bits` bits.
void compare(const StageList& stages, Random& random, int input_bits, std::uint64_t& values) {
  const Requantizer requantizer(stages, kChannels);
  constexpr std::int64_t kRows = 5;
  const std::int64_t first = in_range(random, 0, kChannels - 1);
  const std::int64_t cols = in_range(random, 1, kChannels - first);
  std::vector<std::int64_t> in(static_cast<std::size_t>(kRows * (cols + 2)));
  for (std::int64_t& value : in) {
    value = static_cast<std::int64_t>(random.next_u64()) >> (64 - input_bits + static_cast<int>(random.below(8)));
  }
  std::vector<std::int32_t> out(static_cast<std::size_t>(kRows * (cols + 1)), -99);
  StageCounts got;
  requantizer.apply(in.data(), cols + 2, out.data(), cols + 1, kRows, first, cols, got);
  StageCounts want{.changed = std::vector<std::uint64_t>(stages.size())};
  for (std::int64_t r = 0; r < kRows; ++r) {
    for (std::int64_t c = 0; c < cols; ++c) {
      const std::int64_t value = in[static_cast<std::size_t>(r * (cols + 2) + c)];
      ASSERT_EQ(out[static_cast<std::size_t>(r * (cols + 1) + c)], apply_stages(stages, value, first + c, want))
          << value << " " << to_string(stages);
      ++values;
    }
    ASSERT_EQ(out[static_cast<std::size_t>(r * (cols + 1) + cols)], -99);  // between the rows
  }
  ASSERT_EQ(got.total, want.total);
  ASSERT_EQ(got.changed, want.changed) << to_string(stages);
}

TEST(Requantizer, EqualsTheStagesForEveryPreset) {
  Random random(21);
  std::uint64_t values = 0;
  for (int i = 0; i < 200 && !HasFailure(); ++i) {
    OutputSpec spec;
    for (std::int64_t c = 0; c < kChannels; ++c) spec.real_multipliers.push_back(random.uniform() * 0.01);
    spec.zero_point = in_range(random, -128, 127);
    spec.activation = static_cast<Activation>(random.below(3));
    spec.relu6_code = in_range(random, 0, 255);
    const int input_bits = static_cast<int>(in_range(random, 12, 62));  // beyond 33 bits the block goes one by one
    compare(tflite_double(spec), random, input_bits, values);
    compare(tflite_single(spec), random, input_bits, values);
    compare(onnx_float(spec), random, input_bits, values);
    compare(pow2(spec, static_cast<int>(in_range(random, 0, 20)), static_cast<Rounding>(random.below(7))), random,
            input_bits, values);
  }
  std::cout << "compared " << values << " values\n";
}

TEST(Requantizer, EqualsTheStagesForRandomLists) {
  Random random(22);
  std::uint64_t values = 0;
  int compiled = 0;
  for (int i = 0; i < 2000 && !HasFailure(); ++i) {
    StageList stages;
    for (std::uint64_t n = random.below(6); n > 0; --n) stages.push_back(random_stage(random));
    stages.push_back(Narrow{integer_format(static_cast<int>(in_range(random, 2, 32)))});
    compiled += detail::compile_stages(stages, kChannels) ? 1 : 0;
    compare(stages, random, static_cast<int>(in_range(random, 8, 36)), values);
  }
  std::cout << "compared " << values << " values\n";
  EXPECT_GT(compiled, 1000);  // most lists take the fast way
  EXPECT_LT(compiled, 2000);  // and some cannot
}

TEST(Requantizer, EveryInstructionSetGivesTheSame) {
  Random random(23);
  OutputSpec spec;
  for (std::int64_t c = 0; c < kChannels; ++c) spec.real_multipliers.push_back(random.uniform() * 0.01);
  const StageList stages = tflite_double(spec);
  const auto program = detail::compile_stages(stages, kChannels);
  ASSERT_TRUE(program);
  std::vector<std::int64_t> in(kChannels);
  for (int i = 0; i < 200; ++i) {
    for (std::int64_t& value : in) value = in_range(random, -(1 << 20), 1 << 20);
    std::vector<std::uint64_t> changed(stages.size());
    std::vector<std::int64_t> want = in;
    ASSERT_TRUE(detail::run_program(*program, want.data(), 0, kChannels, changed.data(), detail::Isa::Baseline));
    for (const auto isa : {detail::Isa::Avx2, detail::Isa::Avx512}) {
      if (isa > detail::best_isa()) continue;
      std::vector<std::uint64_t> mine(stages.size());
      std::vector<std::int64_t> got = in;
      ASSERT_TRUE(detail::run_program(*program, got.data(), 0, kChannels, mine.data(), isa));
      ASSERT_EQ(got, want);
      ASSERT_EQ(mine, changed);
    }
  }
}

TEST(Requantizer, KnowsHowManyInputBitsAreSafe) {
  EXPECT_EQ(detail::safe_input_bits({}, 1), 64);
  EXPECT_EQ(detail::safe_input_bits({Add{1}}, 1), 63);
  EXPECT_EQ(detail::safe_input_bits({ShiftLeft{10}}, 1), 54);
  EXPECT_EQ(detail::safe_input_bits({Relu{}, ShiftLeft{63}}, 1), 1);
  EXPECT_EQ(detail::safe_input_bits({Multiply{1 << 20, integer_format(30)}}, 1), 44);  // the product counts
  const StageList mixed{ShiftLeft{Parameter(std::vector<std::int64_t>{0, 3})}};
  EXPECT_EQ(detail::safe_input_bits(mixed, 2), 61);
}

TEST(Requantizer, RefusesBadParametersAndWideResults) {
  EXPECT_THROW(Requantizer(StageList{ShiftRight{64, Rounding::RND}}, 1), Error);
  EXPECT_THROW(Requantizer(StageList{ShiftLeft{63}, ShiftLeft{63}, ShiftRight{99, Rounding::RND}}, 1), Error);
  EXPECT_THROW(Requantizer(StageList{Add{Parameter(std::vector<std::int64_t>{1, 2})}}, 3), Error);
  const Requantizer identity(StageList{}, 1);
  const std::int64_t in = std::int64_t{1} << 31;
  std::int32_t out = 0;
  StageCounts counts;
  EXPECT_THROW(identity.apply(&in, 1, &out, 1, 1, 0, 1, counts), Error);
}

}  // namespace
}  // namespace guardbit::arith
