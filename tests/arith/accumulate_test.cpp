// Accumulation: the scalar definition against an independent oracle, the tile against the scalar definition.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>

#include "arith/detail/tile_state.hpp"
#include "arith/error.hpp"
#include "arith/philox.hpp"
#include "tests/arith/accumulation_oracle.hpp"

namespace guardbit::arith {
namespace {

using testing::oracle_accumulate;

Accumulation simple(int width, Overflow overflow, int step = 1, int fold = 0) {
  return {.accumulator = {integer_format(width, true, overflow), step}, .psum = std::nullopt, .fold = fold};
}

int pick(Random& random, std::initializer_list<int> choices) {
  return choices.begin()[random.below(choices.size())];
}

// Magnitudes are chosen around the width, so that a good share of the outputs overflows and a good share does not.
struct Problem {
  Accumulation accumulation;
  int rows = 1, cols = 1, depth = 1;
  std::vector<std::int32_t> lhs, rhs;  // [rows, depth], [depth, cols]
  std::vector<std::int64_t> initial;   // [cols]

  [[nodiscard]] std::vector<std::int64_t> products(int r, int c) const {
    std::vector<std::int64_t> p;
    for (int k = 0; k < depth; ++k) {
      p.push_back(std::int64_t{lhs[static_cast<std::size_t>(r * depth + k)]} *
                  rhs[static_cast<std::size_t>(k * cols + c)]);
    }
    return p;
  }
};

AccumulatorSpec random_spec(Random& random, int width) {
  constexpr Overflow kModes[] = {Overflow::SAT,  Overflow::SAT,      Overflow::WRAP,   Overflow::WRAP,
                                 Overflow::SAT_SYM, Overflow::SAT_ZERO, Overflow::WRAP_SM};
  const Overflow mode = kModes[random.below(std::size(kModes))];
  const bool is_signed = mode == Overflow::WRAP_SM || random.below(8) != 0;
  return {integer_format(width, is_signed, mode), pick(random, {1, 1, 1, 2, 4, 7, 16, 0})};
}

std::int32_t random_operand(Random& random, int bits) {
  const std::int64_t span = std::int64_t{1} << bits;
  if (random.below(16) == 0) return static_cast<std::int32_t>(random.below(2) == 0 ? -(span - 1) : span - 1);
  return static_cast<std::int32_t>(static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(2 * span - 1))) -
                                   (span - 1));
}

Problem random_problem(Random& random, int width) {
  Problem p;
  p.rows = static_cast<int>(random.below(7)) + 1;
  p.cols = static_cast<int>(random.below(40)) + 1;
  p.depth = static_cast<int>(random.below(90));
  p.accumulation.accumulator = random_spec(random, width);
  p.accumulation.fold = pick(random, {0, 0, 1, 5, 16, 32});
  if (random.below(4) == 0) {
    p.accumulation.psum = random_spec(random, std::max(2, width - static_cast<int>(random.below(4))));
  }
  const int product_bits = std::clamp(width - 2 - static_cast<int>(random.below(6)), 2, 31);
  const int lhs_bits = std::clamp(static_cast<int>(random.below(static_cast<std::uint64_t>(product_bits))), 1, 15);
  const int rhs_bits = std::clamp(product_bits - lhs_bits, 1, 15);
  for (int i = 0; i < p.rows * p.depth; ++i) p.lhs.push_back(random_operand(random, lhs_bits));
  for (int i = 0; i < p.depth * p.cols; ++i) p.rhs.push_back(random_operand(random, rhs_bits));
  if (random.below(3) != 0) {
    for (int c = 0; c < p.cols; ++c) {
      const auto range = std::uint64_t{1} << std::min(width + 1, 61);
      p.initial.push_back(static_cast<std::int64_t>(random.below(range)) - static_cast<std::int64_t>(range / 2));
    }
  }
  return p;
}

std::string describe(const Problem& p) {
  const auto spec = [](const AccumulatorSpec& s) { return to_string(s.format) + " step " + std::to_string(s.step); };
  return spec(p.accumulation.accumulator) + " fold " + std::to_string(p.accumulation.fold) +
         (p.accumulation.psum ? " psum " + spec(*p.accumulation.psum) : "") + " rows " + std::to_string(p.rows) +
         " cols " + std::to_string(p.cols) + " depth " + std::to_string(p.depth);
}

