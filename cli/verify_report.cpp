#include "cli/verify_report.hpp"

#include <fmt/format.h>

#include <cmath>

#include "cli/engines.hpp"
#include "cli/evidence_json.hpp"
#include "cli/layer_report.hpp"
#include "cli/table.hpp"
#include "cli/text.hpp"

namespace guardbit::cli {
namespace {

using nlohmann::json;

json finite(double value) { return std::isfinite(value) ? json(value) : json(); }

double share(std::int64_t part, std::int64_t whole) { return static_cast<double>(part) / static_cast<double>(whole); }

// The MACs that the simulator counted against those of the integer network and those of the float graph (`info`).
void judge_macs(const VerifyPlan& plan, const Tally& tally, Verdict& verdict) {
  for (std::size_t i = 0; i < plan.network.layers.size(); ++i) {
    const nets::IntegerLayer& layer = plan.network.layers[i];
    const std::int64_t expected = nets::macs(plan.network, layer);
    const auto compare = [&](const char* who, std::int64_t wanted, std::int64_t found) {
      if (found == wanted) return;
      ++verdict.mac_mismatches;
      verdict.lines.push_back(fmt::format("layer {}: useful MACs: expected {}, actual {} ({})", layer.name,
                                          grouped(wanted), grouped(found), who));
    };
    if (const auto node = plan.folded.find(layer.name); node && layer.weighted()) {
      compare("float graph, one image", expected, nets::macs(plan.folded, plan.folded.node(*node)));
    }
    if (const auto& cost = tally.layers[i].cost) {
      compare("simulator, all images", expected * tally.samples, static_cast<std::int64_t>(cost->useful_macs));
    }
  }
}

json first_json(const Tally& tally) {
  for (const EngineTally& engine : tally.engines) {
    if (const auto first = engine.first()) {
      return {{"engine", engine.name}, {"layer", first->layer}, {"coordinate", {first->n, first->h, first->w,
          first->c}},
              {"expected", first->expected}, {"actual", first->actual}};
    }
  }
  return nullptr;
}

json engines_json(const VerifyPlan& plan, const Tally& tally) {
  json list = json::array();
  list.push_back({{"name", "reference"}, {"compared_codes", 0}, {"mismatching_codes", 0}, {"evidence_mismatches", 0}});
  for (const EngineTally& engine : tally.engines) {
    list.push_back({{"name", engine.name}, {"compared_codes", engine.compared()},
                    {"mismatching_codes", engine.mismatching()}, {"evidence_mismatches", engine.evidence_mismatches}});
  }
  for (json& engine : list) {
    engine["injected"] = nullptr;
    for (const Injection& injection : plan.injections) {
      if (engine["name"] == injection.engine) engine["injected"] = nets::name(injection.fault);
    }
  }
  return list;
}

std::uint64_t mismatches(const Tally& tally, std::size_t layer) {
  std::uint64_t sum = 0;
  for (const EngineTally& engine : tally.engines) sum += engine.layers[layer].mismatching;
  return sum;
}

std::string rate_text(const arith::OverflowCounts& counts) { return percent(counts.rate()); }

std::vector<std::string> table_row(const VerifyPlan& plan, const Tally& tally, std::size_t i,
                                   const nets::LayerProof& proof) {
  const nets::IntegerLayer& layer = plan.network.layers[i];
  const LayerTally& t = tally.layers[i];
  const bool weighted = layer.weighted();
  const StageOverflow stages = stage_overflow(layer.stages, t.stages);
  const auto use = plan.machine ? utilization(t.cost, *plan.machine) : std::nullopt;
  return {layer.name,
          weighted ? grouped(nets::macs(plan.network, layer)) : "",
          t.cost ? grouped(cycles_per_image(*t.cost, tally.samples)) : "",
          weighted && use ? percent(*use) : "",
          t.error.count > 0 ? decimals(t.error.sqnr_db(), 1) : "",
          t.error.count > 0 ? fmt::format("{:.3g}", t.error.max_abs_error) : "",
          grouped(mismatches(tally, i)),
          weighted ? rate_text(t.evidence.accumulator) : "",
          weighted ? grouped(t.evidence.accumulator.harmful) : "",
          stages.outputs > 0 && !layer.stages.empty() ? percent(share(static_cast<std::int64_t>(stages.output),
                                                                      static_cast<std::int64_t>(stages.outputs))) : "",
          weighted ? fmt::format("{}", arith::signed_bits(t.evidence.exact)) : "",
          weighted ? fmt::format("{}", proof.accumulator_bits) : ""};
}

}  // namespace

Verdict judge(const VerifyPlan& plan, const Tally& tally) {
  Verdict verdict;
  for (const EngineTally& engine : tally.engines) {
    verdict.compared_codes += engine.compared();
    verdict.mismatching_codes += engine.mismatching();
    verdict.evidence_mismatches += engine.evidence_mismatches;
    if (const auto first = engine.first()) {
      verdict.lines.push_back(fmt::format("engine {}: {} of {} codes differ, first: {}", engine.name,
                                          grouped(engine.mismatching()), grouped(engine.compared()), first->text()));
    }
    if (engine.evidence_mismatches > 0) {
      verdict.lines.push_back(fmt::format("engine {}: {} evidence values differ, first: {}", engine.name,
                                          grouped(engine.evidence_mismatches), engine.first_evidence));
    }
  }
  judge_macs(plan, tally, verdict);
  return verdict;
}

json verify_json(const VerifyPlan& plan, const Tally& tally, const Verdict& verdict) {
  const std::vector<nets::LayerProof> proofs = nets::prove(plan.network, plan.accumulations);
  json layers = json::array();
  for (std::size_t i = 0; i < plan.network.layers.size(); ++i) {
    const LayerTally& t = tally.layers[i];
    json row = layer_json(plan.network, static_cast<int>(i), t, proofs[i], plan.accumulations[i], plan.machine,
                          tally.samples);
    row["mismatches"] = mismatches(tally, i);
    row["sqnr_db"] = t.error.count > 0 ? finite(t.error.sqnr_db()) : json();
    row["max_abs_error"] = t.error.count > 0 ? json(t.error.max_abs_error) : json();
    layers.push_back(std::move(row));
  }
  json totals = totals_json(plan.network, tally, plan.machine);
  totals["mismatches"] = verdict.mismatching_codes;
  return {{"network", plan.network.name},
          {"samples", tally.samples},
          {"dataset", {{"name", plan.samples.data.name}, {"split", plan.samples.split}, {"first", plan.samples.first}}},
          {"machine", describe(plan.machine)},
          {"agreement",
           {{"compared_codes", verdict.compared_codes},
            {"mismatching_codes", verdict.mismatching_codes},
            {"evidence_mismatches", verdict.evidence_mismatches},
            {"mac_mismatches", verdict.mac_mismatches},
            {"first", first_json(tally)}}},
          {"accuracy", {{"float_top1", share(tally.float_top1, tally.samples)},
                        {"integer_top1", share(tally.integer_top1, tally.samples)}}},
          {"engines", engines_json(plan, tally)},
          {"layers", std::move(layers)},
          {"totals", std::move(totals)},
          {"held", verdict.held()}};
}

std::string verify_text(const VerifyPlan& plan, const Tally& tally, const Verdict& verdict) {
  const std::vector<nets::LayerProof> proofs = nets::prove(plan.network, plan.accumulations);
  Table table({{"layer", Align::Left}, {"MACs"}, {"cycles"}, {"utilization"}, {"SQNR dB"}, {"max error"},
      {"mismatches"},
               {"overflow"}, {"harmful"}, {"saturated"}, {"bits seen"}, {"bits proven"}});
  for (std::size_t i = 0; i < plan.network.layers.size(); ++i) table.row(table_row(plan, tally, i, proofs[i]));
  const json totals = totals_json(plan.network, tally, plan.machine);
  table.rule();
  table.row({"total", grouped(totals["macs"].get<std::int64_t>()),
             totals["cycles"].is_null() ? "" : grouped(totals["cycles"].get<std::uint64_t>()),
             totals["utilization"].is_null() ? "" : percent(totals["utilization"].get<double>()), "", "",
             grouped(verdict.mismatching_codes),
             percent(totals["overflow"]["accumulator"]["rate"].get<double>()),
             grouped(totals["overflow"]["accumulator"]["harmful"].get<std::uint64_t>()),
             percent(totals["overflow"]["output"]["rate"].get<double>())});
  std::vector<std::string> names{"reference"};
  for (const EngineTally& engine : tally.engines) names.push_back(engine.name);
  std::string text = fmt::format("verify {}: {}; {}\n{}", plan.network.name, plan.samples.text(),
                                 describe(plan.machine), table.text());
  text += fmt::format("MACs and cycles are per image; overflow: share of outputs whose accumulator overflowed.\n"
                      "engines {}: {} of {} codes differ, {} of the evidence\n"
                      "top-1: float {} of {}, integer {} of {}\n",
                      join(names), grouped(verdict.mismatching_codes), grouped(verdict.compared_codes),
                      grouped(verdict.evidence_mismatches), tally.float_top1, tally.samples, tally.integer_top1,
                      tally.samples);
  for (const std::string& line : verdict.lines) text += "MISMATCH " + line + '\n';
  return text + (verdict.held() ? "held\n" : "NOT HELD\n");
}

}  // namespace guardbit::cli
