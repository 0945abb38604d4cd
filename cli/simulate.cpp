// guardbit simulate: replay samples on a machine; cycles, stalls, traffic, energy and overflow per layer.
#include <fmt/format.h>

#include <algorithm>

#include "arith/error.hpp"
#include "cli/command.hpp"
#include "cli/engines.hpp"
#include "cli/evidence_json.hpp"
#include "cli/integer_source.hpp"
#include "cli/layer_report.hpp"
#include "cli/progress.hpp"
#include "cli/recordings.hpp"
#include "cli/samples.hpp"
#include "cli/session.hpp"
#include "cli/table.hpp"
#include "cli/text.hpp"
#include "cli/workers.hpp"
#include "sim/mapping.hpp"

namespace guardbit::cli {
namespace {

using nlohmann::json;

constexpr std::int64_t kBatch = 8;  // images of one worker's job; results do not depend on it

struct Plan {
  nets::IntegerNetwork network;
  sim::Machine machine;
  std::vector<arith::Accumulation> accumulations;
  std::string engine;
  std::optional<std::uint64_t> stall_seed;
  Samples samples;
};

int batches(const Plan& plan) { return static_cast<int>((plan.samples.count() + kBatch - 1) / kBatch); }

Tally simulate_batch(const Plan& plan, nets::Engine& engine, int batch) {
  const std::int64_t begin = batch * kBatch;
  const std::int64_t count = std::min(kBatch, plan.samples.count() - begin);
  const nets::IntTensor input = nets::quantize_input(plan.network, plan.samples.data.image(begin).data(), count);
  const nets::RunOptions options{.threads = 1, .keep_accumulators = false, .first_image = plan.samples.first + begin};
  const nets::RunResult result = engine.run(plan.network, plan.accumulations, input, options);
  Tally tally;
  tally.samples = count;
  tally.layers.resize(plan.network.layers.size());
  for (std::size_t i = 0; i < tally.layers.size(); ++i) tally.layers[i].add(result.layers[i]);
  return tally;
}

Tally simulate_all(const Plan& plan, int workers) {
  Tally total;
  Progress progress("simulate: images", static_cast<std::uint64_t>(plan.samples.count()));
  run_in_workers(
      batches(plan), workers,
      [&](int batch) {
        const auto engine = make_engine(plan.engine, plan.machine, {.stall_seed = plan.stall_seed});
        return to_json(simulate_batch(plan, *engine, batch));
      },
      [&](int, const json& result) {
        total.merge(tally_from_json(result));
        progress.at(static_cast<std::uint64_t>(total.samples));
      });
  return total;
}

// One engine, one process, in order: what an observer needs.
Tally simulate_observed(const Plan& plan, sim::Observer* observer) {
  Tally total;
  Progress progress("simulate: images", static_cast<std::uint64_t>(plan.samples.count()));
  const auto engine = make_engine(plan.engine, plan.machine, {.observer = observer, .stall_seed = plan.stall_seed});
  for (int batch = 0; batch < batches(plan); ++batch) {
    total.merge(simulate_batch(plan, *engine, batch));
    progress.at(static_cast<std::uint64_t>(total.samples));
  }
  return total;
}

json report_json(const Plan& plan, const Tally& tally) {
  const std::vector<nets::LayerProof> proofs = nets::prove(plan.network, plan.accumulations);
  json layers = json::array();
  for (std::size_t i = 0; i < plan.network.layers.size(); ++i) {
    const auto index = static_cast<int>(i);
    json row = layer_json(plan.network, index, tally.layers[i], proofs[i], plan.accumulations[i], plan.machine,
                          tally.samples);
    const sim::IdealCycles ideal = sim::ideal_cycles(plan.machine, plan.network, index);
    row["ideal_cycles"] = {{"guardbit", ideal.ours}, {"scale_sim", ideal.scale_sim}};
    layers.push_back(std::move(row));
  }
  return {{"network", plan.network.name},
          {"samples", tally.samples},
          {"dataset", {{"name", plan.samples.data.name}, {"split", plan.samples.split}, {"first", plan.samples.first}}},
          {"machine", describe(plan.machine)},
          {"engine", plan.engine},
          {"stall_seed", plan.stall_seed ? json(*plan.stall_seed) : json()},
          {"layers", std::move(layers)},
          {"totals", totals_json(plan.network, tally, plan.machine)}};
}

std::vector<std::string> cost_cells(const nets::LayerCost& cost, const sim::Machine& machine, std::int64_t images) {
  const auto each = [&](std::uint64_t value) { return grouped(value / static_cast<std::uint64_t>(images)); };
  const auto use = cost.useful_macs > 0 ? utilization(cost, machine) : std::nullopt;
  return {each(cost.useful_macs),
          each(cost.cycles),
          use ? percent(*use) : "",
          each(cost.dram_stall_cycles),
          each(cost.vector_stall_cycles),
          each(cost.dram_read_bytes),
          each(cost.dram_write_bytes),
          decimals(cost.energy_pj / 1e6 / static_cast<double>(images), 3)};
}

std::string report_text(const Plan& plan, const Tally& tally) {
  Table table({{"layer", Align::Left}, {"op", Align::Left}, {"MACs"}, {"cycles"}, {"utilization"}, {"DRAM stall"},
               {"vector stall"}, {"DRAM read B"}, {"DRAM write B"}, {"energy uJ"}, {"overflow"}, {"bits seen"}});
  for (std::size_t i = 0; i < plan.network.layers.size(); ++i) {
    const nets::IntegerLayer& layer = plan.network.layers[i];
    const LayerTally& t = tally.layers[i];
    if (!t.cost) continue;
    std::vector<std::string> cells{layer.name, std::string(nets::name(layer.op))};
    for (std::string& cell : cost_cells(*t.cost, plan.machine, tally.samples)) cells.push_back(std::move(cell));
    if (layer.weighted()) {
      cells.push_back(percent(t.evidence.accumulator.rate()));
      cells.push_back(fmt::format("{}", arith::signed_bits(t.evidence.exact)));
    }
    table.row(std::move(cells));
  }
  if (const auto total = total_cost(tally.layers)) {
    table.rule();
    std::vector<std::string> cells{"total", ""};
    for (std::string& cell : cost_cells(*total, plan.machine, tally.samples)) cells.push_back(std::move(cell));
    table.row(std::move(cells));
  }
  std::string text = fmt::format("simulate {}: {}; engine {}; {}\n{}All numbers are per image; energy: {}.\n",
                                 plan.network.name, plan.samples.text(), plan.engine, describe(plan.machine),
                                 table.text(), plan.machine.energy_pj.source);
  if (plan.stall_seed) {
    text += fmt::format("stall seed {}: {} cycles of all images are injected stalls\n", *plan.stall_seed,
                        grouped(total_cost(tally.layers)->injected_stall_cycles));
  }
  return text;
}

int run(const Invocation& invocation) {
  const Session session(invocation);
  Plan plan;
  plan.network = load_integer(session).network;
  plan.machine = required_machine(session);
  plan.engine = session.root().choice("engine", {"tile", "array", "pe"}, "tile");
  check_engine(plan.engine, plan.machine, "engine");
  plan.stall_seed = read_stall_seed(session);
  sim::check_compatible(plan.machine, plan.network);
  plan.accumulations = sim::accumulations(plan.machine, plan.network);
  plan.samples = load_samples(session, 1);
  check_shape(plan.samples, plan.network.layers.at(0).shape);
  Recordings recordings(session, plan.engine, plan.network, plan.machine);
  session.finish();

  sim::Observer* const observer = recordings.observer();
  const Tally tally = observer != nullptr ? simulate_observed(plan, observer) : simulate_all(plan, session.threads());
  fmt::print("{}{}", report_text(plan, tally), recordings.write());
  session.write_json(report_json(plan, tally));
  return 0;
}

}  // namespace

Command simulate_command() {
  return {.name = "simulate",
          .summary = "Replay samples on a machine: cycles, utilization, stalls, traffic, energy, overflow per layer",
          .operands = "BUNDLE MACHINE.yaml [key=value...]",
          .leading_operands = 0,
          .keys = {"dataset", "machine", "samples", "first", "split", "engine", "stall_seed", "timeline", "waveform",
                   "waveform_cycles", "layer", "json", "threads", "seed"},
          .details =
              "Engine tile (the default) is fast and analytic inside a tile; array steps the PE array cycle by cycle.\n"
              "pe has a module and signals for every PE, for waveforms, on arrays of up to 16x16. All give the same\n"
              "numbers; `verify` checks it. --stall-seed stalls every unit at random: codes and evidence stay, cycles\n"
              "grow. samples is 1 here unless given.",
          .run = run};
}

}  // namespace guardbit::cli
