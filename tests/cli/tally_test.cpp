// What verification adds up: exact between processes, independent of how batches are merged, and judged in full: a
// difference in evidence, cost or MACs alone must fail even when every code agrees.
#include "cli/tally.hpp"

#include <gtest/gtest.h>

#include "cli/evidence_json.hpp"
#include "cli/verify_report.hpp"

namespace guardbit::cli {
namespace {

// Numbers that differ in every field, and need all their bits.
Tally example(std::int64_t k) {
  const auto u = [&](int i) { return static_cast<std::uint64_t>(k * 1000 + i) | (std::uint64_t{1} << 52); };
  Tally tally{.samples = k, .float_top1 = k - 1, .integer_top1 = k - 2, .layers = {}, .engines = {}};
  LayerTally layer;
  layer.evidence.accumulator = {.total = u(1), .count = u(2), .outputs = u(3), .transient = u(4), .harmful = u(5),
                                .first = arith::FirstOverflow{.output = 100 - k, .narrowing = k}};
  layer.evidence.exact = {.min = -k * 1000, .max = k * 77};
  layer.stages = {.total = u(6), .changed = {u(7), u(8)}};
  nets::LayerCost cost;
  cost.cycles = u(9);
  cost.accumulator_write_bytes = u(10);
  cost.energy_pj = 0.1 * static_cast<double>(k);
  layer.cost = cost;
  layer.error = {.signal = 1.0 / static_cast<double>(k), .noise = 1e-9 * static_cast<double>(k),
                 .max_abs_error = 0.3, .count = u(11)};
  tally.layers = {layer, LayerTally{}};
  nets::CodeComparison differs{.compared = u(12), .mismatching = 2, .first = nets::Mismatch{"conv1", 0, k, 2, 3, 4, 5,
      6}};
  tally.engines = {{.name = "fast", .layers = {differs, {}}, .evidence_mismatches = 3, .first_evidence = "text"}};
  return tally;
}

TEST(Tally, TravelsBetweenProcessesWithoutLoss) {
  const nlohmann::json sent = to_json(example(5));
  EXPECT_EQ(to_json(tally_from_json(nlohmann::json::from_cbor(nlohmann::json::to_cbor(sent)))), sent);
}

TEST(Tally, MergingAddsCountsAndKeepsWhatComesFirst) {
  Tally sum;
  for (const std::int64_t k : {3, 4, 5}) sum.merge(example(k));
  EXPECT_EQ(sum.samples, 12);
  EXPECT_EQ(sum.float_top1, 9);
  const LayerTally& layer = sum.layers[0];
  EXPECT_EQ(layer.evidence.accumulator.count, 12006 + 3 * (std::uint64_t{1} << 52));
  EXPECT_EQ(layer.evidence.accumulator.first->output, 95) << "the smallest index of all batches";
  EXPECT_EQ(layer.evidence.exact.min, -5000);
  EXPECT_EQ(layer.evidence.exact.max, 385);
  EXPECT_EQ(layer.cost->cycles, 12027 + 3 * (std::uint64_t{1} << 52));
  EXPECT_EQ(layer.stages.changed[1], 12024 + 3 * (std::uint64_t{1} << 52));
  EXPECT_EQ(sum.engines[0].mismatching(), 6U);
  EXPECT_EQ(sum.engines[0].evidence_mismatches, 9U);
  EXPECT_EQ(sum.engines[0].first()->n, 3) << "of the first batch";
}

TEST(StageOverflow, TheLastNarrowingIsTheOutputAndAllBeforeItAreRequantize) {
  const arith::Format wide = arith::integer_format(32), narrow = arith::integer_format(8);
  const arith::StageList stages{arith::Multiply{3, wide}, arith::ShiftRight{4, arith::Rounding::RND},
                                arith::Narrow{wide}, arith::Add{1}, arith::Narrow{narrow}, arith::Relu{}};
  const StageOverflow overflow = stage_overflow(stages, {.total = 50, .changed = {5, 0, 7, 0, 11, 0}});
  EXPECT_EQ(overflow.outputs, 50U);
  EXPECT_EQ(overflow.requantize, 12U);
  EXPECT_EQ(overflow.output, 11U);
  const nlohmann::json report = overflow_report({}, overflow);
  EXPECT_EQ(report["output"]["rate"], 0.22);
  EXPECT_EQ(report["output"]["harmful"], 11);
  EXPECT_EQ(report["requantize"]["count"], 12);
  EXPECT_EQ(report["requantize"]["harmful"], nullptr) << "not observed";
}

// One fully connected layer of 3 x 2.
VerifyPlan plan_of_six_macs() {
  VerifyPlan plan;
  nets::IntegerLayer input, fc;
  input.name = "input";
  input.shape = {.h = 1, .w = 1, .c = 3};
  fc.name = "fc";
  fc.op = nets::IntegerOp::FullyConnected;
  fc.inputs = {0};
  fc.shape = {.h = 1, .w = 1, .c = 2};
  fc.weight = nets::IntTensor({2, 1, 1, 3});
  plan.network.layers = {input, fc};
  plan.network.output = 1;
  return plan;
}

Tally perfect() {
  Tally tally{.samples = 4, .float_top1 = 4, .integer_top1 = 4, .layers = {}, .engines = {}};
  tally.layers.resize(2);
  tally.layers[1].cost.emplace();
  tally.layers[1].cost->useful_macs = 24;
  tally.engines = {{.name = "tile", .layers = {{.compared = 12, .mismatching = 0, .first = {}}, {}},
                    .evidence_mismatches = 0, .first_evidence = ""}};
  return tally;
}

TEST(Judge, HoldsOnlyWhenEverythingAgrees) {
  const VerifyPlan plan = plan_of_six_macs();
  EXPECT_TRUE(judge(plan, perfect()).held());
  EXPECT_TRUE(judge(plan, perfect()).lines.empty());
}

TEST(Judge, OneDifferingCodeFails) {
  Tally tally = perfect();
  tally.engines[0].layers[1] = {.compared = 1, .mismatching = 1, .first = nets::Mismatch{"fc", 1, 2, 0, 0, 1, 5, 6}};
  const Verdict verdict = judge(plan_of_six_macs(), tally);
  EXPECT_FALSE(verdict.held());
  ASSERT_EQ(verdict.lines.size(), 1U);
  EXPECT_EQ(verdict.lines[0],
            "engine tile: 1 of 13 codes differ, first: layer fc [n 2, h 0, w 0, c 1]: expected 5, actual 6");
}

TEST(Judge, EvidenceAloneFails) {
  Tally tally = perfect();
  tally.engines[0].add_evidence({"layer fc: cycles: expected 3, actual 4", "another"});
  const Verdict verdict = judge(plan_of_six_macs(), tally);
  EXPECT_FALSE(verdict.held());
  EXPECT_EQ(verdict.evidence_mismatches, 2U);
  EXPECT_EQ(verdict.lines.at(0), "engine tile: 2 evidence values differ, first: layer fc: cycles: expected 3, actual 4");
}

TEST(Judge, OneMissingMacFails) {
  Tally tally = perfect();
  tally.layers[1].cost->useful_macs = 23;
  const Verdict verdict = judge(plan_of_six_macs(), tally);
  EXPECT_FALSE(verdict.held());
  EXPECT_EQ(verdict.mac_mismatches, 1U);
  EXPECT_EQ(verdict.lines.at(0), "layer fc: useful MACs: expected 24, actual 23 (simulator, all images)");
}

}  // namespace
}  // namespace guardbit::cli
