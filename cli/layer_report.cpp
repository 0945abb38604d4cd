#include "cli/layer_report.hpp"

#include <cstdlib>

#include "cli/evidence_json.hpp"

namespace guardbit::cli {
namespace {

using nlohmann::json;

json optional_json(const std::optional<double>& value) { return value ? json(*value) : json(); }

json bits_json(const nets::IntegerLayer& layer, const LayerTally& tally, const nets::LayerProof& proof,
               const arith::Accumulation& accumulation) {
  if (!layer.weighted()) return {{"configured", nullptr}, {"observed", nullptr}, {"proven", nullptr}};
  return {{"configured", accumulation.accumulator.format.width},
          {"observed", arith::signed_bits(tally.evidence.exact)},
          {"proven", proof.accumulator_bits}};
}

}  // namespace

std::optional<double> utilization(const std::optional<nets::LayerCost>& cost, const sim::Machine& machine) {
  if (!cost || cost->cycles == 0) return std::nullopt;
  const double slots = static_cast<double>(machine.array.rows) * machine.array.columns * static_cast<double>(cost->cycles);
  return static_cast<double>(cost->useful_macs) / slots;
}

std::uint64_t cycles_per_image(const nets::LayerCost& cost, std::int64_t images) {
  const auto count = static_cast<std::uint64_t>(images);
  if (cost.cycles % count != 0) std::abort();
  return cost.cycles / count;
}

json layer_json(const nets::IntegerNetwork& network, int index, const LayerTally& tally, const nets::LayerProof& proof,
                const arith::Accumulation& accumulation, const std::optional<sim::Machine>& machine,
                std::int64_t images) {
  const nets::IntegerLayer& layer = network.layer(index);
  json row{{"name", layer.name},
           {"op", nets::name(layer.op)},
           {"macs", nets::macs(network, layer)},
           {"overflow", overflow_report(tally.evidence, stage_overflow(layer.stages, tally.stages))},
           {"accumulator_bits", bits_json(layer, tally, proof, accumulation)},
           {"cycles", nullptr},
           {"utilization", nullptr},
           {"cost", nullptr}};
  if (layer.weighted()) row["certified"] = nets::certified(proof, accumulation);
  if (tally.cost && machine) {
    row["cycles"] = cycles_per_image(*tally.cost, images);
    row["utilization"] = optional_json(utilization(tally.cost, *machine));
    row["cost"] = to_json(*tally.cost);
  }
  return row;
}

std::optional<nets::LayerCost> total_cost(const std::vector<LayerTally>& layers) {
  std::optional<nets::LayerCost> total;
  for (const LayerTally& layer : layers) {
    if (!layer.cost) continue;
    if (!total) total.emplace();
    total->merge(*layer.cost);
  }
  return total;
}

json totals_json(const nets::IntegerNetwork& network, const Tally& tally, const std::optional<sim::Machine>& machine) {
  std::int64_t macs = 0;
  arith::AccumulationEvidence evidence;
  StageOverflow stages;
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const nets::IntegerLayer& layer = network.layers[i];
    macs += nets::macs(network, layer);
    // Output indices of different layers have no common origin, so `first` stays out of the sum.
    arith::AccumulationEvidence part = tally.layers[i].evidence;
    part.accumulator.first.reset();
    part.psum.first.reset();
    evidence.merge(part);
    const StageOverflow of_layer = stage_overflow(layer.stages, tally.layers[i].stages);
    stages.outputs += of_layer.outputs;
    stages.requantize += of_layer.requantize;
    stages.output += of_layer.output;
  }
  json totals{{"macs", macs}, {"overflow", overflow_report(evidence, stages)},
              {"cycles", nullptr}, {"utilization", nullptr}, {"cost", nullptr}};
  const std::optional<nets::LayerCost> cost = total_cost(tally.layers);
  if (cost && machine) {
    totals["cycles"] = cycles_per_image(*cost, tally.samples);
    totals["utilization"] = optional_json(utilization(cost, *machine));
    totals["cost"] = to_json(*cost);
  }
  return totals;
}

}  // namespace guardbit::cli
