// guardbit compute on numbers worked out by hand.
#include <gtest/gtest.h>

#include "tests/cli/compute_place.hpp"

namespace guardbit {
namespace {

using nlohmann::json;
using tests::ComputePlace;
using tests::Outcome;
using Data = std::vector<std::int64_t>;

// lhs values after zero point 1: [10, 20, -5] and [126, 126, -129].
// acc[0, 0]: 5 | 105 | 505 | 490 with 10, 20, 3;  acc[0, 1]: 600 -> 511 | 521 -> 511 | 551 -> 511 | 1011 -> 511
// acc[1, 0]: 5 | 1265 -> 511 | 3031 -> 511 | 124;  acc[1, 1]: 600 -> 511 | 637 -> 511 | 763 -> 511 | 13411 -> 511
void small_gemm(const ComputePlace& place) {
  place.numerics(
      "operands: {lhs: int8, rhs: int8, zero_points: [1, 0]}\n"
      "accumulator: {format: 'int<10,SAT>', step: 1}\n"
      "output: [{shift_right: 2, rounding: RND_INF}, {add: off.npy}, {saturate: int8}]\n");
  place.save("a.npy", {{2, 3}, {11, 21, -4, 127, 127, -128}});
  place.save("b.npy", {{3, 2}, {10, 1, 20, 2, 3, -100}});
  place.save("bias.npy", {{2}, {5, 600}});
  place.save("off.npy", {{2, 1}, {1, -1}});
}

TEST(ComputeGemm, GivesTheNumbersOfASheetOfPaper) {
  const ComputePlace place("gemm");
  small_gemm(place);
  const Outcome outcome = place.compute(
      "gemm", {"--lhs", "a.npy", "--rhs", "b.npy", "--bias", "bias.npy", "--accumulators", "acc.npy"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(place.load("acc.npy").data, (Data{490, 511, 124, 511}));
  EXPECT_EQ(place.array("acc.npy").dtype, nets::DType::I16) << "10 bits";
  // (490 + 2) / 4 = 122.5 -> 123 (away from zero) + 1; 127.75 -> 128 + 1 -> 127; 31 - 1; 128 - 1
  EXPECT_EQ(place.load("y.npy").data, (Data{124, 127, 30, 127}));
  EXPECT_EQ(place.array("y.npy").dtype, nets::DType::I8);
  EXPECT_EQ(place.load("y.npy").shape, (Data{2, 2}));
  const json s = place.json("s.json");
  EXPECT_EQ(s["overflow"]["total"], 4);
  EXPECT_EQ(s["overflow"]["count"], 4 + 2 + 4);
  EXPECT_EQ(s["overflow"]["outputs"], 3);
  EXPECT_EQ(s["overflow"]["harmful"], 3);
  EXPECT_EQ(s["overflow"]["transient"], 0);
  EXPECT_EQ(s["overflow"]["first"], json({{"output", 1}, {"narrowing", 0}, {"index", {0, 1}}}));
  EXPECT_EQ(s["saturations"], json({0, 0, 1}));
  EXPECT_EQ(s["accumulator"]["observed_bits"], 15) << "13411 needs 15 bits";
}

TEST(ComputeGemm, AnOverrideChangesTheNumericsAndAWrapThatReturnsIsTransient) {
  const ComputePlace place("override");
  small_gemm(place);
  const Outcome outcome = place.compute("gemm", {"--lhs", "a.npy", "--rhs", "b.npy", "--accumulators", "acc.npy",
                                                 "numerics.accumulator.format=int<10,WRAP>", "numerics.output=[]"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  // Exact sums without a bias: 485, 550, 3393, 13278; modulo 1024: 485, -474, 321, -34.
  EXPECT_EQ(place.load("acc.npy").data, (Data{485, -474, 321, -34}));
  EXPECT_EQ(place.load("y.npy").data, (Data{485, -474, 321, -34})) << "[] leaves the accumulator";
  const json s = place.json("s.json");
  EXPECT_EQ(s["overflow"]["harmful"], 3);
  EXPECT_EQ(s["saturations"], json::array());

  // 100 * 10 wraps, -100 * 10 comes back.
  place.save("a.npy", {{1, 2}, {101, -99}});
  place.save("b.npy", {{2, 1}, {10, 10}});
  ASSERT_EQ(place.compute("gemm", {"--lhs", "a.npy", "--rhs", "b.npy", "numerics.accumulator.format=int<10,WRAP>",
                                   "numerics.output=[]"}).code, 0);
  const json back = place.json("s.json");
  EXPECT_EQ(back["overflow"]["count"], 2);
  EXPECT_EQ(back["overflow"]["transient"], 1);
  EXPECT_EQ(back["overflow"]["harmful"], 0);
  EXPECT_EQ(place.load("y.npy").data, (Data{0}));
}

TEST(ComputeGemm, StepZeroAddsAllProductsExactly) {
  const ComputePlace place("step");
  small_gemm(place);
  ASSERT_EQ(place.compute("gemm", {"--lhs", "a.npy", "--rhs", "b.npy", "numerics.accumulator.step=0",
                                   "numerics.output=[]"}).code, 0);
  EXPECT_EQ(place.load("y.npy").data, (Data{485, 511, 511, 511}));
  EXPECT_EQ(place.json("s.json")["overflow"]["count"], 3);
}

TEST(ComputeGemm, PartialSumsAreNarrowedOnTheirOwn) {
  const ComputePlace place("psum");
  place.numerics(
      "operands: {lhs: int8, rhs: int8}\n"
      "accumulator: {format: 'int<12,SAT>', fold: 2}\n"
      "psum: {format: 'int<8,SAT>', step: 1}\n");
  place.save("a.npy", {{1, 4}, {100, 100, -50, 10}});
  place.save("b.npy", {{4, 1}, {1, 1, 1, 1}});
  const Outcome outcome = place.compute("gemm", {"--lhs", "a.npy", "--rhs", "b.npy"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(place.load("y.npy").data, (Data{127 - 40}));
  const json s = place.json("s.json");
  EXPECT_EQ(s["psum"]["overflow"]["count"], 1);
  EXPECT_EQ(s["psum"]["overflow"]["first"], json({{"output", 0}, {"narrowing", 1}}));
  EXPECT_EQ(s["overflow"]["count"], 0);
  EXPECT_EQ(s["overflow"]["harmful"], 1) << "the exact sum is 160";
}

TEST(ComputeGemm, OperandsOfThirtyTwoBitsAreExactToo) {
  const ComputePlace place("wide");
  place.numerics("operands: {lhs: int32, rhs: int32, zero_points: [-5, 1]}\naccumulator: {format: 'int<34,WRAP>'}\n");
  place.save("a.npy", {{1, 2}, {2147483647, -2147483647 - 1}});  // 2^31 + 4, 5 - 2^31
  place.save("b.npy", {{2, 1}, {4, 2}});                         // 3, 1
  const Outcome outcome = place.compute("gemm", {"--lhs", "a.npy", "--rhs", "b.npy"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(place.load("y.npy").data, (Data{4294967313})) << "2 * 2^31 + 17";
  const json s = place.json("s.json");
  EXPECT_EQ(s["overflow"]["count"], 0);
  EXPECT_EQ(s["accumulator"]["observed_bits"], 34) << "6442450956 on the way";
}

TEST(ComputeConv, PaddingIsCodesAndTheZeroPointByDefault) {
  const ComputePlace place("conv");
  place.numerics("operands: {input: uint8, weight: int4, zero_points: [3, 1]}\naccumulator: {format: int16}\n");
  place.save("x.npy", {{1, 2, 2, 1}, {4, 5, 6, 7}});           // values 1 2 / 3 4
  place.save("w.npy", {{1, 2, 2, 1}, {2, 3, 4, 5}});           // values 1 2 / 3 4
  const std::vector<std::string> files{"--input", "x.npy", "--weight", "w.npy", "--padding", "1,0,1,0"};
  Outcome outcome = place.compute("conv2d", files);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(place.load("y.npy").shape, (Data{1, 2, 2, 1}));
  EXPECT_EQ(place.load("y.npy").data, (Data{4, 3 + 8, 2 + 12, 1 + 4 + 9 + 16}));

  auto with_pad = files;
  with_pad.insert(with_pad.end(), {"--pad-value", "0"});  // value -3
  outcome = place.compute("conv2d", with_pad);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(place.load("y.npy").data, (Data{4 - 3 * 6, 11 - 3 * 3, 14 - 3 * 4, 30}));
}

TEST(ComputeDepthwise, BothWeightLayoutsAreTheSameAndAMultiplierReadsTheSameInput) {
  const ComputePlace place("depthwise");
  place.numerics("operands: {input: int8, weight: int8}\naccumulator: {format: int16}\n");
  place.save("x.npy", {{1, 1, 2, 2}, {1, 10, 2, 20}});
  place.save("k.npy", {{4, 1, 2, 1}, {1, 2, 3, 4, 5, 6, 7, 8}});  // [K, R, S, 1]
  place.save("t.npy", {{1, 1, 2, 4}, {1, 3, 5, 7, 2, 4, 6, 8}});  // [1, R, S, K]
  const Data expected{1 * 1 + 2 * 2, 1 * 3 + 2 * 4, 10 * 5 + 20 * 6, 10 * 7 + 20 * 8};
  for (const char* weight : {"k.npy", "t.npy"}) {
    const Outcome outcome = place.compute("depthwise", {"--input", "x.npy", "--weight", weight});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(place.load("y.npy").data, expected) << weight;
  }
}

TEST(ComputePool, AveragesTheValidElementsWithTiesAwayFromZero) {
  const ComputePlace place("pool");
  place.numerics("operands: {input: int8, zero_points: [0]}\noutput: [{saturate: int8}]\n");
  place.save("x.npy", {{1, 2, 3, 1}, {1, 2, -7, 2, -4, 4}});
  const std::vector<std::string> window{"--input",  "x.npy", "--kernel",  "2,2",
                                        "--stride", "1,2",   "--padding", "0,0,1,0"};
  auto average = window, max = window;
  average.insert(average.end(), {"--pool", "average", "--accumulators", "acc.npy"});
  max.insert(max.end(), {"--pool", "max"});
  Outcome outcome = place.compute("pool", average);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(place.load("acc.npy").data, (Data{3, -5})) << "1 + 2; 2 - 7 - 4 + 4";
  EXPECT_EQ(place.load("y.npy").data, (Data{2, -1})) << "1.5 and -1.25";
  outcome = place.compute("pool", max);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(place.load("y.npy").data, (Data{2, 4}));
  EXPECT_EQ(place.load("y.npy").shape, (Data{1, 1, 2, 1}));
}

TEST(ComputeAdd, RescalesItsOperandsAndBroadcasts) {
  const ComputePlace place("add");
  place.numerics(
      "operands:\n  lhs: int8\n  rhs: int8\n  zero_points: [1, -1]\n"
      "  lhs_stages: [{shift_left: 2}]\n  rhs_stages: [{multiply: [3, 30]}, {saturate: int8}]\n"
      "accumulator: {format: 'int<9,WRAP>', step: 2}\noutput: [{saturate: int8}]\n");
  place.save("a.npy", {{2, 2}, {11, 21, 31, 41}});  // 10 20 30 40 -> 40 80 120 160
  place.save("b.npy", {{2}, {4, 9}});               // 5 10 -> 15 300 -> 15 127
  const Outcome outcome = place.compute("add", {"--lhs", "a.npy", "--rhs", "b.npy", "--accumulators", "acc.npy"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(place.load("acc.npy").data, (Data{55, 207, 135, 287 - 512}));
  EXPECT_EQ(place.load("y.npy").data, (Data{55, 127, 127, -128}));
  const json s = place.json("s.json");
  EXPECT_EQ(s["operand_saturations"], json({{"lhs", {0}}, {"rhs", {0, 1}}}));
  EXPECT_EQ(s["overflow"]["first"], json({{"output", 3}, {"narrowing", 1}, {"index", {1, 1}}}));
}

TEST(ComputeMultiply, TakesTheProductOfTheValues) {
  const ComputePlace place("multiply");
  place.numerics("operands: {lhs: int8, rhs: int16, zero_points: [1, 2]}\n");
  place.save("a.npy", {{3}, {-128, 1, 127}});
  place.save("b.npy", {{3}, {32767, 5, -32768}});
  const Outcome outcome = place.compute("multiply", {"--lhs", "a.npy", "--rhs", "b.npy"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(place.load("y.npy").data, (Data{-129 * 32765, 0, 126 * -32770}));
  EXPECT_EQ(place.array("y.npy").dtype, nets::DType::I64) << "without an accumulator nothing is lost";
}

TEST(ComputeRequantize, TakesTheAccumulatorsOfTheOtherCommandsAndTheSameFile) {
  const ComputePlace place("requantize");
  small_gemm(place);
  ASSERT_EQ(place.compute("gemm", {"--lhs", "a.npy", "--rhs", "b.npy", "--accumulators", "acc.npy"}).code, 0);
  const Data expected = place.load("y.npy").data;
  const json stages = place.json("s.json");
  const Outcome outcome = place.compute("requantize", {"--input", "acc.npy"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(place.load("y.npy").data, expected);
  const json s = place.json("s.json");
  EXPECT_EQ(s["saturations"], stages["saturations"]);
  EXPECT_EQ(s["overflow"], json({{"total", 0}, {"count", 0}, {"outputs", 0}, {"transient", 0}, {"harmful", 0},
                                 {"first", nullptr}}));
}

TEST(ComputeRequantize, AListLiesAlongTheLastAxisAndAFileBroadcasts) {
  const ComputePlace place("parameters");
  place.numerics("output: [{multiply: [2, 3]}, {add: column.npy}, {subtract: all.npy}, {shift_left: one.npy}]\n");
  place.save("x.npy", {{2, 2}, {1, 2, 3, 4}});
  place.save("column.npy", {{2, 1}, {100, 200}});
  place.save("all.npy", {{2, 2}, {1, 2, 3, 4}});
  place.save("one.npy", {{}, {1}});
  const Outcome outcome = place.compute("requantize", {"--input", "x.npy"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(place.load("y.npy").data,
            (Data{2 * (2 + 100 - 1), 2 * (6 + 100 - 2), 2 * (6 + 200 - 3), 2 * (12 + 200 - 4)}));
}

TEST(ComputeOutput, HasTheTypeOfTheLastNarrowing) {
  const ComputePlace place("types");
  place.save("x.npy", {{2}, {-5, 70000}});
  const std::vector<std::pair<const char*, nets::DType>> cases{
      {"[]", nets::DType::I64},
      {"[{saturate: int8}]", nets::DType::I8},
      {"[{saturate: uint8}, {relu: true}]", nets::DType::U8},
      {"[{saturate: 'int<9>'}, {clamp: [-3, 200]}]", nets::DType::I16},
      {"[{saturate: uint12}]", nets::DType::U16},
      {"[{saturate: int8}, {add: 1}]", nets::DType::I64},
      {"[{multiply: 2, format: 'int<20,WRAP>'}]", nets::DType::I32}};
  for (const auto& [stages, dtype] : cases) {
    place.numerics(std::string("output: ") + stages + "\n");
    const Outcome outcome = place.compute("requantize", {"--input", "x.npy"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(place.array("y.npy").dtype, dtype) << stages;
  }
}

}  // namespace
}  // namespace guardbit