// The tile, fed in randomly cut calls.
template <typename Tile>
std::vector<std::int64_t> run_tile(Tile& tile, const Problem& p, Random& random, std::int64_t first_output,
                                   std::int64_t row_step, AccumulationEvidence& evidence) {
  tile.reset(p.rows, p.cols, p.initial);
  if (random.below(2) == 0 && p.depth > 0) {  // what an unfinished reduction leaves must not matter
    tile.accumulate(p.lhs.data(), p.depth, p.rhs.data(), p.cols, p.depth);
    tile.reset(p.rows, p.cols, p.initial);
  }
  int unit = p.accumulation.fold;
  if (unit == 0) unit = p.accumulation.psum || p.accumulation.accumulator.step == 0 ? p.depth
                                                                                    : p.accumulation.accumulator.step;
  for (int done = 0; done < p.depth;) {
    const int whole = static_cast<int>(random.below(4)) + 1;
    const int take = random.below(3) == 0 ? p.depth - done : std::min(p.depth - done, whole * std::max(unit, 1));
    tile.accumulate(p.lhs.data() + done, p.depth, p.rhs.data() + done * p.cols, p.cols, take);
    done += take;
  }
  std::vector<std::int64_t> out(static_cast<std::size_t>(p.rows * (p.cols + 3)), -77);
  tile.finish(out.data(), p.cols + 3, first_output, row_step, evidence);
  return out;
}

void expect_same(const OverflowCounts& a, const OverflowCounts& b, const std::string& text) {
  EXPECT_EQ(a.total, b.total) << text;
  EXPECT_EQ(a.count, b.count) << text;
  EXPECT_EQ(a.outputs, b.outputs) << text;
  EXPECT_EQ(a.transient, b.transient) << text;
  EXPECT_EQ(a.harmful, b.harmful) << text;
  EXPECT_TRUE(a.first == b.first) << text;
}

void expect_same(const AccumulationEvidence& a, const AccumulationEvidence& b, const std::string& text) {
  expect_same(a.accumulator, b.accumulator, text);
  expect_same(a.psum, b.psum, "psum, " + text);
  EXPECT_EQ(a.exact.min, b.exact.min) << text;
  EXPECT_EQ(a.exact.max, b.exact.max) << text;
}

using Tile = std::unique_ptr<AccumulatorTile::State>;

// Every implementation that can do this accumulation on this processor.
std::vector<std::pair<std::string, Tile>> all_tiles(const Problem& p) {
  const int rows = p.rows + 1;
  const int cols = p.cols + 2;
  std::vector<std::pair<std::string, Tile>> tiles;
  // With psum, the tiles are those of its folds.
  const Accumulation& whole = p.accumulation;
  const Accumulation simple_part = whole.psum ? Accumulation{.accumulator = *whole.psum, .psum = {}, .fold = 0} : whole;
  const auto add = [&](const std::string& name, Tile tile) {
    if (tile && whole.psum) tile = detail::make_psum_tile(rows, cols, whole, std::move(tile));
    if (tile) tiles.emplace_back(name, std::move(tile));
  };
  add("general", detail::make_general_tile(rows, cols, simple_part));
  for (const auto isa : {detail::Isa::Baseline, detail::Isa::Avx2, detail::Isa::Avx512}) {
    if (isa > detail::best_isa()) continue;
    add("lanes " + std::to_string(static_cast<int>(isa)), detail::make_lane_tile(rows, cols, simple_part, isa));
  }
  return tiles;
}

std::uint64_t compare_random_problems(int low_width, int high_width, int count, std::uint64_t seed) {
  Random random(seed);
  std::uint64_t outputs = 0;
  for (int i = 0; i < count && !::testing::Test::HasFailure(); ++i) {
    const auto widths = static_cast<std::uint64_t>(high_width - low_width + 1);
    const int width = low_width + static_cast<int>(random.below(widths));
    const Problem p = random_problem(random, width);
    const std::string text = describe(p);
    const auto first_output = static_cast<std::int64_t>(random.below(1000));
    const std::int64_t row_step = p.cols + static_cast<std::int64_t>(random.below(5));
    AccumulationEvidence oracle, scalar;
    std::vector<std::int64_t> want;
    for (int r = 0; r < p.rows; ++r) {
      for (int c = 0; c < p.cols; ++c) {
        const auto products = p.products(r, c);
        const std::int64_t start = p.initial.empty() ? 0 : p.initial[static_cast<std::size_t>(c)];
        const std::int64_t output = first_output + r * row_step + c;
        want.push_back(oracle_accumulate(products, start, p.accumulation, output, oracle));
        EXPECT_EQ(accumulate(products, start, p.accumulation, output, scalar), want.back()) << text;
        ++outputs;
      }
      want.insert(want.end(), 3, -77);  // what lies between the rows of the result stays
    }
    expect_same(scalar, oracle, "scalar " + text);
    for (const auto& [kind, tile] : all_tiles(p)) {
      AccumulationEvidence tiled;
      EXPECT_EQ(run_tile(*tile, p, random, first_output, row_step, tiled), want) << kind << " " << text;
      expect_same(tiled, oracle, kind + " " + text);
    }
  }
  return outputs;
}

