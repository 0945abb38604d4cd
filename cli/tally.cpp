#include "cli/tally.hpp"

#include "cli/evidence_json.hpp"

namespace guardbit::cli {

using nlohmann::json;

void LayerTally::add(const nets::LayerResult& result) {
  evidence.merge(result.accumulation);
  stages.merge(result.stages);
  if (!result.cost) return;
  if (cost) {
    cost->merge(*result.cost);
  } else {
    cost = result.cost;
  }
}

void LayerTally::merge(const LayerTally& other) {
  evidence.merge(other.evidence);
  stages.merge(other.stages);
  if (cost && other.cost) {
    cost->merge(*other.cost);
  } else if (other.cost) {
    cost = other.cost;
  }
  error.merge(other.error);
}

std::uint64_t EngineTally::compared() const {
  std::uint64_t sum = 0;
  for (const nets::CodeComparison& layer : layers) sum += layer.compared;
  return sum;
}

std::uint64_t EngineTally::mismatching() const {
  std::uint64_t sum = 0;
  for (const nets::CodeComparison& layer : layers) sum += layer.mismatching;
  return sum;
}

std::optional<nets::Mismatch> EngineTally::first() const {
  for (const nets::CodeComparison& layer : layers) {
    if (layer.first) return layer.first;
  }
  return std::nullopt;
}

void EngineTally::add_evidence(const std::vector<std::string>& lines) {
  if (evidence_mismatches == 0 && !lines.empty()) first_evidence = lines.front();
  evidence_mismatches += lines.size();
}

void EngineTally::merge(const EngineTally& other) {
  for (std::size_t i = 0; i < layers.size(); ++i) layers[i].merge(other.layers.at(i));
  if (evidence_mismatches == 0) first_evidence = other.first_evidence;
  evidence_mismatches += other.evidence_mismatches;
}

void Tally::merge(const Tally& other) {
  if (samples == 0) {
    *this = other;
    return;
  }
  samples += other.samples;
  float_top1 += other.float_top1;
  integer_top1 += other.integer_top1;
  for (std::size_t i = 0; i < layers.size(); ++i) layers[i].merge(other.layers.at(i));
  for (std::size_t i = 0; i < engines.size(); ++i) engines[i].merge(other.engines.at(i));
}

json to_json(const Tally& tally) {
  json layers = json::array(), engines = json::array();
  for (const LayerTally& layer : tally.layers) {
    layers.push_back({to_json(layer.evidence), to_json(layer.stages), layer.cost ? to_json(*layer.cost) : json(),
                      layer.error.signal, layer.error.noise, layer.error.max_abs_error, layer.error.count});
  }
  for (const EngineTally& engine : tally.engines) {
    json comparisons = json::array();
    for (const nets::CodeComparison& layer : engine.layers) comparisons.push_back(to_json(layer));
    engines.push_back({engine.name, comparisons, engine.evidence_mismatches, engine.first_evidence});
  }
  return {tally.samples, tally.float_top1, tally.integer_top1, layers, engines};
}

Tally tally_from_json(const json& j) {
  Tally tally{.samples = j[0], .float_top1 = j[1], .integer_top1 = j[2], .layers = {}, .engines = {}};
  for (const json& layer : j[3]) {
    tally.layers.push_back({.evidence = evidence_from_json(layer[0]), .stages = stage_counts_from_json(layer[1]),
                            .cost = {}, .error = {.signal = layer[3], .noise = layer[4], .max_abs_error = layer[5],
                                                  .count = layer[6]}});
    if (!layer[2].is_null()) tally.layers.back().cost = cost_from_json(layer[2]);
  }
  for (const json& engine : j[4]) {
    EngineTally& added = tally.engines.emplace_back();
    added.name = engine[0];
    for (const json& layer : engine[1]) added.layers.push_back(comparison_from_json(layer));
    added.evidence_mismatches = engine[2];
    added.first_evidence = engine[3];
  }
  return tally;
}

}  // namespace guardbit::cli
