// conv2d() and ranges of gemm(): random shapes through every path and instruction set, against arith::accumulate.
#include "arith/conv.hpp"

#include <gtest/gtest.h>

#include <iostream>

#include "arith/error.hpp"
#include "tests/arith/conv_problem.hpp"
#include "tests/arith/gemm_compare.hpp"

namespace guardbit::arith {
namespace {

using testing::ConvProblem;
using testing::ConvResult;
using testing::kFirst;
using testing::kIsas;
using testing::kPaths;
using testing::name_of;
using testing::random_conv;

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
