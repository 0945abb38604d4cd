// The fast engine against the reference: codes, accumulators and evidence, over random networks and thread counts.
#include <gtest/gtest.h>

#include "nets/engines/compare.hpp"
#include "nets/engines/evidence.hpp"
#include "tests/support/random_network.hpp"

namespace guardbit::nets {
namespace {

using tests::random_case;
using tests::RandomCase;

// Everything the contract promises, for one seed.
void expect_same(const RandomCase& c, int threads, std::uint64_t seed, const RunResult& expected,
                 const RunResult& actual) {
  SCOPED_TRACE(testing::Message() << "seed " << seed << ", threads " << threads);
  const auto mismatch = first_mismatch(c.network, expected, actual);
  EXPECT_FALSE(mismatch.has_value()) << mismatch->text();
  for (const std::string& line : compare_evidence(c.network, expected, actual)) ADD_FAILURE() << line;
  for (std::size_t i = 0; i < expected.layers.size(); ++i) {
    EXPECT_EQ(expected.layers[i].accumulators, actual.layers[i].accumulators) << c.network.layers[i].name;
    EXPECT_EQ(expected.layers[i].accumulation, actual.layers[i].accumulation) << c.network.layers[i].name;
    EXPECT_EQ(expected.layers[i].stages, actual.layers[i].stages) << c.network.layers[i].name;
  }
}

TEST(FastEngine, EqualsReferenceOnRandomNetworks) {
  const auto reference = make_reference_engine();
  const auto fast = make_fast_engine();
  std::uint64_t overflows = 0, psum_overflows = 0, saturations = 0, weighted = 0;
  std::array<std::uint64_t, 11> ops{};
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const RandomCase c = random_case(seed);
    ASSERT_NO_THROW(check(c.network)) << "seed " << seed;
    const RunOptions options{.keep_accumulators = true, .first_image = static_cast<std::int64_t>(seed % 3) * 100};
    const RunResult expected = reference->run(c.network, c.accumulations, c.input, options);
    for (int threads = 1; threads <= 3; ++threads) {
      RunOptions mine = options;
      mine.threads = threads;
      expect_same(c, threads, seed, expected, fast->run(c.network, c.accumulations, c.input, mine));
      if (HasFailure()) return;
    }
    for (std::size_t i = 0; i < c.network.layers.size(); ++i) {
      ++ops[static_cast<std::size_t>(c.network.layers[i].op)];
      weighted += c.network.layers[i].weighted() ? 1 : 0;
      overflows += expected.layers[i].accumulation.accumulator.count;
      psum_overflows += expected.layers[i].accumulation.psum.count;
      for (const std::uint64_t changed : expected.layers[i].stages.changed) saturations += changed;
    }
  }
  // The comparison means something only if the cases overflow and every operator occurs.
  EXPECT_GT(overflows, 10000u);
  EXPECT_GT(psum_overflows, 1000u);
  EXPECT_GT(saturations, 1000u);
  EXPECT_GT(weighted, 250u);
  for (std::size_t op = 0; op < ops.size(); ++op) EXPECT_GT(ops[op], 10u) << name(static_cast<IntegerOp>(op));
}

TEST(FastEngine, NamesTheFoldOfAPartialSumOfADepthwiseLayer) {
  // 1x4 pixels, 2 channels, kernel 1x3, folds of one product; only tap 2 of channel 1 can leave int8, at pixel 1:
  // 127 * 2 in fold 2. Output (0, 1, 1) has index 3, of 3 folds each.
  RandomCase c;
  IntegerLayer input;
  input.name = "input";
  input.shape = {1, 4, 2};
  IntegerLayer conv;
  conv.name = "conv";
  conv.op = IntegerOp::Conv2d;
  conv.inputs = {0};
  conv.shape = {1, 2, 2};
  conv.window.kernel_w = 3;
  conv.groups = 2;
  conv.weight = IntTensor({2, 1, 3, 1});
  conv.weight.data = {1, 1, 1, 1, 1, 127};
  conv.stages = {arith::Narrow{arith::integer_format(8)}};
  c.network.layers = {input, conv};
  c.network.output = 1;
  check(c.network);
  c.input = IntTensor({1, 1, 4, 2});
  c.input.data = {1, 1, 1, 1, 1, 1, 1, 2};
  arith::Accumulation accumulation;
  accumulation.fold = 1;
  accumulation.psum = arith::AccumulatorSpec{arith::integer_format(8), 1};
  c.accumulations = uniform(c.network, accumulation);
  const RunOptions options{.keep_accumulators = true};
  const RunResult expected = make_reference_engine()->run(c.network, c.accumulations, c.input, options);
  EXPECT_EQ(expected.layers[1].accumulation.psum.first, (arith::FirstOverflow{3 * 3 + 2, 0}));
  expect_same(c, 1, 0, expected, make_fast_engine()->run(c.network, c.accumulations, c.input, options));
}

TEST(FastEngine, KeepsChannelsOfInputStagesApart) {
  // Only the shift differs by channel, so a table of codes shared by all channels would be wrong.
  RandomCase c;
  IntegerLayer input;
  input.name = "input";
  input.shape = {1, 1, 2};
  IntegerLayer sum;
  sum.name = "sum";
  sum.op = IntegerOp::Add;
  sum.inputs = {0, 0};
  sum.shape = {1, 1, 2};
  sum.input_stages = {{arith::ShiftLeft{arith::Parameter(std::vector<std::int64_t>{0, 3})}}, {}};
  sum.stages = {arith::Narrow{arith::integer_format(8)}};
  c.network.layers = {input, sum};
  c.network.output = 1;
  check(c.network);
  c.input = IntTensor({1, 1, 1, 2});
  c.input.data = {5, 5};
  const RunResult run = make_fast_engine()->run(c.network, uniform(c.network, {}), c.input, {});
  EXPECT_EQ(run.layers[1].codes.data, (std::vector<std::int32_t>{10, 45}));
}

TEST(FastEngine, BatchesMergeToTheWhole) {
  const auto fast = make_fast_engine();
  for (std::uint64_t seed = 1000; seed < 1020; ++seed) {
    const RandomCase c = random_case(seed);
    const RunResult whole = fast->run(c.network, c.accumulations, c.input, {.keep_accumulators = true});
    RunResult merged;
    for (std::int64_t image = 0; image < c.input.shape[0]; ++image) {
      IntTensor one({1, c.input.shape[1], c.input.shape[2], c.input.shape[3]});
      std::copy_n(c.input.data.begin() + image * one.count(), one.count(), one.data.begin());
      merge(merged, fast->run(c.network, c.accumulations, one, {.keep_accumulators = true, .first_image = image}));
    }
    expect_same(c, 1, seed, whole, merged);
  }
}

TEST(FastEngine, TakesNoImages) {
  const RandomCase c = random_case(3);
  const IntTensor none({0, c.input.shape[1], c.input.shape[2], c.input.shape[3]});
  for (const auto& engine : {make_reference_engine().release(), make_fast_engine().release()}) {
    const std::unique_ptr<Engine> owned(engine);
    const RunResult result = owned->run(c.network, c.accumulations, none, {.threads = 2});
    EXPECT_EQ(result.layers.back().codes.data.size(), 0u);
  }
}

}  // namespace
}  // namespace guardbit::nets
