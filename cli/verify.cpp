// guardbit verify: every engine on the same images, everything compared with the reference, and all with float.
#include <fmt/format.h>

#include <algorithm>

#include "arith/error.hpp"
#include "cli/command.hpp"
#include "cli/engines.hpp"
#include "cli/integer_source.hpp"
#include "cli/session.hpp"
#include "cli/text.hpp"
#include "cli/trained_run.hpp"
#include "cli/verify_report.hpp"

namespace guardbit::cli {
namespace {

constexpr std::int64_t kDefaultSamples = 100;

// Engines that can be compared with the reference, in the order of the report.
std::vector<std::string> candidates(const Session& session) {
  std::vector<std::string> names;
  if (session.source() == Source::RunFolder) names.emplace_back(kTrainer);
  for (const std::string& name : engine_names()) {
    if (name != "reference") names.push_back(name);
  }
  return names;
}

// Without a list, all but pe, which is there for waveforms and a hundred times slower than tile.
std::vector<std::string> read_engines(const Session& session, const std::optional<sim::Machine>& machine) {
  std::vector<std::string> engines = candidates(session);
  if (!session.root().has("engines")) {
    std::erase_if(engines, [&](const std::string& name) { return name == "pe" || (needs_machine(name) && !machine); });
    return engines;
  }
  const std::vector<std::string> chosen = session.root().texts("engines");
  for (const std::string& name : chosen) {
    if (name != kTrainer) {
      check_engine(name, machine, "engines");
    } else if (session.source() != Source::RunFolder) {
      throw Error("engines: found trainer and no run folder, allowed trainer with the run folder of a training");
    }
  }
  std::erase_if(engines, [&](const std::string& name) {
    return std::find(chosen.begin(), chosen.end(), name) == chosen.end();
  });
  return engines;
}

// Made before the workers start, on one thread: each of them inherits it.
std::unique_ptr<TrainedForward> load_trained_forward(const Session& session, const Samples& samples) {
  const TrainedRun run = trained_run(session);
  trainer::SavedTraining training(session.folder(), run.config, run.load, kVerifyBatch, 1);
  if (!training.is_result()) {
    throw Error(fmt::format("{}: found weights of another epoch than checkpoint {}, allowed the result of a training",
                            session.folder().string(), training.checkpoint().filename().string()));
  }
  trainer::DeviceDataset data(training.backend(), samples.data);
  return std::make_unique<TrainedForward>(std::move(training), std::move(data));
}

Injection parse_injection(const std::string& text, const VerifyPlan& plan) {
  const std::size_t first = text.find(':');
  const std::size_t second = first == std::string::npos ? first : text.find(':', first + 1);
  if (first == std::string::npos) {
    throw Error(fmt::format("inject: found {}, allowed ENGINE:FAULT or ENGINE:FAULT:LAYER", text));
  }
  const std::string fault = text.substr(first + 1, second == std::string::npos ? second : second - first - 1);
  Injection injection{.engine = text.substr(0, first), .fault = nets::parse_fault(fault),
                      .layer = second == std::string::npos ? "" : text.substr(second + 1)};
  check_engine(injection.engine, plan.machine, "inject");
  const bool runs = injection.engine == "reference" ||
                    std::find(plan.engines.begin(), plan.engines.end(), injection.engine) != plan.engines.end();
  if (!runs) throw Error(fmt::format("inject: found {}, allowed an engine of this run", injection.engine));
  static_cast<void>(nets::inject(plan.network, injection.fault, injection.layer));  // is there something to break?
  return injection;
}

int run(const Invocation& invocation) {
  const Session session(invocation);
  IntegerSource source = load_integer_or_trained(session);
  VerifyPlan plan;
  plan.network = std::move(source.network);
  plan.folded = std::move(source.folded);
  plan.machine = optional_machine(session);
  plan.engines = read_engines(session, plan.machine);
  if (plan.engines.empty()) throw Error("engines: found none but reference, allowed at least one more to compare");
  if (session.root().has("inject")) {
    for (const std::string& text : session.root().texts("inject")) {
      plan.injections.push_back(parse_injection(text, plan));
    }
  }
  if (plan.machine) sim::check_compatible(*plan.machine, plan.network);
  plan.accumulations = accumulations(plan.machine, plan.network);
  plan.stall_seed = read_stall_seed(session);
  plan.samples = load_samples(session, kDefaultSamples);
  check_shape(plan.samples, plan.network.layers.at(0).shape);
  const bool with_trainer = std::find(plan.engines.begin(), plan.engines.end(), kTrainer) != plan.engines.end();
  if (with_trainer) plan.trained = load_trained_forward(session, plan.samples);
  session.finish();

  const Tally tally = verify_all(plan, session.threads());
  const Verdict verdict = judge(plan, tally);
  fmt::print("{}", verify_text(plan, tally, verdict));
  session.write_json(verify_json(plan, tally, verdict));
  return verdict.held() ? 0 : 1;
}

}  // namespace

Command verify_command() {
  return {.name = "verify",
          .summary = "Run all engines over samples and compare every code, overflow count, cycle and MAC",
          .operands = "BUNDLE|RUN_FOLDER [MACHINE.yaml...] [key=value...]",
          .leading_operands = 0,
          .keys = {"dataset", "machine", "samples", "first", "split", "engines", "inject", "stall_seed", "json",
                   "threads", "seed"},
          .details =
              "The reference engine is the specification; fast, tile and array must repeat every code of every layer,\n"
              "all overflow evidence, and (tile, array) each other's cycles. The float network gives SQNR and top-1.\n"
              "Of a run folder that was trained quantized, `trainer` among the engines is the forward pass of that\n"
              "training: it must give the reference's codes too, with accumulators that do not overflow.\n"
              "--engines tile,pe adds the slow engine pe; --stall-seed N stalls the simulators at random.\n"
              "Without a machine, reference and fast run with accumulator int<32,WRAP> in every layer.\n"
              "--inject breaks an engine on purpose (FAULT: rounding or skip_step); the check must then fail.\n"
              "Exit code 1 when anything differs; the first differing coordinate is named.",
          .run = run};
}

}  // namespace guardbit::cli
