#include "cli/trained_run.hpp"

#include <fmt/format.h>

#include "arith/error.hpp"
#include "cli/keys.hpp"
#include "trainer/quant/quantizer_state.hpp"

namespace guardbit::cli {

TrainedRun trained_run(const Session& session) {
  if (session.source() != Source::RunFolder) {
    throw Error(fmt::format("command line: found {}, allowed a run folder that `guardbit train` wrote",
                            session.source() == Source::Bundle ? "a bundle" : "no run folder"));
  }
  const std::string folder = session.folder().string();
  const nets::Value own = nets::resolve(nets::load_yaml(session.folder() / "config.yaml"));
  const nets::Value all = nets::resolve(session.config());
  if (!trainer::QuantizerState::is_wanted(own)) {
    throw Error(fmt::format("{}: found a float training (no section quantizer), allowed a quantized one", folder));
  }
  TrainedRun run;
  run.config = nets::Value::map();
  for (const char* key : {"model", "weights", "dataset", "trainer", "quantizer", "seed"}) {
    const std::string path = std::string_view(key) == "dataset" ? "dataset.preprocess" : key;
    const nets::Value* value = all.at(path);
    const nets::Value* kept = own.at(path);
    const bool same = value == nullptr || kept == nullptr ? value == kept : *value == *kept;
    if (!same) {
      throw Error(fmt::format("command line: {}: found another value than that of {}, allowed no change: checkpoints "
                              "are of the network, trainer and quantizers that were trained", path, folder));
    }
    // Weights come from the checkpoint.
    if (all.find(key) != nullptr && std::string_view(key) != "weights") run.config.set(key, *all.find(key));
  }
  run.batch_size = nets::Section(run.config).section("trainer").integer("batch_size", 1, 65536, 128);
  run.load = session.root().text("load", "latest");
  return run;
}

}  // namespace guardbit::cli
