#include "cli/simulate_report.hpp"

#include <fmt/format.h>

#include "cli/evidence_json.hpp"
#include "cli/text.hpp"
#include "sim/mapping.hpp"
#include "sim/roofline.hpp"

namespace guardbit::cli {
namespace {

using nlohmann::json;

std::string each(std::uint64_t value, std::int64_t images) {
  return grouped(value / static_cast<std::uint64_t>(images));
}

std::vector<std::string> cost_cells(const nets::LayerCost& cost, const sim::Machine& machine, std::int64_t images) {
  const auto use = cost.useful_macs > 0 ? utilization(cost, machine) : std::nullopt;
  return {each(cost.useful_macs, images), each(cost.cycles, images), use ? percent(*use) : "",
          each(cost.dram_read_bytes, images), each(cost.dram_write_bytes, images),
          decimals(cost.energy_pj / 1e6 / static_cast<double>(images), 3)};
}

// Where the cycles went, and the roofline.
std::vector<std::string> time_cells(const nets::LayerCost& cost, const sim::Machine& machine, std::int64_t images) {
  std::vector<std::string> cells;
  for (const std::uint64_t cycles : {cost.stream_cycles, cost.weight_load_cycles, cost.fill_drain_cycles,
                                     cost.bank_conflict_cycles, cost.dram_stall_cycles, cost.vector_stall_cycles,
                                     cost.injected_stall_cycles}) {
    cells.push_back(each(cycles, images));
  }
  if (const auto roof = sim::roofline(machine, cost)) {
    cells.insert(cells.end(), {decimals(roof->intensity, 2), decimals(roof->achieved, 1), decimals(roof->attainable, 1),
                               roof->memory_bound ? "memory" : "compute"});
  }
  return cells;
}

json roofline_json(const sim::Machine& machine, const std::optional<nets::LayerCost>& cost) {
  const auto roof = cost ? sim::roofline(machine, *cost) : std::nullopt;
  if (!roof) return nullptr;
  return {{"macs_per_dram_byte", roof->intensity},
          {"attainable_macs_per_cycle", roof->attainable},
          {"achieved_macs_per_cycle", roof->achieved},
          {"bound", roof->memory_bound ? "memory" : "compute"}};
}

}  // namespace

SimulateReport::SimulateReport(const sim::Machine& machine, std::int64_t images)
    : machine_(machine),
      images_(images),
      totals_(machine),
      costs_({{"layer", Align::Left}, {"op", Align::Left}, {"MACs"}, {"cycles"}, {"utilization"}, {"DRAM read B"},
              {"DRAM write B"}, {"energy uJ"}, {"overflow"}, {"bits seen"}}),
      times_({{"cycles of", Align::Left}, {"stream"}, {"load"}, {"fill, drain"}, {"bank conflict"}, {"DRAM stall"},
              {"vector stall"}, {"injected"}, {"MAC/byte"}, {"MAC/cycle"}, {"roof"}, {"bound by", Align::Left}}) {}

void SimulateReport::add(const nets::IntegerNetwork& network, std::size_t first, const Tally& tally) {
  const std::vector<arith::Accumulation> accumulations = sim::accumulations(machine_, network);
  const std::vector<nets::LayerProof> proofs = nets::prove(network, accumulations);
  for (std::size_t i = first; i < network.layers.size(); ++i) {
    const auto index = static_cast<int>(i);
    const nets::IntegerLayer& layer = network.layers[i];
    const LayerTally& mine = tally.layers[i];
    json row = layer_json(network, index, mine, proofs[i], accumulations[i], machine_, tally.samples);
    const sim::IdealCycles ideal = sim::ideal_cycles(machine_, network, index);
    row["ideal_cycles"] = {{"guardbit", ideal.ours}, {"scale_sim", ideal.scale_sim}};
    row["roofline"] = roofline_json(machine_, mine.cost);
    layers_.push_back(std::move(row));
    totals_.add(network, index, mine);
    if (!mine.cost || layer.op == nets::IntegerOp::Input) continue;
    std::vector<std::string> overflow;
    if (layer.weighted()) {
      overflow = {percent(mine.evidence.accumulator.rate()), fmt::format("{}", arith::signed_bits(mine.evidence.exact))};
    }
    add_cells(layer.name, std::string(nets::name(layer.op)), *mine.cost, overflow);
  }
}

void SimulateReport::add_cells(const std::string& name, const std::string& op, const nets::LayerCost& cost,
                               const std::vector<std::string>& overflow) {
  std::vector<std::string> costs = cost_cells(cost, machine_, images_);
  costs.insert(costs.begin(), {name, op});
  costs.insert(costs.end(), overflow.begin(), overflow.end());
  costs_.row(std::move(costs));
  std::vector<std::string> times = time_cells(cost, machine_, images_);
  times.insert(times.begin(), name);
  times_.row(std::move(times));
}

json SimulateReport::totals() const {
  json totals = totals_.json(images_);
  totals["roofline"] = roofline_json(machine_, totals_.cost());
  return totals;
}

std::string SimulateReport::text() {
  if (totals_.cost()) {
    costs_.rule();
    times_.rule();
    add_cells("total", "", *totals_.cost(), {});
  }
  return fmt::format("{}\n{}All numbers are per image. MAC/byte: of DRAM; roof: the lower of {} MACs and {} bytes (each "
                     "way) per cycle.\nEnergy: {}.\n",
                     costs_.text(), times_.text(), machine_.array.rows * machine_.array.columns,
                     machine_.dram.bytes_per_cycle, machine_.energy_pj.source);
}

}  // namespace guardbit::cli
