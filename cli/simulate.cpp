// guardbit simulate: replay samples on a machine; cycles, stalls, traffic, energy and overflow per layer.
#include <fmt/format.h>

#include <algorithm>

#include "arith/error.hpp"
#include "cli/command.hpp"
#include "cli/engines.hpp"
#include "cli/progress.hpp"
#include "cli/recordings.hpp"
#include "cli/session.hpp"
#include "cli/simulate_report.hpp"
#include "cli/text.hpp"
#include "cli/workers.hpp"
#include "cli/workload.hpp"

namespace guardbit::cli {
namespace {

using nlohmann::json;

struct Plan {
  std::unique_ptr<Workload> workload;
  sim::Machine machine;
  std::string engine;
  std::optional<std::uint64_t> stall_seed;
  [[nodiscard]] std::int64_t batches() const {
    return (workload->images() + workload->batch() - 1) / workload->batch();
  }
};

// Batch `batch` of the images of one part.
Tally simulate_batch(const Plan& plan, nets::Engine& engine, std::size_t part, std::int64_t batch) {
  const Workload& workload = *plan.workload;
  const std::int64_t begin = batch * workload.batch();
  const std::int64_t count = std::min(workload.batch(), workload.images() - begin);
  const auto network = workload.network(part);
  const nets::RunOptions options{.threads = 1, .keep_accumulators = false,
                                 .first_image = workload.first_image() + begin};
  const nets::RunResult result = engine.run(*network, sim::accumulations(plan.machine, *network),
                                            workload.input(part, *network, begin, count), options);
  Tally tally;
  tally.samples = count;
  tally.layers.resize(network->layers.size());
  for (std::size_t i = 0; i < tally.layers.size(); ++i) tally.layers[i].add(result.layers[i]);
  return tally;
}

// One tally for each part. With an observer: one engine, one process, in order; else each batch is a job.
std::vector<Tally> simulate_all(const Plan& plan, int workers, sim::Observer* observer) {
  std::vector<Tally> totals(plan.workload->parts());
  const std::int64_t jobs = static_cast<std::int64_t>(totals.size()) * plan.batches();
  if (jobs > INT32_MAX) throw Error(fmt::format("samples: found {} jobs in all, allowed 2^31 - 1", jobs));
  Progress progress("simulate: images", totals.size() * static_cast<std::uint64_t>(plan.workload->images()));
  std::uint64_t done = 0;
  const auto part_of = [&](std::int64_t job) { return static_cast<std::size_t>(job / plan.batches()); };
  const auto take = [&](std::int64_t job, const Tally& batch) {
    totals[part_of(job)].merge(batch);
    progress.at(done += static_cast<std::uint64_t>(batch.samples));
  };
  const auto engine = [&] {
    return make_engine(plan.engine, plan.machine, {.observer = observer, .stall_seed = plan.stall_seed});
  };
  if (observer != nullptr) {
    const auto only = engine();
    for (std::int64_t job = 0; job < jobs; ++job) {
      take(job, simulate_batch(plan, *only, part_of(job), job % plan.batches()));
    }
    return totals;
  }
  run_in_workers(
      static_cast<int>(jobs), workers,
      [&](int job) { return to_json(simulate_batch(plan, *engine(), part_of(job), job % plan.batches())); },
      [&](int job, const json& result) { take(job, tally_from_json(result)); });
  return totals;
}

json document(const Plan& plan, const SimulateReport& report) {
  return {{"network", plan.workload->name()},
          {"samples", plan.workload->images()},
          {"dataset", plan.workload->dataset_json()},
          {"machine", describe(plan.machine)},
          {"engine", plan.engine},
          {"stall_seed", plan.stall_seed ? json(*plan.stall_seed) : json()},
          {"layers", report.layers()},
          {"totals", report.totals()}};
}

// Recordings are of one network.
void check_recordings(const Session& session, const Workload& workload) {
  for (const char* key : {"timeline", "waveform", "layer"}) {
    if (workload.parts() > 1 && session.root().has(key)) {
      throw Error(fmt::format("{}: found a topology, whose layers are networks of their own, allowed a bundle (guardbit "
                              "import TOPOLOGY.csv layer=NAME)", key));
    }
  }
}

int run(const Invocation& invocation) {
  const Session session(invocation);
  Plan plan;
  plan.workload = load_workload(session);
  plan.machine = required_machine(session);
  plan.engine = session.root().choice("engine", {"tile", "array", "pe"}, "tile");
  check_engine(plan.engine, plan.machine, "engine");
  plan.stall_seed = read_stall_seed(session);
  check_recordings(session, *plan.workload);
  const auto first = plan.workload->network(0);
  sim::check_compatible(plan.machine, *first);
  Recordings recordings(session, plan.engine, *first, plan.machine);
  session.finish();

  const std::vector<Tally> tallies = simulate_all(plan, session.threads(), recordings.observer());
  SimulateReport report(plan.machine, plan.workload->images());
  for (std::size_t part = 0; part < tallies.size(); ++part) {
    report.add(*plan.workload->network(part), plan.workload->first_layer(), tallies[part]);
  }
  fmt::print("simulate {}: {}; engine {}; {}\n{}", plan.workload->name(), plan.workload->samples_text(), plan.engine,
             describe(plan.machine), report.text());
  if (plan.stall_seed && report.cost()) {
    fmt::print("stall seed {}: {} cycles of all images are injected stalls\n", *plan.stall_seed,
               grouped(report.cost()->injected_stall_cycles));
  }
  fmt::print("{}", recordings.write());
  session.write_json(document(plan, report));
  return 0;
}

}  // namespace

Command simulate_command() {
  return {.name = "simulate",
          .summary = "Replay samples on a machine: cycles, utilization, stalls, traffic, energy, overflow per layer",
          .operands = "BUNDLE|TOPOLOGY MACHINE.yaml [key=value...]",
          .leading_operands = 0,
          .keys = {"topology", "dataset", "machine", "samples", "first", "split", "engine", "stall_seed", "timeline",
                   "waveform", "waveform_cycles", "layer", "json", "threads", "seed"},
          .details =
              "Engine tile (the default) is fast and analytic inside a tile; array steps the PE array cycle by cycle.\n"
              "pe has a module and signals for every PE, for waveforms, on arrays of up to 16x16. All give the same\n"
              "numbers; `verify` checks it. --stall-seed stalls every unit at random: codes and evidence stay, cycles\n"
              "grow. samples is 1 here unless given. The layers of a topology (`guardbit import`) are independent: each\n"
              "is replayed on its own, on random codes of the seed.",
          .run = run};
}

}  // namespace guardbit::cli
