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

// Where the first overflow of a weighted layer is: coordinate [image, p, q, k] and the narrowing within its reduction.
// `folds`: partial sums per output (1 for the accumulator).
json first_overflow(const std::optional<arith::FirstOverflow>& first, const nets::Shape& shape, std::int64_t folds) {
  if (!first) return nullptr;
  const std::int64_t output = first->output / folds;
  const std::int64_t pixel = output / shape.c;
  json where{{"coordinate", {pixel / shape.w / shape.h, pixel / shape.w % shape.h, pixel % shape.w, output % shape.c}},
             {"narrowing", first->narrowing}};
  if (folds > 1) where["fold"] = first->output % folds;
  return where;
}

json overflow_of_layer(const nets::IntegerNetwork& network, const nets::IntegerLayer& layer, const LayerTally& tally,
                       const arith::Accumulation& accumulation) {
  json report = overflow_report(tally.evidence, stage_overflow(layer.stages, tally.stages));
  if (!layer.weighted()) return report;
  const std::int64_t depth = nets::gemm_shape(network, layer).depth;
  const std::int64_t folds = accumulation.fold == 0 ? 1 : (depth + accumulation.fold - 1) / accumulation.fold;
  report["accumulator"]["first"] = first_overflow(tally.evidence.accumulator.first, layer.shape, 1);
  report["psum"]["first"] = first_overflow(tally.evidence.psum.first, layer.shape, folds);
  return report;
}

}  // namespace

std::optional<double> utilization(const std::optional<nets::LayerCost>& cost, const sim::Machine& machine) {
  if (!cost || cost->cycles == 0) return std::nullopt;
  const double slots = static_cast<double>(machine.array.rows) * machine.array.columns * static_cast<double>(cost->cycles);
  return static_cast<double>(cost->useful_macs) / slots;
}

std::uint64_t cycles_per_image(const nets::LayerCost& cost, std::int64_t images) {
  const auto count = static_cast<std::uint64_t>(images);
  if ((cost.cycles - cost.injected_stall_cycles) % count != 0) std::abort();
  return cost.cycles / count;
}

json layer_json(const nets::IntegerNetwork& network, int index, const LayerTally& tally, const nets::LayerProof& proof,
                const arith::Accumulation& accumulation, const std::optional<sim::Machine>& machine,
                std::int64_t images) {
  const nets::IntegerLayer& layer = network.layer(index);
  json row{{"name", layer.name},
           {"op", nets::name(layer.op)},
           {"macs", nets::macs(network, layer)},
           {"overflow", overflow_of_layer(network, layer, tally, accumulation)},
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

void LayerTotals::add(const nets::IntegerNetwork& network, int index, const LayerTally& tally) {
  const nets::IntegerLayer& layer = network.layer(index);
  macs_ += nets::macs(network, layer);
  // Output indices of different layers have no common origin, so `first` stays out of the sum.
  arith::AccumulationEvidence part = tally.evidence;
  part.accumulator.first.reset();
  part.psum.first.reset();
  evidence_.merge(part);
  const StageOverflow of_layer = stage_overflow(layer.stages, tally.stages);
  stages_.outputs += of_layer.outputs;
  stages_.requantize += of_layer.requantize;
  stages_.output += of_layer.output;
  if (!tally.cost) return;
  if (!cost_) cost_.emplace();
  cost_->merge(*tally.cost);
}

json LayerTotals::json(std::int64_t images) const {
  nlohmann::json totals{{"macs", macs_}, {"overflow", overflow_report(evidence_, stages_)},
                        {"cycles", nullptr}, {"utilization", nullptr}, {"cost", nullptr}};
  if (cost_ && machine_) {
    totals["cycles"] = cycles_per_image(*cost_, images);
    totals["utilization"] = optional_json(utilization(cost_, *machine_));
    totals["cost"] = to_json(*cost_);
  }
  return totals;
}

json totals_json(const nets::IntegerNetwork& network, const Tally& tally, const std::optional<sim::Machine>& machine) {
  LayerTotals totals(machine);
  for (std::size_t i = 0; i < network.layers.size(); ++i) totals.add(network, static_cast<int>(i), tally.layers[i]);
  return totals.json(tally.samples);
}

}  // namespace guardbit::cli