std::int64_t run(const std::vector<std::int64_t>& products, const Accumulation& a, AccumulationEvidence& evidence,
                 std::int64_t initial = 0) {
  return accumulate(products, initial, a, 7, evidence);
}

TEST(Accumulation, SaturationForgetsTheExcessAndIsHarmful) {
  AccumulationEvidence evidence;
  EXPECT_EQ(run({100, 100, -100}, simple(8, Overflow::SAT), evidence), 27);
  EXPECT_EQ(evidence.accumulator.count, 1U);
  EXPECT_EQ(evidence.accumulator.harmful, 1U);
  EXPECT_EQ(evidence.accumulator.transient, 0U);
  EXPECT_TRUE((evidence.accumulator.first == FirstOverflow{7, 2}));
  EXPECT_TRUE((evidence.exact == Range{0, 200}));
}

TEST(Accumulation, WrapThatComesBackIsTransient) {
  AccumulationEvidence evidence;
  EXPECT_EQ(run({100, 100, -100}, simple(8, Overflow::WRAP), evidence), 100);
  EXPECT_EQ(evidence.accumulator.count, 2U);
  EXPECT_EQ(evidence.accumulator.outputs, 1U);
  EXPECT_EQ(evidence.accumulator.transient, 1U);
  EXPECT_EQ(evidence.accumulator.harmful, 0U);
}

TEST(Accumulation, AnAdderTreeHidesWhatCancelsInsideAGroup) {
  AccumulationEvidence evidence;
  EXPECT_EQ(run({100, 100, -100}, simple(8, Overflow::SAT, 3), evidence), 100);
  EXPECT_EQ(evidence.accumulator.count, 0U);
  EXPECT_TRUE((evidence.exact == Range{0, 100}));
}

TEST(Accumulation, AFoldCutsAGroupShort) {
  AccumulationEvidence evidence;
  EXPECT_EQ(run({100, 100, -100}, simple(8, Overflow::SAT, 3, 2), evidence), 27);
  EXPECT_TRUE((evidence.accumulator.first == FirstOverflow{7, 1}));
}

TEST(Accumulation, TheInitialValueIsNarrowingZero) {
  AccumulationEvidence evidence;
  EXPECT_EQ(run({}, simple(8, Overflow::SAT), evidence, 200), 127);
  EXPECT_TRUE((evidence.accumulator.first == FirstOverflow{7, 0}));
  EXPECT_TRUE((evidence.exact == Range{200, 200}));
  EXPECT_EQ(evidence.accumulator.total, 1U);
}

TEST(Accumulation, AnOverflowOfAPartialSumHarmsTheAccumulatorToo) {
  Accumulation a = simple(16, Overflow::SAT, 1, 2);
  a.psum = AccumulatorSpec{integer_format(8), 1};
  AccumulationEvidence evidence;
  EXPECT_EQ(run({100, 100, 1, 2}, a, evidence), 130);
  EXPECT_EQ(evidence.psum.total, 2U);
  EXPECT_EQ(evidence.psum.count, 1U);
  EXPECT_EQ(evidence.psum.harmful, 1U);
  EXPECT_TRUE((evidence.psum.first == FirstOverflow{14, 1}));
  EXPECT_EQ(evidence.accumulator.count, 0U);
  EXPECT_EQ(evidence.accumulator.harmful, 1U);
  EXPECT_TRUE((evidence.exact == Range{0, 203}));
}

TEST(Accumulation, RefusesFormatsAndStepsItCannotKeep) {
  Accumulation a = simple(8, Overflow::SAT);
  a.accumulator.format = integer_format(64, false);
  EXPECT_THROW(check_accumulation(a, "layer"), Error);
  a = simple(8, Overflow::SAT, -1);
  EXPECT_THROW(check_accumulation(a, "layer"), Error);
  a = simple(8, Overflow::SAT, 1, -2);
  EXPECT_THROW(check_accumulation(a, "layer"), Error);
  a = simple(0, Overflow::SAT);
  EXPECT_THROW(check_accumulation(a, "layer"), Error);
}

