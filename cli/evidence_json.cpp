#include "cli/evidence_json.hpp"

namespace guardbit::cli {
namespace {

using nlohmann::json;

json counts_json(const arith::OverflowCounts& c) {
  json first;
  if (c.first) first = {c.first->output, c.first->narrowing};
  return {c.total, c.count, c.outputs, c.transient, c.harmful, first};
}

arith::OverflowCounts counts(const json& j) {
  arith::OverflowCounts c{.total = j[0], .count = j[1], .outputs = j[2], .transient = j[3], .harmful = j[4],
      .first = {}};
  if (!j[5].is_null()) c.first = arith::FirstOverflow{.output = j[5][0], .narrowing = j[5][1]};
  return c;
}

json point(std::uint64_t count, double rate, const json& transient, const json& harmful) {
  return {{"count", count}, {"rate", rate}, {"transient", transient}, {"harmful", harmful}};
}

json point(const arith::OverflowCounts& c) {
  json result = point(c.count, c.rate(), c.transient, c.harmful);
  result["outputs"] = c.outputs;
  return result;
}

double ratio(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

json to_json(const arith::AccumulationEvidence& evidence) {
  return {counts_json(evidence.accumulator), counts_json(evidence.psum), evidence.exact.min, evidence.exact.max};
}

arith::AccumulationEvidence evidence_from_json(const json& j) {
  return {.accumulator = counts(j[0]), .psum = counts(j[1]), .exact = {.min = j[2], .max = j[3]}};
}

json to_json(const arith::StageCounts& counts) { return {counts.total, counts.changed}; }

arith::StageCounts stage_counts_from_json(const json& j) {
  return {.total = j[0], .changed = j[1].get<std::vector<std::uint64_t>>()};
}

json to_json(const nets::LayerCost& cost) {
  return {
#define X(field) {#field, cost.field},
      GUARDBIT_COST_COUNTERS(X)
#undef X
      {"energy_pj", cost.energy_pj}};
}

nets::LayerCost cost_from_json(const json& j) {
  nets::LayerCost cost;
#define X(field) j.at(#field).get_to(cost.field);
  GUARDBIT_COST_COUNTERS(X)
#undef X
  j.at("energy_pj").get_to(cost.energy_pj);
  return cost;
}

json to_json(const nets::CodeComparison& comparison) {
  json first;
  if (comparison.first) {
    const nets::Mismatch& m = *comparison.first;
    first = {m.layer, m.layer_index, m.n, m.h, m.w, m.c, m.expected, m.actual};
  }
  return {comparison.compared, comparison.mismatching, first};
}

nets::CodeComparison comparison_from_json(const json& j) {
  nets::CodeComparison comparison{.compared = j[0], .mismatching = j[1], .first = {}};
  if (const json& m = j[2]; !m.is_null()) {
    comparison.first = nets::Mismatch{.layer = m[0], .layer_index = m[1], .n = m[2], .h = m[3], .w = m[4], .c = m[5],
                                      .expected = m[6], .actual = m[7]};
  }
  return comparison;
}

StageOverflow stage_overflow(const arith::StageList& stages, const arith::StageCounts& counts) {
  StageOverflow result{.outputs = counts.total, .requantize = 0, .output = 0};
  bool last = true;
  for (std::size_t i = stages.size(); i-- > 0;) {
    const auto* multiply = std::get_if<arith::Multiply>(&stages[i]);
    const bool narrows = std::holds_alternative<arith::Narrow>(stages[i]) || (multiply != nullptr && multiply->format);
    if (!narrows) continue;
    (last ? result.output : result.requantize) += counts.changed.at(i);
    last = false;
  }
  return result;
}

json overflow_report(const arith::AccumulationEvidence& evidence, const StageOverflow& stages) {
  // What a stage changed stays changed unless a later stage hides it; only for `output`, the last, is that known.
  const json unknown = stages.requantize == 0 ? json(0) : json();
  return {{"psum", point(evidence.psum)},
          {"accumulator", point(evidence.accumulator)},
          {"requantize", point(stages.requantize, ratio(stages.requantize, stages.outputs), unknown, unknown)},
          {"output", point(stages.output, ratio(stages.output, stages.outputs), 0, stages.output)}};
}

}  // namespace guardbit::cli
