// What the guard of gemm() proves, where it is off by nothing or by one: sums that are led to a bound of the format, or
// one beyond it, at a chosen place of the reduction, for every instruction set, sign, zero point and length.
#include <gtest/gtest.h>

#include "tests/arith/gemm_compare.hpp"

namespace guardbit::arith {
namespace {

using testing::GemmProblem;
using testing::GemmResult;
using testing::kIsas;
using testing::name_of;
using testing::Tally;

// A walk: its running sum begins at `start`, and every product moves it by the same, with the sign of
// weights[k].
struct Walk {
  GemmLhs::Type type = GemmLhs::Type::U8;
  int zero_point = 0;  // counted from the lowest code
  int byte = 255;      // of all codes, likewise
  std::vector<int> weights;

  [[nodiscard]] std::int64_t value() const { return byte - zero_point; }
  // The furthest that the sums go in the direction of `sign`, the beginning included.
  [[nodiscard]] std::int64_t furthest(int sign) const {
    std::int64_t sum = 0;
    std::int64_t most = 0;
    for (const int w : weights) most = std::max(most, sign * (sum += value() * w));
    return most;
  }
};

// Who walks among zeros: by the number of rows one column of 20 or of 5, or nine of 20; all rows, or the last one.
struct Crowd {
  explicit Crowd(std::int64_t number) : rows(number) {}

  std::int64_t rows;
  std::int64_t cols = rows % 3 == 0 ? 5 : 20;
  std::int64_t first_col = rows % 4 == 1 ? cols / 2 - 1 : cols - 3;
  std::int64_t last_col = rows % 4 == 1 ? cols - 2 : cols - 3;
  std::int64_t first_row = rows % 2 == 0 ? rows - 1 : 0;

