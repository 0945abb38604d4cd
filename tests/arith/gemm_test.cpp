// gemm(): every path and instruction set, forced one by one, against an oracle in 128-bit integers.
#include "arith/gemm.hpp"

#include <gtest/gtest.h>

#include "arith/error.hpp"
#include "tests/arith/gemm_compare.hpp"

namespace guardbit::arith {
namespace {

using testing::compare;
using testing::compare_random;
using testing::GemmProblem;
using testing::GemmResult;
using testing::kIsas;
using testing::run_gemm;
using testing::Tally;

TEST(Gemm, EveryPathAndInstructionSetAgreesWithTheOracle) {
  Tally tally;
  compare_random(1, 60000, tally);
  EXPECT_GT(tally.overflowed, 10000U);
  EXPECT_GT(tally.transient, 200U);
  EXPECT_GT(tally.work.proven, 0U);
  EXPECT_GT(tally.work.guarded, 0U);
  EXPECT_GT(tally.work.lanes, 0U);
}

// A problem that is all zeros but for what a test puts in.
GemmProblem quiet(std::int64_t rows, std::int64_t cols, std::int64_t depth, const Format& format, int step = 1) {
  GemmProblem p;
  p.accumulation.accumulator = {format, step};
  p.rows = rows;
  p.cols = cols;
  p.depth = depth;
  p.u8.assign(static_cast<std::size_t>(rows * depth), 0);
  p.rhs.assign(static_cast<std::size_t>(depth * cols), 0);
  return p;
}

TEST(Gemm, OneHotOutputIsFoundWhereverItIs) {
  Tally tally;
  for (const std::int64_t hot_row : {0, 7, 16}) {
    for (const std::int64_t hot_col : {0, 15, 16, 36}) {
      for (const std::int64_t hot_k : {0, 126, 127, 128, 130}) {
        for (const Overflow mode : {Overflow::SAT, Overflow::SAT_SYM, Overflow::WRAP}) {
          for (const int sign : {hot_k % 2 == 0 ? 1 : -1}) {
            GemmProblem p = quiet(17, 37, 131, integer_format(16, true, mode));
            // 2 * 128 * 127 = 32512, then 2 * 128: 32768 is one too many; -32768 is not, except under SAT_SYM.
            const auto put = [&](std::int64_t k, int x, int w) {
              p.u8[static_cast<std::size_t>(hot_row * p.depth + k)] = static_cast<std::uint8_t>(x);
              p.rhs[static_cast<std::size_t>(k * p.cols + hot_col)] = sign * w;
            };
            const std::int64_t before = (hot_k + 60) % p.depth;
            put(before, 255, 127);
            put(hot_k, 1, 127);
            put((hot_k + 30) % p.depth, 1, 127);
            put((hot_k + 31) % p.depth, 1, 127);
            put((hot_k + 32) % p.depth, 1, 2);
            const GemmResult expected = gemm_oracle(p);
            EXPECT_EQ(expected.counts.outputs, sign > 0 || mode == Overflow::SAT_SYM ? 1U : 0U);
            compare(p, expected, tally);
          }
        }
      }
    }
  }
}

TEST(Gemm, TheGuardProvesWhatFitsExactlyAndNothingMore) {
  // 100 products of 255 * 127 and one of 1 * w: the bound is met exactly, then missed by one.
  for (const int over : {0, 1}) {
    GemmProblem p = quiet(3, 5, 101, integer_format(22, true, Overflow::WRAP));
    std::fill(p.u8.begin(), p.u8.end(), std::uint8_t{255});
    std::fill(p.rhs.begin(), p.rhs.end(), 0);
    std::int64_t sum = 0;
    for (std::int64_t k = 0; k < 60; ++k) {
      p.rhs[static_cast<std::size_t>(k * p.cols + 2)] = 127;
      sum += 255 * 127;
    }
    p.initial.assign(5, 0);
    p.initial[2] = (1 << 21) - 1 - sum + over;
    const PackedWeights weights(p.rhs.data(), p.cols, p.depth, p.cols);
    for (const GemmIsa isa : kIsas) {
      if (!isa_supported(isa)) continue;
      GemmWork work;
      const GemmResult found = run_gemm(p, weights, {.path = GemmPath::Guarded, .isa = isa}, &work);
      EXPECT_EQ(work.lanes == 0, over == 0);
      EXPECT_EQ(found.counts.outputs, over == 0 ? 0U : 3U);
      EXPECT_EQ(found, gemm_oracle(p));
    }
    EXPECT_EQ(gemm_path_available(GemmPath::Proven, p.lhs(), weights, p.initial, p.accumulation), over == 0);
  }
}

TEST(Gemm, OnlyTheRowsThatFailAreRedone) {
  GemmProblem p = quiet(16, 32, 256, integer_format(18, true, Overflow::SAT));
  for (std::size_t i = 0; i < p.u8.size(); ++i) p.u8[i] = 1;
  std::fill_n(p.u8.begin() + 5 * 256, 256, std::uint8_t{255});
  std::fill(p.rhs.begin(), p.rhs.end(), 100);
  const PackedWeights weights(p.rhs.data(), p.cols, p.depth, p.cols);
  GemmWork work;
  const GemmResult found = run_gemm(p, weights, {.path = GemmPath::Guarded}, &work);
  EXPECT_EQ(found, gemm_oracle(p));
  EXPECT_EQ(found.counts.outputs, 32U);
  EXPECT_EQ(work.lanes, 32U * 256U);
}

TEST(Gemm, WhatOneSegmentAddedCountsForTheNext) {
  // Every 128 products move the sums by 128 * 800 of 131071: each alone fits, two do not.
  for (const int sign : {1, -1}) {
    GemmProblem p = quiet(16, 32, 384, integer_format(18, true, Overflow::WRAP));
    std::fill(p.u8.begin(), p.u8.end(), std::uint8_t{8});
    std::fill(p.rhs.begin(), p.rhs.end(), sign * 100);
    Tally tally;
    compare(p, gemm_oracle(p), tally);
    EXPECT_EQ(tally.transient + tally.overflowed, 512U);
  }
}

TEST(Gemm, GroupsThatJumpOverAWholeRangeAreNotCountedByToggles) {
  GemmProblem p = quiet(9, 33, 64, integer_format(8, true, Overflow::WRAP), 4);
  std::fill(p.u8.begin(), p.u8.end(), std::uint8_t{255});
  std::fill(p.rhs.begin(), p.rhs.end(), 1);  // 1020 of 256 per group
  Tally tally;
  const GemmResult expected = gemm_oracle(p);
  EXPECT_EQ(expected.counts.count, 9U * 33U * 16U);
  compare(p, expected, tally);
}

TEST(Gemm, AnAccumulatorMayWrapAtEveryStep) {
  // Over the bound and back again; what comes first is a product with an even number or one with an odd number.
  for (const int width : {16, 17, 20, 24, 30, 31}) {
    for (const int late : {0, 1}) {
      for (const int sign : {1, -1}) {
        for (const int cols : {3, 20}) {
          GemmProblem p = quiet(5, cols, 200, integer_format(width, true, Overflow::WRAP));
          std::fill(p.u8.begin(), p.u8.end(), std::uint8_t{255});
          for (int i = late * cols; i < 200 * cols; ++i) {
            p.rhs[static_cast<std::size_t>(i)] = (i / cols + late) % 2 == 0 ? sign * 127 : -sign * 127;
          }
          const std::int64_t top = (std::int64_t{1} << (width - 1)) - 1;
          p.initial.assign(static_cast<std::size_t>(cols), sign > 0 ? top : -top - 1);
          Tally tally;
          const GemmResult expected = gemm_oracle(p);
          EXPECT_EQ(expected.counts.count, 5U * static_cast<unsigned>(cols) * static_cast<unsigned>(200 - late));
          compare(p, expected, tally);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST(Gemm, SaturationIsCountedAtBothEndsOfEveryFormat) {
  // Three products beyond a bound, one back, one up to it and no further, and so on.
  for (int width = 16; width <= 31; ++width) {
    for (const Overflow mode : {Overflow::SAT, Overflow::SAT_SYM}) {
      for (const int sign : {1, -1}) {
        for (const int cols : {3, 20}) {
          GemmProblem p = quiet(10, cols, 203, integer_format(width, true, mode));
          std::fill(p.u8.begin(), p.u8.end(), std::uint8_t{255});
          constexpr int kWeights[] = {127, 1, 3, -64, 64, 2, -1, -1, 1, 2, 0};
          for (int i = 0; i < 203 * cols; ++i) {
            p.rhs[static_cast<std::size_t>(i)] = sign * kWeights[(i / cols + i % cols) % std::ssize(kWeights)];
          }
          const std::int64_t top = (std::int64_t{1} << (width - 1)) - 1;
          p.initial.assign(static_cast<std::size_t>(cols), sign * (top - 255 * 64));
          Tally tally;
          compare(p, gemm_oracle(p), tally);
          if (HasFatalFailure()) return;
          EXPECT_EQ(tally.overflowed, 10U * static_cast<unsigned>(cols));
        }
      }
    }
  }
}

TEST(Gemm, EveryOverflowOfALongRunIsCounted) {
  for (const std::int64_t depth : {255, 256, 257, 512, 1152, 1500}) {
    for (const int sign : {1, -1}) {
      GemmProblem p = quiet(16, 20, depth, integer_format(16, true, Overflow::SAT));
      std::fill(p.u8.begin(), p.u8.end(), std::uint8_t{1});
      std::fill(p.rhs.begin(), p.rhs.end(), sign);
      p.initial.assign(20, sign > 0 ? 32767 : -32768);
      Tally tally;
      const GemmResult expected = gemm_oracle(p);
      EXPECT_EQ(expected.counts.count, 16U * 20U * static_cast<unsigned>(depth));
      compare(p, expected, tally);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Gemm, LossesThatCancelAreTransientAndWholeTurnsAreNot) {
  // 36,720 is 3,953 too many; then 65,535 + 3,953 less, or one less for SAT_SYM: exact sum and value meet again.
  for (const Overflow mode : {Overflow::SAT, Overflow::SAT_SYM}) {
    for (const int step : {1, 4}) {
      for (const int which : {0, 1, 2}) {  // 2: in all columns, so that none asks for the plain product
        const bool at_start = which > 0;
        const unsigned columns = which == 2 ? 20 : 19;
        GemmProblem p = quiet(16, 20, 40, integer_format(16, true, mode), step);
        std::int64_t k = 0;
        const auto add = [&](int count, int x, int w) {
          for (; count > 0; --count, ++k) {
            for (std::int64_t r = 0; r < p.rows; ++r) {
              p.u8[static_cast<std::size_t>(r * p.depth + k)] = static_cast<std::uint8_t>(x);
            }
            std::fill_n(p.rhs.begin() + k * p.cols, columns, w);
          }
        };
        at_start ? p.initial.assign(20, 36720) : add(9, 255, 16);
        k = 12;
        add(17, 255, -16);
        add(3, 1, -32);
        add(1, 1, mode == Overflow::SAT ? -32 : -31);
        Tally tally;
        const GemmResult expected = gemm_oracle(p);
        EXPECT_EQ(expected.counts.transient, 16U * columns);
        compare(p, expected, tally);
        if (HasFatalFailure()) return;
      }
      GemmProblem p = quiet(16, 20, 40, integer_format(16, true, mode), step);
      p.initial.assign(20, 32767 + 65536);
      Tally tally;
      const GemmResult expected = gemm_oracle(p);
      EXPECT_EQ(expected.counts.harmful, 16U * 20U);
      compare(p, expected, tally);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Gemm, SumsBeyond32BitsAreExact) {
  GemmProblem p = quiet(1, 2, 70000, integer_format(40, true, Overflow::WRAP));
  std::fill(p.u8.begin(), p.u8.end(), std::uint8_t{255});
  std::fill(p.rhs.begin(), p.rhs.end(), 127);
  Tally tally;
  const GemmResult expected = gemm_oracle(p);
  EXPECT_EQ(expected.out[0], 2266950000);
  compare(p, expected, tally);
}

// The faults that this was written for are sums of bounds beyond 64 bits: they changed no result, since no lane is as
// wide as these formats, and only a build with -fsanitize=undefined sees them.
TEST(Gemm, ANegativeStartWrapsFarAwayInAWideUnsignedFormat) {
  for (int width = 28; width <= 63; ++width) {
    for (const Overflow mode : {Overflow::WRAP, Overflow::SAT}) {
      GemmProblem p = quiet(3, 5, 20, integer_format(width, false, mode));
      for (std::size_t i = 0; i < p.rhs.size(); ++i) p.rhs[i] = i % 2 == 0 ? 7 : -7;
      std::fill(p.u8.begin(), p.u8.end(), std::uint8_t{200});
      p.initial = {-1, -2193, 0, 5, -300};
      Tally tally;
      compare(p, gemm_oracle(p), tally);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Gemm, TheGuardGivesUpAndComesBack) {
  // Thousands of rows that overflow at once, then thousands that never do.
  GemmProblem p = quiet(6000, 8, 16, integer_format(16, true, Overflow::SAT));
  for (std::size_t i = 0; i < p.u8.size(); ++i) p.u8[i] = i < p.u8.size() / 2 ? 255 : 1;
  std::fill(p.rhs.begin(), p.rhs.end(), 127);
  const PackedWeights weights(p.rhs.data(), p.cols, p.depth, p.cols);
  GemmWork work;
  EXPECT_EQ(run_gemm(p, weights, {}, &work), gemm_oracle(p));
  EXPECT_GT(work.lanes, 3000U * 8U * 16U);
  EXPECT_GT(work.guarded, 1000U * 8U * 16U);
}

// Rows that lie apart or follow each other, columns that are made ready in two parts, the range of the sums, threads:
// by the definition, and by way of the guard.
TEST(Gemm, SixteenBitOperandsAreGuarded) {
  Random random(9, 0);
  for (const std::int64_t gap : {0, 3}) {
    for (const Overflow mode : {Overflow::SAT, Overflow::WRAP, Overflow::SAT_SYM}) {
      GemmProblem p;
      p.type = GemmLhs::Type::S16;
      p.rows = 37;
      p.cols = 70;
      p.depth = 1000;
      p.zero_point = gap == 0 ? 0 : 11;
      p.accumulation.accumulator = {integer_format(29, true, mode), gap == 0 ? 1 : 4};
      for (std::int64_t c = 0; c < p.cols; ++c) p.initial.push_back(testing::between(random, -1000000, 1000000));
      std::vector<int> codes;
      for (std::int64_t i = 0; i < p.rows * p.depth; ++i) codes.push_back(testing::between(random, -20000, 32767));
      p.set_codes(codes);
      for (std::int64_t i = 0; i < p.depth * p.cols; ++i) p.rhs.push_back(testing::between(random, -60, 60));
      for (std::int64_t k = 0; k < p.depth; ++k) p.rhs[static_cast<std::size_t>(k * p.cols + 66)] = k % 2 == 0 ? 60 : 59;
      AccumulationEvidence expected;
      const std::vector<std::int64_t> sums = testing::defined_sums(p, expected);
      ASSERT_TRUE(expected.accumulator.first);
      EXPECT_EQ(expected.accumulator.first->output, 66);  // the only column that overflows
      const PackedWeights weights(p.rhs.data(), p.cols, p.depth, p.cols);
      std::vector<std::int16_t> rows(static_cast<std::size_t>(p.rows * (p.depth + gap)), std::int16_t{12345});
      for (std::int64_t r = 0; r < p.rows; ++r) {
        std::copy_n(&p.s16[static_cast<std::size_t>(r * p.depth)], p.depth,
                    &rows[static_cast<std::size_t>(r * (p.depth + gap))]);
      }
      for (const int threads : {1, 2, 5}) {
        for (const bool range : {false, true}) {
          std::vector<std::int64_t> out(sums.size());
          AccumulationEvidence evidence;
          GemmWork work;
          gemm(GemmLhs::of(rows.data(), p.depth + gap, p.zero_point), p.rows, weights, p.initial, p.accumulation,
               {.out64 = out.data(), .stride = p.cols, .first_output = 0, .row_step = p.cols}, evidence,
               {.threads = threads, .range = range}, &work);
          EXPECT_EQ(out, sums);
          EXPECT_EQ(evidence.accumulator, expected.accumulator);
          EXPECT_EQ(evidence.exact, range ? expected.exact : Range{});
          EXPECT_GT(work.guarded, static_cast<std::uint64_t>(p.rows * (p.cols - 20) * p.depth) * (range ? 0 : 1));
          EXPECT_EQ(work.general, 0U);
        }
      }
    }
  }
}

TEST(Gemm, SixteenBitOperandsAgreeInWideFormats) {
  Random random(5, 0);
  for (int width = 30; width <= 48; width += 3) {
    GemmProblem p;
    p.type = GemmLhs::Type::S16;
    p.rows = 35;
    p.cols = 34;
    p.depth = 1030;
    p.zero_point = -5;
    p.accumulation.accumulator = {integer_format(width, true, width % 2 == 0 ? Overflow::SAT : Overflow::WRAP), 1};
    std::vector<int> codes;
    for (std::int64_t i = 0; i < p.rows * p.depth; ++i) codes.push_back(testing::between(random, -32768, 32767));
    p.set_codes(codes);
    for (std::int64_t i = 0; i < p.depth * p.cols; ++i) p.rhs.push_back(testing::between(random, -32768, 32767));
    Tally tally;
    compare(p, gemm_oracle(p), tally);
  }
}

TEST(Gemm, RangesAndPartialSumsComeFromTheTile) {
  Random random(6, 0);
  GemmProblem p = testing::random_gemm(random, 14);
  p.accumulation.psum = AccumulatorSpec{integer_format(12, true, Overflow::SAT), 2};
  p.accumulation.fold = 9;
  const PackedWeights weights(p.rhs.data(), p.cols, p.depth, p.cols);
  AccumulationEvidence expected;
  const std::vector<std::int64_t> sums = testing::defined_sums(p, expected);
  std::vector<std::int64_t> out(sums.size());
  AccumulationEvidence evidence;
  gemm(p.lhs(), p.rows, weights, p.initial, p.accumulation,
       {.out64 = out.data(), .stride = p.cols, .first_output = 0, .row_step = p.cols}, evidence, {.range = true});
  EXPECT_EQ(out, sums);
  EXPECT_TRUE(evidence == expected);
}

TEST(Gemm, NothingIsTouchedOutsideTheOutputs) {
  GemmProblem p = quiet(9, 17, 5, integer_format(20, true, Overflow::WRAP));
  std::fill(p.u8.begin(), p.u8.end(), std::uint8_t{3});
  std::fill(p.rhs.begin(), p.rhs.end(), 2);
  const PackedWeights weights(p.rhs.data(), p.cols, p.depth, p.cols);
  std::vector<std::int32_t> out(9 * 20 + 1, -7);
  AccumulationEvidence evidence;
  gemm(p.lhs(), p.rows, weights, {}, p.accumulation, {.out32 = out.data(), .stride = 20, .row_step = 17}, evidence);
  for (std::size_t i = 0; i < out.size(); ++i) EXPECT_EQ(out[i], i < 180 && i % 20 < 17 ? 30 : -7) << i;
}

TEST(Gemm, EmptyProductsAreAllowed) {
  GemmProblem p = quiet(3, 4, 0, integer_format(8));
  p.initial.assign(4, 200);
  Tally tally;
  compare(p, gemm_oracle(p), tally);
  p = quiet(0, 4, 3, integer_format(8));
  compare(p, gemm_oracle(p), tally);
  p = quiet(3, 0, 3, integer_format(8));
  compare(p, gemm_oracle(p), tally);
}

TEST(Gemm, RefusesWhatItCannotCompute) {
  GemmProblem p = quiet(2, 3, 4, integer_format(40, true, Overflow::SAT));
  std::fill(p.rhs.begin(), p.rhs.end(), 1);
  const PackedWeights weights(p.rhs.data(), 3, 4, 3);
  std::vector<std::int32_t> out(6);
  AccumulationEvidence evidence;
  const GemmOut to{.out32 = out.data(), .stride = 3, .row_step = 3};
  EXPECT_THROW(gemm(p.lhs(), 2, weights, {}, p.accumulation, to, evidence), Error);
  p.accumulation.accumulator.format = integer_format(20);
  EXPECT_THROW(gemm(p.lhs(), 2, weights, {}, p.accumulation, to, evidence, {.path = GemmPath::Lanes16}), Error);
  p.zero_point = 256;
  EXPECT_THROW(gemm(p.lhs(), 2, weights, {}, p.accumulation, to, evidence), Error);
  p.zero_point = 0;
  const std::vector<std::int64_t> two(2);
  EXPECT_THROW(gemm(p.lhs(), 2, weights, two, p.accumulation, to, evidence), Error);
  p.accumulation.accumulator.step = -1;
  EXPECT_THROW(gemm(p.lhs(), 2, weights, {}, p.accumulation, to, evidence), Error);
  std::vector<std::int32_t> big(12, 65536);
  EXPECT_THROW(PackedWeights(big.data(), 3, 4, 3), Error);
}

}  // namespace
}  // namespace guardbit::arith
