// conv2d() and ranges of gemm(): random shapes through every path and instruction set, against arith::accumulate.
#include "arith/conv.hpp"

#include <gtest/gtest.h>

#include <iostream>

#include "arith/error.hpp"
#include "tests/arith/gemm_compare.hpp"

namespace guardbit::arith {
namespace {

using testing::between;
using testing::kIsas;
using testing::name_of;
using testing::kPaths;
using testing::pick_one;

struct ConvProblem {
  ConvGeometry g;
  Accumulation accumulation;
  GemmLhs::Type type = GemmLhs::Type::U8;
  std::int32_t zero_point = 0;
  std::vector<std::uint8_t> u8;
  std::vector<std::int8_t> s8;
  std::vector<std::int16_t> s16;
  std::vector<std::int32_t> weight;
  std::vector<std::int64_t> initial;

  [[nodiscard]] GemmLhs input() const {
    if (type == GemmLhs::Type::U8) return GemmLhs::of(u8.data(), 0, zero_point);
    if (type == GemmLhs::Type::S8) return GemmLhs::of(s8.data(), 0, zero_point);
    return GemmLhs::of(s16.data(), 0, zero_point);
  }
  [[nodiscard]] std::int64_t value(std::int64_t i) const {
    const auto at = static_cast<std::size_t>(i);
    const int code = type == GemmLhs::Type::U8 ? u8[at] : type == GemmLhs::Type::S8 ? s8[at] : s16[at];
    return code - zero_point;
  }
};

struct ConvResult {
  std::vector<std::int64_t> out;
  AccumulationEvidence evidence;
};

constexpr std::int64_t kFirst = 70;

// By the definition: every product of every output.
ConvResult definition(const ConvProblem& problem) {
  const ConvGeometry& g = problem.g;
  ConvResult result;
  std::int64_t index = 0;
  for (std::int64_t n = 0; n < g.images; ++n) {
    for (int p = 0; p < g.p; ++p) {
      for (int q = 0; q < g.q; ++q) {
        for (int k = 0; k < g.k; ++k) {
          std::vector<std::int64_t> products;
          for (int r = 0; r < g.r; ++r) {
            for (int s = 0; s < g.s; ++s) {
              for (int c = 0; c < g.c / g.groups; ++c) {
                const int y = p * g.stride_h - g.pad_top + r * g.dilation_h;
                const int x = q * g.stride_w - g.pad_left + s * g.dilation_w;
                const int channel = k / (g.k / g.groups) * (g.c / g.groups) + c;
                const bool inside = y >= 0 && y < g.h && x >= 0 && x < g.w;
                const std::int64_t v = inside ? problem.value(((n * g.h + y) * g.w + x) * g.c + channel) : 0;
                products.push_back(
                    v * problem.weight[static_cast<std::size_t>(((k * g.r + r) * g.s + s) * (g.c / g.groups) + c)]);
              }
            }
          }
          const std::int64_t start = problem.initial.empty() ? 0 : problem.initial[static_cast<std::size_t>(k)];
          result.out.push_back(accumulate(products, start, problem.accumulation, kFirst + index++, result.evidence));
        }
      }
    }
  }
  return result;
}

ConvProblem random_conv(Random& random, int width, bool wide) {
  ConvProblem problem;
  ConvGeometry& g = problem.g;
  g.images = between(random, 1, 3);
  g.h = between(random, 1, 9);
  g.w = between(random, 1, 9);
  g.groups = pick_one(random, {1, 1, 1, 1, 2, 3, 8});
  g.c = g.groups * pick_one(random, {1, 1, 2, 3, 4, 8, 19});
  g.k = g.groups * pick_one(random, {1, 2, 5, 16, 17, 33});
  g.r = pick_one(random, {1, 2, 3, 3, 5});
  g.s = pick_one(random, {1, 2, 3, 3, 4});
  g.stride_h = between(random, 1, 3);
  g.stride_w = between(random, 1, 3);
  g.dilation_h = pick_one(random, {1, 1, 1, 2, 3});
  g.dilation_w = pick_one(random, {1, 1, 1, 2, 3});
  g.pad_top = between(random, 0, 3);
  g.pad_left = between(random, 0, 3);
  g.p = between(random, 1, 5);
  g.q = between(random, 1, 5);
  const Overflow mode = pick_one(random, {0, 1, 2, 2}) == 0 ? Overflow::SAT
                        : random.below(4) == 0              ? Overflow::SAT_SYM
                                                            : Overflow::WRAP;
  AccumulatorSpec& spec = problem.accumulation.accumulator;
  spec = {integer_format(width, random.below(8) != 0, mode), pick_one(random, {1, 1, 1, 4, 0, 3})};
  problem.accumulation.fold = pick_one(random, {0, 0, 0, 16, 9});
  if (random.below(6) == 0)
    problem.accumulation.psum = AccumulatorSpec{integer_format(width - 1, true, mode), spec.step};
  problem.type = wide ? GemmLhs::Type::S16 : random.below(2) == 0 ? GemmLhs::Type::U8 : GemmLhs::Type::S8;
  const int low = wide ? -32768 : problem.type == GemmLhs::Type::U8 ? 0 : -128;
  const int high = wide ? 32767 : low + 255;
  problem.zero_point = pick_one(random, {low, 0, between(random, low, high)});
  const int weight_bits = wide ? between(random, 1, 16) : between(random, 1, 8);
  const int spread = 1 << std::clamp(width - weight_bits - between(random, 0, 3), 1, wide ? 15 : 8);
  for (std::int64_t i = 0; i < g.images * g.h * g.w * g.c; ++i) {
    const int code = std::clamp(problem.zero_point + between(random, -spread, spread), low, high);
    if (wide) {
      problem.s16.push_back(static_cast<std::int16_t>(code));
    } else if (problem.type == GemmLhs::Type::U8) {
      problem.u8.push_back(static_cast<std::uint8_t>(code));
    } else {
      problem.s8.push_back(static_cast<std::int8_t>(code));
    }
  }
  const int largest = 1 << (weight_bits - 1);
  for (std::int64_t i = 0; i < g.k * g.depth(); ++i) {
    problem.weight.push_back(between(random, -largest, std::min(largest, wide ? 32767 : 127)));
  }
  if (random.below(3) != 0) {
    const int reach = 1 << std::min(width - (random.below(4) == 0 ? 0 : 2), 29);
    for (int k = 0; k < g.k; ++k) problem.initial.push_back(between(random, -reach, reach));
  }
  return problem;
}

std::string describe(const ConvProblem& problem) {
  const ConvGeometry& g = problem.g;
  std::string text = to_string(problem.accumulation.accumulator.format) + " step " +
                     std::to_string(problem.accumulation.accumulator.step) + " fold " +
                     std::to_string(problem.accumulation.fold) + (problem.accumulation.psum ? " psum" : "") + ",";
  for (const std::int64_t v : {g.images, std::int64_t{g.h}, std::int64_t{g.w}, std::int64_t{g.c}, std::int64_t{g.p},
                               std::int64_t{g.q}, std::int64_t{g.k}, std::int64_t{g.r}, std::int64_t{g.s},
                               std::int64_t{g.groups}, std::int64_t{problem.zero_point}}) {
    text += " " + std::to_string(v);
  }
  return text;
}

struct Seen {
  std::uint64_t outputs = 0, runs = 0, overflowed = 0;
  GemmWork work;
};

void compare(const ConvProblem& problem, Seen& seen) {
  const ConvGeometry& g = problem.g;
  const PackedFilters filters(problem.weight.data(), g);
  const ConvResult expected = definition(problem);
  seen.outputs += expected.out.size();
  seen.overflowed += expected.evidence.accumulator.outputs;
  const auto group_k = static_cast<std::size_t>(g.group_k());
  for (const GemmPath path : kPaths) {
    bool available = true;
    for (int group = 0; group < g.groups && available; ++group) {
      const std::span<const std::int64_t> all(problem.initial);
      const auto start = all.empty() ? all : all.subspan(static_cast<std::size_t>(group) * group_k, group_k);
      available = gemm_path_available(path, problem.input(), filters.group(group), start, problem.accumulation);
    }
    if (!available) continue;
    for (const GemmIsa isa : kIsas) {
      if (!isa_supported(isa) || (path == GemmPath::General && isa != GemmIsa::Scalar)) continue;
      // Lanes of 16 bits and lanes for odd groups do not follow ranges: such a path is refused with them.
      const int step = problem.accumulation.accumulator.step;
      const bool any = path == GemmPath::Auto || path == GemmPath::General;
      const bool range = any || (seen.runs % 2 == 0 && path != GemmPath::Lanes16 && (step == 1 || step == 4) &&
                                 problem.accumulation.fold != 9);
      AccumulationEvidence evidence;
      std::vector<std::int64_t> out(expected.out.size());
      GemmWork work;
      conv2d(problem.input(), g, filters, problem.initial, problem.accumulation,
             {.out64 = out.data(), .stride = g.k, .first_output = kFirst, .row_step = g.k}, evidence,
             {.path = path, .isa = isa, .threads = 1 + static_cast<int>(seen.runs % 2), .range = range}, &work);
      ++seen.runs;
      seen.work.merge(work);
      const std::string name =
          std::string(name_of(path)) + (range ? " with ranges: " : ": ") + describe(problem);
      ASSERT_EQ(out, expected.out) << name;
      ASSERT_EQ(evidence.accumulator.count, expected.evidence.accumulator.count) << name;
      ASSERT_EQ(evidence.accumulator.harmful, expected.evidence.accumulator.harmful) << name;
      ASSERT_TRUE(evidence.accumulator == expected.evidence.accumulator) << name;
      ASSERT_TRUE(evidence.psum == expected.evidence.psum) << name;
      if (range) {
        ASSERT_EQ(evidence.exact.min, expected.evidence.exact.min) << name;
        ASSERT_EQ(evidence.exact.max, expected.evidence.exact.max) << name;
      }
    }
  }
}

TEST(Conv, EveryPathAndInstructionSetAgreesWithTheDefinition) {
  Random random(21, 0);
  Seen seen;
  for (int i = 0; seen.outputs < 120000; ++i) {
    compare(random_conv(random, 6 + i % 27, i % 5 == 0), seen);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(seen.overflowed, 10000U);
  EXPECT_GT(seen.work.proven, 0U);
  EXPECT_GT(seen.work.guarded, 0U);
  EXPECT_GT(seen.work.lanes, 0U);
  EXPECT_GT(seen.work.general, 0U);
  std::cout << seen.outputs << " outputs in " << seen.runs << " runs, " << seen.overflowed << " overflow\n";
}

TEST(Conv, RangesAreFoundWhereverTheyAre) {
  // One product makes the largest sum of all and the next takes it away, at every place of a reduction of many
  // segments.
  for (int hot = 0; hot < 299; hot += 13) {
    ConvProblem problem;
    problem.g = {.images = 1, .h = 1, .w = 40, .c = 300, .p = 1, .q = 40, .k = 37};
    problem.accumulation.accumulator = {integer_format(32), 1};
    problem.u8.assign(40 * 300, 1);
    problem.weight.assign(37 * 300, 0);
    for (std::size_t i = 0; i < problem.weight.size(); i += 3) problem.weight[i] = static_cast<int>(i % 5) - 2;
    const std::size_t pixel = static_cast<std::size_t>(hot) % 40;
    const std::size_t filter = static_cast<std::size_t>(hot) % 37;
    problem.u8[pixel * 300 + static_cast<std::size_t>(hot)] = 255;
    problem.u8[pixel * 300 + static_cast<std::size_t>(hot) + 1] = 255;
    problem.weight[filter * 300 + static_cast<std::size_t>(hot)] = 127;
    problem.weight[filter * 300 + static_cast<std::size_t>(hot) + 1] = -127;
    Seen seen;
    compare(problem, seen);
    if (HasFatalFailure()) return;
  }
}

TEST(Conv, ASumThatASegmentBeginsWithCounts) {
  // 20 bits: the first 64 products leave 69,600 of room, the next 8 take 80,000, and the rest falls far below.
  for (const int sign : {1, -1}) {
    for (const int zero_point : {0, 60}) {
      ConvProblem problem;
      problem.g = {.images = 1, .h = 1, .w = 16, .c = 128, .p = 1, .q = 16, .k = 3};
      problem.accumulation.accumulator = {integer_format(20, true, Overflow::SAT), 1};
      problem.zero_point = zero_point;
      problem.u8.assign(16 * 128, static_cast<std::uint8_t>(100 + zero_point));
      for (int k = 0; k < 3 * 128; ++k) {
        problem.weight.push_back(sign * (k % 128 < 64 ? 11 : k % 128 < 72 ? 100 : -54));
      }
      problem.initial.assign(3, sign * (524287 - 140000));
      Seen seen;
      compare(problem, seen);
      if (HasFatalFailure()) return;
      EXPECT_EQ(seen.overflowed, 48U);
    }
  }
}

TEST(Conv, PartsOfTheRowsAddUpToTheWhole) {
  Random random(22, 0);
  for (int i = 0; i < 60; ++i) {
    const ConvProblem problem = random_conv(random, 8 + i % 16, false);
    const ConvGeometry& g = problem.g;
    const PackedFilters filters(problem.weight.data(), g);
    const ConvResult expected = definition(problem);
    std::vector<std::int64_t> out(expected.out.size());
    AccumulationEvidence evidence;
    for (std::int64_t first = 0; first < g.rows(); first += 7) {
      const std::int64_t count = std::min<std::int64_t>(7, g.rows() - first);
      conv2d(problem.input(), g, filters, problem.initial, problem.accumulation,
             {.out64 = out.data() + first * g.k, .stride = g.k, .first_output = kFirst + first * g.k, .row_step = g.k},
             evidence, {.range = true}, nullptr, {first, count});
    }
    ASSERT_EQ(out, expected.out);
    ASSERT_TRUE(evidence == expected.evidence);
  }
}

TEST(Conv, RefusesGroupsThatDoNotDivide) {
  const std::vector<std::int32_t> weight(64);
  EXPECT_THROW(PackedFilters(weight.data(), {.c = 3, .k = 4, .groups = 2}), Error);
  EXPECT_THROW(PackedFilters(weight.data(), {.c = 4, .k = 3, .groups = 2}), Error);
}

}  // namespace
}  // namespace guardbit::arith
