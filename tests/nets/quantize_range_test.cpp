// Range analysis: proofs are sound (nothing observed exceeds them) and tight (an input attains them).
#include <gtest/gtest.h>

#include "nets/engines/engine.hpp"
#include "nets/quantize/range_analysis.hpp"
#include "nets/quantize/stage_range.hpp"
#include "tests/support/random_network.hpp"

namespace guardbit::nets {
namespace {

using arith::integer_format;

arith::Accumulation stepwise(const arith::Format& format, int step) {
  arith::Accumulation accumulation;
  accumulation.accumulator = {format, step};
  return accumulation;
}

TEST(StageRange, EqualsExhaustiveImageOfMonotoneStages) {
  const arith::StageList lists[] = {
      {arith::Add{5}, arith::Multiply{-3, std::nullopt}, arith::ShiftRight{2, arith::Rounding::RND_CONV}},
      {arith::Subtract{7}, arith::ShiftLeft{3}, arith::Relu{}, arith::Narrow{integer_format(6)}},
      {arith::Clamp{-2, 9}, arith::Add{-4}, arith::Narrow{integer_format(3, true, arith::Overflow::SAT_SYM)}},
      {arith::Multiply{9, integer_format(9)}, arith::ShiftRight{3, arith::Rounding::TRN}},
  };
  for (const auto& stages : lists) {
    arith::StageCounts counts{0, std::vector<std::uint64_t>(stages.size())};
    arith::Range seen;
    for (std::int64_t v = -40; v <= 50; ++v) seen.include(arith::apply_stages(stages, v, 0, counts));
    EXPECT_EQ(stage_interval(stages, {-40, 50}, 0), (Interval{seen.min, seen.max}));
  }
}

TEST(StageRange, ContainsImageOfWrapAndScale) {
  const arith::StageList lists[] = {{arith::Narrow{integer_format(4, true, arith::Overflow::WRAP)}},
                                    {arith::Narrow{integer_format(4, true, arith::Overflow::SAT_ZERO)}, arith::Add{3}},
                                    {arith::Scale{{-0.37F}}, arith::Narrow{integer_format(5)}}};
  for (const auto& stages : lists) {
    arith::StageCounts counts{0, std::vector<std::uint64_t>(stages.size())};
    const Interval range = stage_interval(stages, {3, 60}, 0);
    for (std::int64_t v = 3; v <= 60; ++v) {
      const std::int64_t out = arith::apply_stages(stages, v, 0, counts);
      EXPECT_TRUE(within({out, out}, range)) << out;
    }
  }
}

// x: uint4 (0..15), zero point 3 -> -3..12; weights 2, -1; bias 5.
IntegerNetwork two_taps() {
  IntegerNetwork network;
  IntegerLayer input;
  input.name = "input";
  input.shape = {1, 1, 2};
  input.output = {integer_format(4, false), 1.0, 3};
  IntegerLayer fc;
  fc.name = "fc";
  fc.op = IntegerOp::FullyConnected;
  fc.inputs = {0};
  fc.shape = {1, 1, 1};
  fc.weight = IntTensor({1, 1, 1, 2});
  fc.weight.data = {2, -1};
  fc.bias = {5};
  fc.stages = {arith::Relu{}, arith::Add{-3}, arith::Narrow{integer_format(8)}};
  network.layers = {input, fc};
  network.output = 1;
  return network;
}

TEST(RangeAnalysis, BoundsByHand) {
  const IntegerNetwork network = two_taps();
  const auto ranges = output_ranges(network);
  EXPECT_EQ(ranges[0], (Interval{0, 15}));
  EXPECT_EQ(ranges[1], (Interval{-3, 127}));  // relu, then - 3
  // after tap 0: 5 + [-6, 24]; after tap 1: [-13, 27] + 5... with -1 * [-3, 12] = [-12, 3]: [-13, 32].
  const LayerProof proof = prove_layer(network, 1, ranges);
  EXPECT_EQ(proof.accumulator[0], (ChannelBound{0, -13, 32}));
  EXPECT_EQ(proof.accumulator_bits, 7);
  EXPECT_TRUE(certified(proof, stepwise(integer_format(7), 1)));
  EXPECT_FALSE(certified(proof, stepwise(integer_format(6), 1)));
  // With partial sums of one product: [-6, 24] and [-12, 3].
  arith::Accumulation folded = stepwise(integer_format(7), 1);
  folded.psum = arith::AccumulatorSpec{integer_format(6), 1};
  folded.fold = 1;
  const LayerProof parts = prove_layer(network, 1, ranges, folded);
  EXPECT_EQ(parts.psum[0], (ChannelBound{0, -12, 24}));
  EXPECT_EQ(parts.psum_bits, 6);
  EXPECT_TRUE(certified(parts, folded));
  folded.psum->format = integer_format(5);
  EXPECT_FALSE(certified(parts, folded));
}

TEST(RangeAnalysis, PrefixBoundExceedsFinalBound) {
  // Bias 100, products -2 x and -x with x in 0..15: the largest value is the bias itself, before any product.
  IntegerNetwork network = two_taps();
  network.layers[0].output.zero_point = 0;
  network.layers[1].bias = {100};
  network.layers[1].weight.data = {-2, -1};
  const LayerProof proof = prove_layer(network, 1, output_ranges(network));
  EXPECT_EQ(proof.accumulator[0], (ChannelBound{0, 55, 100}));
}

TEST(RangeAnalysis, StepGroupsHideIntermediateSums) {
  // x is clamped to 4..7, so
  // that products 3x in 12..21 and -3x in -21..-12 cancel when they are added in one step.
  IntegerNetwork network = two_taps();
  IntegerLayer shifted = network.layers[0];
  shifted.name = "shifted";
  shifted.op = IntegerOp::Requantize;
  shifted.inputs = {0};
  shifted.stages = {arith::Clamp{4, 7}, arith::Narrow{integer_format(4, false)}};
  shifted.output.zero_point = 0;
  network.layers.insert(network.layers.begin() + 1, shifted);
  network.layers[2].inputs = {1};
  network.layers[2].bias = {};
  network.layers[2].weight.data = {3, -3};
  const auto ranges = output_ranges(network);
  EXPECT_EQ(ranges[1], (Interval{4, 7}));
  EXPECT_EQ(prove_layer(network, 2, ranges).accumulator[0], (ChannelBound{0, -9, 21}));
  EXPECT_EQ(prove_layer(network, 2, ranges, stepwise(integer_format(8), 2)).accumulator[0], (ChannelBound{0, -9, 9}));
}

TEST(RangeAnalysis, PaddedTapsContributeZero) {
  // x is clamped to 4..7 and meets weights 3 and -3: without padding [-9, 21] as above; a padded tap is 0, which is
  // outside 4..7: 3 * [0, 7] and -3 * [0, 7].
  IntegerNetwork network = two_taps();
  network.layers[0].output.zero_point = 0;
  IntegerLayer clamped = network.layers[0];
  clamped.name = "clamped";
  clamped.op = IntegerOp::Requantize;
  clamped.inputs = {0};
  clamped.stages = {arith::Clamp{4, 7}, arith::Narrow{integer_format(4, false)}};
  IntegerLayer conv = network.layers[1];
  conv.op = IntegerOp::Conv2d;
  conv.inputs = {1};
  conv.window.padding.left = 1;
  conv.shape = {1, 2, 1};
  conv.bias = {};
  conv.weight.data = {3, -3};
  network.layers = {network.layers[0], clamped, conv};
  network.output = 2;
  check(network);
  EXPECT_EQ(prove_layer(network, 2, output_ranges(network)).accumulator[0], (ChannelBound{0, -21, 21}));
}

TEST(RangeAnalysis, ObservedSumsStayWithinProofAndCertifiedNeverOverflows) {
  const auto engine = make_fast_engine();
  int tight = 0;
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    tests::RandomCase c = tests::random_case(seed);
    // Wide accumulators, so that the measured sums are those of an overflow-free device; same narrowing points.
    std::vector<arith::Accumulation> wide = c.accumulations;
    for (auto& a : wide) {
      a.accumulator.format = integer_format(48);
      if (a.psum) a.psum->format = integer_format(48);
    }
    const auto proofs = prove(c.network, wide);
    const RunResult run = engine->run(c.network, wide, c.input, {});
    std::vector<arith::Accumulation> proven = wide;
    for (std::size_t i = 0; i < proofs.size(); ++i) {
      if (!c.network.layers[i].weighted()) continue;
      const arith::Range& seen = run.layers[i].accumulation.exact;
      arith::Range bound;
      for (const ChannelBound& b : proofs[i].accumulator) bound.include(b.min), bound.include(b.max);
      EXPECT_LE(bound.min, seen.min) << "seed " << seed;
      EXPECT_GE(bound.max, seen.max) << "seed " << seed;
      tight += bound.min == seen.min || bound.max == seen.max;
      proven[i].accumulator.format = integer_format(proofs[i].accumulator_bits);
      if (proven[i].psum) proven[i].psum->format = integer_format(proofs[i].psum_bits);
      EXPECT_TRUE(certified(proofs[i], proven[i]));
    }
    const RunResult certified_run = engine->run(c.network, proven, c.input, {});
    for (std::size_t i = 0; i < proofs.size(); ++i) {
      EXPECT_EQ(certified_run.layers[i].accumulation.accumulator.count, 0u) << "seed " << seed;
      EXPECT_EQ(certified_run.layers[i].accumulation.psum.count, 0u) << "seed " << seed;
      EXPECT_EQ(certified_run.layers[i].codes, run.layers[i].codes) << "seed " << seed;
    }
  }
  EXPECT_GT(tight, 0);
}

TEST(RangeAnalysis, WorstInputAttainsTheBound) {
  // The weights are 2 and -1: the highest and the lowest code together reach the upper bound.
  IntegerNetwork network = two_taps();
  const LayerProof proof = prove_layer(network, 1, output_ranges(network));
  IntTensor worst({1, 1, 1, 2});
  worst.data = {15, 0};
  const RunResult run = make_reference_engine()->run(network, uniform(network, {}), worst, {});
  EXPECT_EQ(run.layers[1].accumulation.exact.max, proof.accumulator[0].max);
}

}  // namespace
}  // namespace guardbit::nets
