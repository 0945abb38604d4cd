// Rows that `verify` and `simulate` share: numbers of one layer over all images, from a tally.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>

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

// Sum of the costs of all layers; empty when none has one.
[[nodiscard]] std::optional<nets::LayerCost> total_cost(const std::vector<LayerTally>& layers);

// {macs, cycles, utilization, overflow, cost}
[[nodiscard]] nlohmann::json totals_json(const nets::IntegerNetwork& network, const Tally& tally,
                                         const std::optional<sim::Machine>& machine);

}  // namespace guardbit::cli
