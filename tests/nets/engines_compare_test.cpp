// Comparison and fault injection: a check must be able to fail, and must say where.
#include <gtest/gtest.h>

#include "arith/error.hpp"
#include "nets/engines/compare.hpp"
#include "nets/engines/fault.hpp"

namespace guardbit::nets {
namespace {

using arith::integer_format;

arith::Accumulation stepwise(const arith::Format& format, int step) {
  arith::Accumulation accumulation;
  accumulation.accumulator = {format, step};
  return accumulation;
}

// One pixel, 2 channels -> convolution of 2 outputs: codes 3 * x0 + x1 and x0 - x1, halved with ties away from zero.
IntegerNetwork small() {
  IntegerNetwork network;
  network.name = "small";
  IntegerLayer input;
  input.name = "input";
  input.shape = {1, 2, 2};
  IntegerLayer conv;
  conv.name = "conv";
  conv.op = IntegerOp::Conv2d;
  conv.inputs = {0};
  conv.shape = {1, 2, 2};
  conv.weight = IntTensor({2, 1, 1, 2});
  conv.weight.data = {0, 3, 1, -1};
  conv.stages = {arith::ShiftRight{1, arith::Rounding::RND_INF}, arith::Narrow{integer_format(8)}};
  network.layers = {input, conv};
  network.output = 1;
  check(network);
  return network;
}

RunResult run(const IntegerNetwork& network) {
  IntTensor input({2, 1, 2, 2});
  input.data = {2, 4, 6, 8, 2, 4, 6, 7};
  return make_reference_engine()->run(network, uniform(network, stepwise(integer_format(5), 1)), input, {});
}

TEST(Compare, EqualRunsHaveNoMismatch) {
  const IntegerNetwork network = small();
  EXPECT_FALSE(first_mismatch(network, run(network), run(network)).has_value());
  EXPECT_TRUE(compare_evidence(network, run(network), run(network)).empty());
  EXPECT_EQ(compare_codes(network, run(network), run(network))[1].compared, 8u);
}

TEST(Compare, LocatesTheFirstDifference) {
  const IntegerNetwork network = small();
  RunResult changed = run(network);
  changed.layers[1].codes.data[7] += 1;  // image 1, w 1, c 1
  changed.layers[1].codes.data[6] -= 2;
  const CodeComparison comparison = compare_codes(network, run(network), changed, 10)[1];
  EXPECT_EQ(comparison.mismatching, 2u);
  ASSERT_TRUE(comparison.first.has_value());
  EXPECT_EQ(comparison.first->text(), "layer conv [n 11, h 0, w 1, c 0]: expected 8, actual 6");
}

TEST(Compare, NamesDifferingEvidence) {
  const IntegerNetwork network = small();
  RunResult changed = run(network);
  ASSERT_GT(changed.layers[1].accumulation.accumulator.count, 0u);
  changed.layers[1].accumulation.accumulator.transient += 1;
  changed.layers[1].accumulation.exact.max = 99;
  changed.layers[1].stages.changed[1] = 5;
  changed.layers[1].accumulation.accumulator.first->narrowing += 1;
  const auto lines = compare_evidence(network, run(network), changed);
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0], "layer conv: accumulator.transient: expected 0, actual 1");
  EXPECT_EQ(lines[1], "layer conv: accumulator.first: expected output 2 narrowing 2, actual output 2 narrowing 3");
  EXPECT_EQ(lines[2], "layer conv: exact.max: expected 24, actual 99");
  EXPECT_EQ(lines[3], "layer conv: stages.changed[1]: expected 0, actual 5");
}

TEST(Fault, SwappedRoundingIsSeen) {
  const IntegerNetwork network = small();
  const auto mismatch = first_mismatch(network, run(network), run(inject(network, Fault::SwapRounding)));
  ASSERT_TRUE(mismatch.has_value());
  EXPECT_EQ(mismatch->text(), "layer conv [n 0, h 0, w 1, c 0]: expected 8, actual 7");  // 15 (saturated) / 2
}

TEST(Fault, SkippedStepIsSeen) {
  const IntegerNetwork network = small();
  const IntegerNetwork broken = inject(network, Fault::SkipStep, "conv");
  EXPECT_EQ(broken.layers[1].weight.data, (std::vector<std::int32_t>{0, 0, 1, -1}));
  const auto mismatch = first_mismatch(network, run(network), run(broken));
  ASSERT_TRUE(mismatch.has_value());
  EXPECT_EQ(mismatch->text(), "layer conv [n 0, h 0, w 0, c 0]: expected 6, actual 0");
}

TEST(Fault, NeedsSomethingToBreak) {
  IntegerNetwork network = small();
  EXPECT_THROW((void)inject(network, Fault::SkipStep, "nothing"), Error);
  EXPECT_THROW((void)inject(network, Fault::SkipStep, "input"), Error);
  network.layers[1].stages.erase(network.layers[1].stages.begin());
  EXPECT_THROW((void)inject(network, Fault::SwapRounding), Error);
  network.layers[1].weight.data.assign(4, 0);
  EXPECT_THROW((void)inject(network, Fault::SkipStep), Error);
  EXPECT_THROW((void)parse_fault("flip"), Error);
  EXPECT_EQ(parse_fault("rounding"), Fault::SwapRounding);
}

}  // namespace
}  // namespace guardbit::nets
