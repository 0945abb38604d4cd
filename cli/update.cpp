// guardbit update: the quantizers' state of a training estimated again from batches, weights left alone.
#include <fmt/format.h>

#include "arith/error.hpp"
#include "cli/command.hpp"
#include "cli/samples.hpp"
#include "cli/session.hpp"
#include "cli/text.hpp"
#include "cli/trained_run.hpp"
#include "trainer/saved_training.hpp"
#include "trainer/update_rules.hpp"

namespace guardbit::cli {
namespace {

int run(const Invocation& invocation) {
  const Session session(invocation);
  const TrainedRun trained = trained_run(session);
  if (trained.load != "latest")
    throw Error(fmt::format("command line: load: found {}, allowed nothing: update is of the last checkpoint",
                            trained.load));
  const Samples samples = load_batches(session, trained.batch_size);
  session.finish();

  trainer::SavedTraining training(session.folder(), trained.config, "latest", samples.per_batch, session.threads());
  if (!training.is_result()) {
    throw Error(fmt::format("{}: found weights that are not those of {}, allowed a finished training",
                            session.folder().string(), training.checkpoint().filename().string()));
  }
  trainer::check_fit(training.network(), samples.data);
  const trainer::DeviceDataset data(training.backend(), samples.data);
  trainer::RuleUpdate update;
  training.watch([&](const trainer::RuleValues& values) { update.see(values); });
  const std::int64_t batches = samples.count() / samples.per_batch;
  for (std::int64_t batch = 0; batch < batches; ++batch) {
    static_cast<void>(training.pass(data, batch * samples.per_batch, samples.per_batch,
                                    static_cast<std::uint64_t>(batch)));
  }
  const std::vector<std::string> changed = update.apply();
  training.save_rules();
  const std::string checkpoint = training.checkpoint().filename().string();
  fmt::print("update {}: {} in batches of {}; {} quantizers changed{}{}; written to {} and quantization.yaml\n",
             training.network().name, samples.text(), samples.per_batch, changed.size(), changed.empty() ? "" : ": ",
             join(changed), checkpoint);
  session.write_json({{"network", training.network().name}, {"checkpoint", checkpoint}, {"changed", changed},
                      {"dataset", {{"name", samples.data.name}, {"split", samples.split}, {"first", samples.first},
                                   {"count", samples.count()}, {"batch", samples.per_batch}}}});
  return 0;
}

}  // namespace

Command update_command() {
  return {.name = "update",
          .summary = "Estimate the quantizers of a quantized training again, without changing weights",
          .operands = "RUN_FOLDER [batches=N] [samples=N]",
          .leading_operands = 0,
          .keys = {"dataset", "samples", "batches", "first", "split", "json", "threads", "seed", "model", "trainer",
                   "quantizer"},
          .details =
              "Batches of the training images go forward and backward through the training as it was left. From all\n"
              "of them together points and ranges are estimated anew and written to its last checkpoint and to\n"
              "quantization.yaml. Learned steps and clips, and rules with should_update: false, stay as they are.",
          .run = run};
}

}  // namespace guardbit::cli
