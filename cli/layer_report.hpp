// Rows that `verify` and `simulate` share: numbers of one layer over all images, from a tally.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>

#include "cli/evidence_json.hpp"
#include "cli/tally.hpp"
#include "nets/quantize/integer_network.hpp"
#include "nets/quantize/range_analysis.hpp"
#include "sim/machine.hpp"

namespace guardbit::cli {

// Useful MACs / (PEs * cycles); empty without cycles.
[[nodiscard]] std::optional<double> utilization(const std::optional<nets::LayerCost>& cost,
    const sim::Machine& machine);

// Cycles of one image: every image takes the same number, anything else is a bug; unless stalls were injected, then it
// is the mean, rounded down.
[[nodiscard]] std::uint64_t cycles_per_image(const nets::LayerCost& cost, std::int64_t images);

// {name, op, macs, overflow, accumulator_bits} and, with a cost, {cycles, utilization, cost}; null where there is none.
[[nodiscard]] nlohmann::json layer_json(const nets::IntegerNetwork& network, int layer, const LayerTally& tally,
                                        const nets::LayerProof& proof, const arith::Accumulation& accumulation,
                                        const std::optional<sim::Machine>& machine, std::int64_t images);

// Sums over layers, which may belong to several networks.
class LayerTotals {
 public:
  explicit LayerTotals(std::optional<sim::Machine> machine) : machine_(std::move(machine)) {}
  void add(const nets::IntegerNetwork& network, int layer, const LayerTally& tally);
  [[nodiscard]] const std::optional<nets::LayerCost>& cost() const { return cost_; }
  // {macs, cycles, utilization, overflow, cost}
  [[nodiscard]] nlohmann::json json(std::int64_t images) const;

 private:
  std::optional<sim::Machine> machine_;
  std::int64_t macs_ = 0;
  arith::AccumulationEvidence evidence_;
  StageOverflow stages_;
  std::optional<nets::LayerCost> cost_;
};

// The totals of one network.
[[nodiscard]] nlohmann::json totals_json(const nets::IntegerNetwork& network, const Tally& tally,
                                         const std::optional<sim::Machine>& machine);

}  // namespace guardbit::cli
