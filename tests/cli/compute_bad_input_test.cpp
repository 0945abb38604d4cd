// guardbit compute on what it must refuse: exit code 2, one line that names the place, no file written.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/cli/compute_place.hpp"

namespace guardbit {
namespace {

using tests::ComputePlace;
using tests::Outcome;

constexpr const char* kNumerics = "operands: {lhs: int8, rhs: int8}\naccumulator: {format: int32}\n";

class ComputeBadInput : public testing::Test {
 protected:
  void SetUp() override {
    place.numerics(kNumerics);
    place.save("a.npy", {{2, 3}, {1, 2, 3, 4, 5, 6}});
    place.save("b.npy", {{3, 2}, {1, 2, 3, 4, 5, 6}});
    place.save("x.npy", {{1, 2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8}});
    place.save("w.npy", {{2, 1, 1, 2}, {1, 2, 3, 4}});
    place.save("bias.npy", {{2}, {1, 2}});
  }
  // Runs and expects a refusal that says `text`.
  void refused(const std::string& op, const std::vector<std::string>& arguments, const std::string& text) {
    const Outcome outcome = place.compute(op, arguments);
    EXPECT_EQ(outcome.code, 2) << text << "\n" << outcome.out;
    EXPECT_NE(outcome.err.find(text), std::string::npos) << "wanted " << text << "\nfound  " << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    for (const char* file : {"y.npy", "s.json", "acc.npy"}) {
      EXPECT_FALSE(std::filesystem::exists(place / file)) << text << ": " << file;
    }
  }
  void refused_gemm(const std::vector<std::string>& more, const std::string& text) {
    std::vector<std::string> arguments{"--lhs", "a.npy", "--rhs", "b.npy"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    refused("gemm", arguments, text);
  }
  void refused_numerics(const std::string& yaml, const std::string& text) {
    place.numerics(yaml);
    refused_gemm({}, text);
    place.numerics(kNumerics);
  }
  ComputePlace place{"bad"};
};

TEST_F(ComputeBadInput, ShapesThatDoNotFit) {
  refused("gemm", {"--lhs", "a.npy", "--rhs", "a.npy"}, "allowed [3, N]");
  refused("gemm", {"--lhs", "bias.npy", "--rhs", "b.npy"}, "found shape [2], allowed [M, K]");
  place.save("three.npy", {{3}, {1, 2, 3}});
  refused_gemm({"--bias", "three.npy"}, "found a bias of 3 elements, allowed 2");
  refused_gemm({"--bias", "a.npy"}, "allowed one axis");
  place.save("empty.npy", {{0, 3}, {}});
  refused("gemm", {"--lhs", "empty.npy", "--rhs", "b.npy"}, "found shape [0, 3]");
  const auto conv = [&](const std::vector<std::string>& more, const std::string& text) {
    std::vector<std::string> arguments{"--input", "x.npy", "--weight", "w.npy"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    refused("conv2d", arguments, text);
  };
  conv({"--groups", "2"}, "in 2 groups");
  conv({"--dilation", "0,1"}, "dilation");
  conv({"--stride", "1,0"}, "stride");
  conv({"--padding", "1,1,1"}, "found 3 numbers");
  conv({"--padding=-1,0,0,0"}, "padding");
  conv({"--pad-value", "200"}, "found pad value 200");
  conv({"--pool", "max"}, "--pool");
  conv({"pool=max"}, "pool: found a key that compute conv2d does not read");
  conv({"padings=1"}, "padings");
  refused("depthwise", {"--input", "x.npy", "--weight", "w.npy", "groups=2"}, "groups: found a key");
  place.save("big.npy", {{1, 3, 3, 2}, std::vector<std::int64_t>(18, 1)});
  refused("conv2d", {"--input", "x.npy", "--weight", "big.npy"}, "a window of 3 elements along H, allowed at most 2");
  refused("depthwise", {"--input", "x.npy", "--weight", "big.npy"}, "a window of 3 elements along H");
  place.save("odd.npy", {{3, 1, 1, 1}, {1, 2, 3}});
  refused("depthwise", {"--input", "x.npy", "--weight", "odd.npy"}, "K a multiple of 2");
  refused("add", {"--lhs", "a.npy", "--rhs", "b.npy"}, "allowed equal ones");
}

TEST_F(ComputeBadInput, PoolsWithoutAWindow) {
  place.numerics("operands: {input: int8}\n");
  refused("pool", {"--input", "x.npy", "--pool", "max"}, "kernel");
  refused("pool", {"--input", "x.npy", "--kernel", "2,2"}, "pool");
  refused("pool", {"--input", "x.npy", "--pool", "median", "--kernel", "2,2"}, "median");
  refused("pool", {"--input", "x.npy", "--pool", "max", "--kernel", "1,1", "--padding", "1,0,0,0"},
          "window 0 along H wholly in the padding");
  refused("pool", {"--input", "x.npy", "--pool", "max", "--kernel", "3,1"}, "window of 3 elements along H");
}

TEST_F(ComputeBadInput, CodesOutsideOfTheirFormat) {
  place.save("a.npy", {{2, 3}, {1, 2, 3, 4, 5, 128}});
  refused_gemm({}, "element 5: found 128, allowed codes of int8 (-128 to 127)");
  nets::write_npy(place / "a.npy", nets::Array::from({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6}));
  refused_gemm({}, "a.npy");
  nets::write_npy(place / "a.npy", nets::Array::from({2, 3}, std::vector<double>(6, std::nan(""))));
  refused_gemm({}, "a.npy");
  place.numerics("accumulator: {format: int4}\n");
  refused("requantize", {"--input", "b.npy", "numerics.accumulator.format=int3"}, "element 3: found 4, allowed int3");
}

TEST_F(ComputeBadInput, FilesThatAreNotThere) {
  refused("gemm", {"--lhs", "none.npy", "--rhs", "b.npy"}, "none.npy");
  refused("gemm", {"--rhs", "b.npy"}, "lhs: found nothing, allowed --lhs FILE");
  tests::write_text(place / "text.npy", "not an array");
  refused("gemm", {"--lhs", "text.npy", "--rhs", "b.npy"}, "not an .npy file");
  EXPECT_EQ(place.guardbit({"compute", "gemm", "--lhs", place / "a.npy", "--rhs", place / "b.npy", "--out",
                            place / "y.npy"}).code, 2);
  EXPECT_EQ(place.guardbit({"compute", "gemm", "--lhs", place / "a.npy", "--rhs", place / "b.npy", "--numerics",
                            place / "n.yaml"}).code, 2);
  EXPECT_EQ(place.guardbit({"compute", "gemm", "--lhs", place / "a.npy", "--rhs", place / "b.npy", "--numerics",
                            place / "missing.yaml", "--out", place / "y.npy"}).code, 2);
  refused_gemm({"--accumulators", "y.npy"}, "which --out names too");
}

TEST_F(ComputeBadInput, NumericsThatMeanNothing) {
  refused_numerics("operands: {lhs: int8, rhs: int8}\nacumulator: {format: int32}\n", "acumulator");
  refused_numerics("operands: {lhs: int8, rhs: int8, zeros: 1}\n", "zeros");
  refused_numerics("operands: {lhs: int8}\n", "operands.rhs");
  refused_numerics("accumulator: {format: int32}\n", "operands");
  refused_numerics("operands: {lhs: int8, input: int8, rhs: int8}\n", "both lhs and input");
  refused_numerics("operands: {lhs: float, rhs: int8}\n", "found float");
  refused_numerics("operands: {lhs: int33, rhs: int8}\n", "int33");
  refused_numerics("operands: {lhs: int8, rhs: int8, zero_points: [0]}\n", "2, one per operand");
  refused_numerics("operands: {lhs: int8, rhs: int8, zero_points: [128, 0]}\n", "zero point 128");
  refused_numerics("operands: {lhs: int8, rhs: int8, zero_points: [.nan, 0]}\n", "zero_points");
  refused_numerics("operands: {lhs: int8, rhs: int8}\naccumulator: {format: int65}\n", "int65");
  refused_numerics("operands: {lhs: int8, rhs: int8}\naccumulator: {format: 'fixed<8,4>'}\n", "fixed<8,4");
  refused_numerics("operands: {lhs: int8, rhs: int8}\naccumulator: {format: int8, step: -1}\n", "step");
  refused_numerics("operands: {lhs: int8, rhs: int8}\naccumulator: {step: 1}\n", "accumulator.format");
  refused_numerics("operands: {lhs: int8, rhs: int8, bias: int4}\noutput: [\n", "n.yaml");
  refused_numerics("operands: {lhs: int8, rhs: int8, lhs_stages: []}\n", "lhs_stages");
}

TEST_F(ComputeBadInput, StagesThatMeanNothing) {
  const std::string head = kNumerics;
  refused_numerics(head + "output: [{square: 2}]\n", "no known stage");
  refused_numerics(head + "output: [{shift_right: 2, saturate: int8}]\n", "saturate");
  refused_numerics(head + "output: [{shift_right: 64}]\n", "output");
  refused_numerics(head + "output: [{shift_right: -1}]\n", "output");
  refused_numerics(head + "output: [{shift_right: 1.5}]\n", "shift_right");
  refused_numerics(head + "output: [{shift_right: 1, rounding: UP}]\n", "rounding");
  refused_numerics(head + "output: [{add: [1, 2, 3]}]\n", "a list of 3, allowed 1 or 2, along the last axis");
  refused_numerics(head + "output: [{add: [1, 2, 3, 4]}]\n", "a list of 4");
  refused_numerics(head + "output: [{add: none.npy}]\n", "none.npy");
  refused_numerics(head + "output: [{saturate: float}]\n", "float");
  refused_numerics(head + "output: [{scale: .nan}]\n", "scale");
  refused_numerics(head + "output: [{scale: .inf}]\n", "scale");
  refused_numerics(head + "output: [{clamp: [5, 1]}]\n", "clamp");
  refused_numerics(head + "output: [{clamp: [.nan, 1]}]\n", "found");
  refused_numerics(head + "output: [{multiply: 4611686018427387904}, {multiply: 4611686018427387904}]\n", "bits");
  refused_numerics(head + "output: [{shift_left: 62}]\n", "64 bits");
  place.save("p.npy", {{3}, {1, 2, 3}});
  refused_numerics(head + "output: [{add: p.npy}]\n", "found shape [3], allowed one that broadcasts to [2, 2]");
  nets::write_npy(place / "p.npy", nets::Array::from({2}, std::vector<float>{1, std::nanf("")}));
  refused_numerics(head + "output: [{add: p.npy}]\n", "p.npy");
  refused_numerics(head + "output: [{scale: p.npy}]\n", "allowed finite numbers");
}

TEST_F(ComputeBadInput, SumsBeyondSixtyTwoBits) {
  place.numerics("operands: {lhs: int32, rhs: int32}\n");
  place.save("a.npy", {{1, 2}, {-2147483648LL, -2147483648LL}});
  place.save("b.npy", {{2, 1}, {-2147483648LL, -2147483648LL}});
  refused_gemm({}, "sums below 2^62");
  refused("multiply", {"--lhs", "a.npy", "--rhs", "a.npy"}, "62 bits");
}

}  // namespace
}  // namespace guardbit