  [[nodiscard]] std::uint64_t outputs() const {
    return static_cast<std::uint64_t>((rows - first_row) * (last_col - first_col + 1));
  }
};

GemmProblem walk_problem(const Walk& walk, std::int64_t rows, std::int64_t start, const AccumulatorSpec& accumulator) {
  const Crowd crowd(rows);
  GemmProblem p;
  p.type = walk.type;
  p.rows = rows;
  p.cols = crowd.cols;
  p.depth = static_cast<std::int64_t>(walk.weights.size());
  const int low = walk.type == GemmLhs::Type::U8 ? 0 : -128;
  p.zero_point = low + walk.zero_point;
  std::vector<int> codes(static_cast<std::size_t>(rows * p.depth), p.zero_point);
  std::fill(codes.begin() + crowd.first_row * p.depth, codes.end(), low + walk.byte);
  p.set_codes(codes);
  p.rhs.assign(static_cast<std::size_t>(p.depth * p.cols), 0);
  p.initial.assign(static_cast<std::size_t>(p.cols), 0);
  for (std::int64_t c = crowd.first_col; c <= crowd.last_col; ++c) {
    p.initial[static_cast<std::size_t>(c)] = start;
    for (std::int64_t k = 0; k < p.depth; ++k) {
      p.rhs[static_cast<std::size_t>(k * p.cols + c)] = walk.weights[static_cast<std::size_t>(k)];
    }
  }
  p.accumulation.accumulator = accumulator;
  return p;
}

// The walk, led in both directions to the bound (over = 0) and one beyond it, in formats that are just wide enough for
// the guard to watch it, and wider.
void lead_to_the_bounds(const Walk& walk, std::int64_t rows, Tally& tally) {
  const std::int64_t span = walk.furthest(1) + walk.furthest(-1);
  int fits = 4;
  while ((std::int64_t{1} << fits) < span + span / 4) ++fits;
  for (const int width : {fits, fits + 1, fits + 2}) {
    for (const int sign : {1, -1}) {
      const std::int64_t top = (std::int64_t{1} << (width - 1)) - 1;
      const std::int64_t room = walk.furthest(sign);
      if (width > 30) continue;
      for (const int over : {0, 1}) {
        const std::int64_t start = sign > 0 ? top + over - room : -top - 1 - over + room;
        if (start > top || start < -top - 1) continue;
        const Overflow mode = (width + rows) % 2 == 0 ? Overflow::SAT : Overflow::WRAP;
        const GemmProblem p = walk_problem(walk, rows, start, {integer_format(width, true, mode), 1});
        const GemmResult expected = gemm_oracle(p);
        ASSERT_EQ(expected.counts.outputs, over == 0 ? 0U : Crowd(rows).outputs()) << describe(p);
        compare(p, expected, tally);
        if (::testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

// Up for `up` products, down for the rest; then the other way round.
std::vector<int> peak(std::int64_t depth, std::int64_t up, int rise, int fall) {
  std::vector<int> weights(static_cast<std::size_t>(depth), -fall);
  std::fill_n(weights.begin(), up, rise);
  return weights;
}

GemmLhs::Type other(GemmLhs::Type type) {
  return type == GemmLhs::Type::U8 ? GemmLhs::Type::S8 : GemmLhs::Type::U8;
}

constexpr int kZeroPoints[] = {0, 1, 127, 128, 254, 255};

TEST(GemmProof, APeakInTheMiddleOfASegmentIsBoundedByHalfOfTheNorms) {
  // Half of the products up and half of them down: here the bound is met exactly.
  Tally tally;
  std::int64_t rows = 1;
  auto type = GemmLhs::Type::U8;
  for (const int zero_point : kZeroPoints) {
    for (const int byte : {0, 255}) {
      if (byte == zero_point) continue;
      for (const std::int64_t depth : {5, 64, 128, 200, 644}) {
        for (const int weight : {-128, 127, 1}) {
          if (depth == 644 && weight == 1) continue;
          rows = rows % 9 + 1;
          type = other(type);
          const int fall = weight == -128 ? -127 : weight;
          lead_to_the_bounds({type, zero_point, byte, peak(depth, depth / 2, weight, fall)}, rows, tally);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
  EXPECT_GT(tally.work.guarded, 0U);
  EXPECT_GT(tally.work.lanes, 0U);
}

TEST(GemmProof, APeakIsSeenWhereverItIs) {
  Tally tally;
  auto type = GemmLhs::Type::U8;
  for (const int zero_point : {0, 1, 127, 255}) {
    const int byte = zero_point < 128 ? 255 : 0;
    for (const std::int64_t up : {1, 7, 63, 64, 65, 127, 128, 129, 150, 191, 192, 199, 200}) {
      for (const int sign : {1, -1}) {
        // Slowly up and steeply down, or not.
        for (const int steep : {1, 30}) {
          type = other(type);
          lead_to_the_bounds({type, zero_point, byte, peak(200, up, sign * 2, sign * 2 * steep)}, up % 9 + 1, tally);
          if (HasFatalFailure()) return;
        }
      }
    }
    type = other(type);
  }
  EXPECT_GT(tally.work.guarded, 0U);
}

TEST(GemmProof, TheSumThatASegmentBeginsWithCounts) {
  // Some products rise beyond the bound, and the many that follow fall so far that neither the end of the segment nor
  // what comes after tells. 69,600 of room and more than an eighth of the format: the guard does not give up at once.
  for (const auto type : {GemmLhs::Type::U8, GemmLhs::Type::S8}) {
    for (const int zero_point : {0, 1, 127, 128, 255}) {
      const int byte = zero_point < 128 ? zero_point + 100 : zero_point - 100;
      for (const int sign : {1, -1}) {
        const int up = byte > zero_point ? sign : -sign;
        for (const std::int64_t segments : {1, 2, 3}) {
          std::vector<int> weights(static_cast<std::size_t>((segments - 1) * 64), up * 11);
          weights.insert(weights.end(), 24, up * 64);
          weights.insert(weights.end(), 40, up * -100);
          const std::int64_t start = sign * (524287 - 140000 - (segments == 1 ? 0 : (segments - 2) * 70400));
          const GemmProblem p =
              walk_problem({type, zero_point, byte, weights}, 11, start, {integer_format(20, true, Overflow::SAT), 1});
          const GemmResult expected = gemm_oracle(p);
          ASSERT_EQ(expected.counts.outputs, Crowd(11).outputs());
          Tally tally;
          compare(p, expected, tally);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST(GemmProof, BlocksOfColumnsAreCutOnTheirOwn) {
  // Weights that alternate need three segments in the first block of columns; the second block does with one, in which
  // a peak of 96,000 is just too much.
  for (const int sign : {1, -1}) {
    GemmProblem p = walk_problem({.byte = 100, .weights = std::vector<int>(192)}, 11, 0, {integer_format(19), 1});
    p.cols = 64;
    p.rhs.assign(192 * 64, 0);
    for (int k = 0; k < 192; ++k) {
      std::fill_n(p.rhs.begin() + k * 64, 32, k % 2 == 0 ? 28 : -28);
      p.rhs[static_cast<std::size_t>(k * 64 + 40)] = k < 96 ? sign * 10 : -sign * 10;
    }
    p.initial.assign(64, 0);
    p.initial[40] = sign > 0 ? 262143 - 96000 + 1 : -262144 + 96000 - 1;
    const GemmResult expected = gemm_oracle(p);
    ASSERT_EQ(expected.counts.outputs, 11U);
    Tally tally;
    compare(p, expected, tally);
    if (HasFatalFailure()) return;
  }
}

// Range and counts by the definition, against every path and instruction set that follows ranges.
void compare_ranges(const GemmProblem& p) {
  AccumulationEvidence expected;
  const std::vector<std::int64_t> sums = testing::defined_sums(p, expected);
  const PackedWeights weights(p.rhs.data(), p.cols, p.depth, p.cols);
  for (const GemmPath path : {GemmPath::Auto, GemmPath::Guarded, GemmPath::General}) {
    if (!gemm_path_available(path, p.lhs(), weights, p.initial, p.accumulation)) continue;
    for (const GemmIsa isa : kIsas) {
      if (!isa_supported(isa)) continue;
      for (const int threads : {1, 2}) {
        std::vector<std::int64_t> out(sums.size());
        AccumulationEvidence evidence;
        gemm(p.lhs(), p.rows, weights, p.initial, p.accumulation,
             {.out64 = out.data(), .stride = p.cols, .first_output = 0, .row_step = p.cols}, evidence,
             {.path = path, .isa = isa, .threads = threads, .range = true});
        const std::string name = std::string(name_of(path)) + " " + name_of(isa) + ": " + describe(p);
        ASSERT_EQ(out, sums) << name;
        ASSERT_EQ(evidence.exact.min, expected.exact.min) << name;
        ASSERT_EQ(evidence.exact.max, expected.exact.max) << name;
        ASSERT_TRUE(evidence == expected) << name;
      }
    }
  }
}

TEST(GemmProof, RangesBeginWithTheInitialValues) {
  // Also where there is nothing to add; far beyond what sums of 31 bits can be watched for, too.
  for (const std::int64_t first : {5, -5, 30000, -40000, 1 << 30, -(1 << 30)}) {
    for (const std::int64_t depth : {0, 1, 64, 200}) {
      for (const int up : {1, -1, 0}) {
        const Walk walk{.zero_point = 7, .weights = std::vector<int>(static_cast<std::size_t>(depth), up)};
        GemmProblem p = walk_problem(walk, 9, first, {integer_format(std::abs(first) < 1 << 16 ? 16 : 31), 1});
        for (std::int64_t& start : p.initial) start = first;
        p.initial.back() = first + first / 2;
        compare_ranges(p);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(GemmProof, RangesMissNoPeak) {
  // A column that has been as far as one below, then one that goes one further.
  for (const int zero_point : {0, 1, 127, 255}) {
    const int byte = zero_point < 128 ? 255 : 0;
    for (const std::int64_t up : {1, 32, 63, 64, 65, 100, 128, 190, 200}) {
      for (const int sign : {1, -1}) {
        for (const int step : {1, 4}) {
          const Walk walk{GemmLhs::Type::S8, zero_point, byte, peak(200, up, sign * 2, sign * 3)};
          GemmProblem p = walk_problem(walk, 10, 0, {integer_format(24), step});
          p.initial.front() = walk.furthest(1) - 1;
          p.initial.back() = 1 - walk.furthest(-1);
          compare_ranges(p);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

}  // namespace
}  // namespace guardbit::arith
