// guardbit train: a configuration becomes a run folder.
#include "trainer/train.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "cli/command.hpp"
#include "cli/keys.hpp"
#include "cli/network_source.hpp"
#include "cli/session.hpp"
#include "cli/text.hpp"
#include "nets/graph/info.hpp"

namespace guardbit::cli {
namespace {

// The trainer accepts its own keys only; those of other commands have been let pass here.
nets::Value training_config(const Session& session, const Command& command) {
  nets::Value config = session.config();
  for (const Key& key : all_keys()) {
    const bool own = std::find(command.keys.begin(), command.keys.end(), key.name) != command.keys.end();
    if (!own || key.name == "json") config.erase(key.name);
  }
  return config;
}

int run(const Invocation& invocation) {
  const Session session(invocation);
  const std::filesystem::path output = session.required_output();
  const nets::NetworkInfo info = nets::network_info(load_float(session));
  const nets::Value config = training_config(session, *invocation.command);
  for (const std::string_view key : {"trainer", "quantizer", "save", "load", "dataset", "model"})
    session.root().ignore(key);
  session.finish();

  fmt::print("train {}: {} parameters, {} MACs per image\n", info.name, grouped(info.totals.trainables),
             grouped(info.totals.macs));
  std::fflush(stdout);
  const trainer::TrainResult result = trainer::train(config, stderr);
  fmt::print("trained {} epochs: top-1 {} %, top-5 {} %, loss {} on {} test images; written to {}\n", result.epochs,
             decimals(100 * result.test.top1, 2), decimals(100 * result.test.top5, 2), decimals(result.test.loss, 4),
             grouped(result.test.count), output.string());
  fmt::print("loading {} s, training {} s\n", decimals(result.loading_seconds, 1),
             decimals(result.training_seconds, 1));
  session.write_json({{"network", info.name},
                      {"epochs", result.epochs},
                      {"test", {{"top1", result.test.top1}, {"top5", result.test.top5}, {"loss", result.test.loss},
                                {"count", result.test.count}}}});
  return 0;
}

}  // namespace

Command train_command() {
  return {.name = "train",
          .summary = "Train a network (CPU or GPU) into a run folder: weights, configuration, checkpoints, log",
          .operands = "RECIPE.yaml|NETWORK.yaml|RUN_FOLDER... -o DIR [key=value...]",
          .leading_operands = 0,
          .keys = {"model", "weights", "dataset", "trainer", "quantizer", "output", "load", "save", "seed",
                   "threads", "json"},
          .details =
              "The same configuration and seed give the same bytes. With a section quantizer the forward pass computes\n"
              "the codes that `guardbit quantize` gives afterwards. --load latest continues from the folder's last\n"
              "checkpoint. On a terminal a progress line shows images/s, loss, accuracy and time left.",
          .run = run};
}

}  // namespace guardbit::cli