TEST(SignedBits, AreTheSmallestFormatOfARange) {
  EXPECT_EQ(signed_bits(Range{}), 1);
  EXPECT_EQ(signed_bits(Range{0, 0}), 1);
  EXPECT_EQ(signed_bits(Range{-1, 0}), 1);
  EXPECT_EQ(signed_bits(Range{0, 1}), 2);
  EXPECT_EQ(signed_bits(Range{-128, 127}), 8);
  EXPECT_EQ(signed_bits(Range{-128, 128}), 9);
  EXPECT_EQ(signed_bits(Range{-129, 0}), 9);
  EXPECT_EQ(signed_bits(Range{INT64_MIN, INT64_MAX}), 64);
}

TEST(AccumulatorTile, IsMovableAndReusable) {
  const Accumulation a = simple(8, Overflow::SAT);
  AccumulatorTile first(2, 3, a);
  AccumulatorTile tile(std::move(first));
  first = AccumulatorTile(1, 1, a);
  const std::vector<std::int32_t> lhs{1, 2, 3, 4};           // [2, 2]
  const std::vector<std::int32_t> rhs{10, 20, 30, 40, 50, 60};  // [2, 3]
  for (int repeat = 0; repeat < 2; ++repeat) {
    std::vector<std::int64_t> out(6);
    AccumulationEvidence evidence;
    tile.reset(2, 3, std::vector<std::int64_t>{0, -10, 100});
    tile.accumulate(lhs.data(), 2, rhs.data(), 3, 2);
    tile.finish(out.data(), 3, 0, 3, evidence);
    EXPECT_EQ(out, (std::vector<std::int64_t>{90, 110, 127, 127, 127, 127}));
    EXPECT_EQ(evidence.accumulator.outputs, 4U);
    EXPECT_TRUE((evidence.accumulator.first == FirstOverflow{2, 1}));
    EXPECT_TRUE((evidence.exact == Range{-10, 430}));
  }
}

TEST(AccumulatorTile, ASpoiledRowStaysSpoiledWhenItsExactSumIsSmallAgain) {
  AccumulatorTile tile(1, 1, simple(8, Overflow::SAT));
  tile.reset(1, 1, {});
  const std::vector<std::int32_t> lhs{1, 1, -1, -1, 1};
  const std::vector<std::int32_t> rhs{100, 100, 100, 100, 1};
  tile.accumulate(lhs.data(), 5, rhs.data(), 1, 2);          // 127, exactly 200
  tile.accumulate(lhs.data() + 2, 5, rhs.data() + 2, 1, 2);  // -73, exactly 0
  tile.accumulate(lhs.data() + 4, 5, rhs.data() + 4, 1, 1);  // cannot overflow from 0
  std::int64_t out = 0;
  AccumulationEvidence evidence;
  tile.finish(&out, 1, 0, 1, evidence);
  EXPECT_EQ(out, -72);
  EXPECT_EQ(evidence.accumulator.count, 1U);
  EXPECT_EQ(evidence.accumulator.harmful, 1U);
  EXPECT_TRUE((evidence.exact == Range{0, 200}));
}

TEST(AccumulatorTile, TheProofLooksAtEveryColumn) {
  for (int hot = 0; hot < 40; ++hot) {
    AccumulatorTile tile(1, 40, simple(8, Overflow::SAT));
    tile.reset(1, 40, {});
    const std::int32_t lhs = 1;
    std::vector<std::int32_t> rhs(40, 1);
    rhs[static_cast<std::size_t>(hot)] = -1000;
    tile.accumulate(&lhs, 1, rhs.data(), 40, 1);
    std::vector<std::int64_t> out(40);
    AccumulationEvidence evidence;
    tile.finish(out.data(), 40, 0, 40, evidence);
    EXPECT_EQ(out[static_cast<std::size_t>(hot)], -128);
    EXPECT_TRUE((evidence.accumulator.first == FirstOverflow{hot, 1}));
  }
}

TEST(Accumulation, ScalarAndTileAgreeWithTheOracleUpTo31Bits) {
  const std::uint64_t outputs = compare_random_problems(4, 31, 1000, 1);
  std::cout << "compared " << outputs << " outputs\n";
  EXPECT_GE(outputs, 60000U);
}

TEST(Accumulation, ScalarAndTileAgreeWithTheOracleFrom32BitsOn) {
  const std::uint64_t outputs = compare_random_problems(32, 63, 700, 2);
  std::cout << "compared " << outputs << " outputs\n";
  EXPECT_GE(outputs, 40000U);
}

}  // namespace
}  // namespace guardbit::arith
