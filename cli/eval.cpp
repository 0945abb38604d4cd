// guardbit eval: accuracy of a float network, or of integers (a bundle, or a quantized training) with one engine.
#include <fmt/format.h>

#include <algorithm>

#include "cli/command.hpp"
#include "cli/engines.hpp"
#include "cli/integer_source.hpp"
#include "cli/network_source.hpp"
#include "cli/progress.hpp"
#include "cli/samples.hpp"
#include "cli/session.hpp"
#include "cli/text.hpp"
#include "trainer/evaluate.hpp"
#include "trainer/options.hpp"

namespace guardbit::cli {
namespace {

using nlohmann::json;

constexpr std::int64_t kBatch = 64;  // bounds memory; results do not depend on it

json samples_json(const Samples& samples) {
  return {{"name", samples.data.name}, {"split", samples.split}, {"first", samples.first}, {"count", samples.count()}};
}

int eval_float(const Session& session) {
  const nets::Network network = load_trained(session);
  const Samples samples = load_samples(session, {});
  check_shape(samples, network.node(0).shape);
  session.finish();
  // Read apart: the other keys of the section are of a training.
  const std::string device = trainer::read_device(nets::Section(session.config()).section_or_empty("trainer"));
  const std::unique_ptr<trainer::Backend> backend =
      trainer::make_backend(trainer::choose_device(device), session.threads());
  const trainer::Evaluation result = trainer::evaluate(*backend, network, samples.data, network.preprocess);
  fmt::print("eval {}: {}; float on {}\ntop-1 {} %, top-5 {} %, loss {}\n", network.name, samples.text(),
             backend->name(), decimals(100 * result.top1, 2), decimals(100 * result.top5, 2),
             decimals(result.loss, 4));
  session.write_json({{"network", network.name}, {"dataset", samples_json(samples)}, {"engine", "float"},
                      {"device", backend->name()}, {"top1", result.top1}, {"top5", result.top5},
                      {"loss", result.loss}});
  return 0;
}

int eval_integers(const Session& session) {
  const nets::IntegerNetwork network = load_integer_or_trained(session).network;
  const std::optional<sim::Machine> machine = optional_machine(session);
  const std::string name = session.root().text("engine", "fast");
  check_engine(name, machine, "engine");
  if (machine) sim::check_compatible(*machine, network);
  const Samples samples = load_samples(session, {});
  check_shape(samples, network.layers.at(0).shape);
  session.finish();

  const auto engine = make_engine(name, machine);
  const std::vector<arith::Accumulation> order = accumulations(machine, network);
  std::int64_t right = 0;
  Progress progress("eval: images", static_cast<std::uint64_t>(samples.count()));
  for (std::int64_t begin = 0; begin < samples.count(); begin += kBatch) {
    const std::int64_t count = std::min(kBatch, samples.count() - begin);
    const nets::IntTensor input = nets::quantize_input(network, samples.data.image(begin).data(), count);
    const nets::RunResult result = engine->run(
        network, order, input,
        {.threads = session.threads(), .keep_accumulators = false, .first_image = samples.first + begin});
    const nets::IntTensor& scores = result.layers.at(static_cast<std::size_t>(network.output)).codes;
    const std::int64_t classes = scores.count() / count;
    for (std::int64_t n = 0; n < count; ++n) {
      const int best = arg_max(scores.data.data() + n * classes, classes);
      right += best == samples.data.labels[static_cast<std::size_t>(begin + n)] ? 1 : 0;
    }
    progress.at(static_cast<std::uint64_t>(begin + count));
  }
  const double top1 = static_cast<double>(right) / static_cast<double>(samples.count());
  fmt::print("eval {}: {}; engine {}; {}\ntop-1 {} % ({} of {})\n", network.name, samples.text(), name,
             describe(machine), decimals(100 * top1, 2), right, samples.count());
  session.write_json({{"network", network.name}, {"dataset", samples_json(samples)}, {"engine", name}, {"top1", top1}});
  return 0;
}

int run(const Invocation& invocation) {
  const Session session(invocation);
  const bool integers = session.source() == Source::Bundle || trained_record(session).has_value();
  return integers ? eval_integers(session) : eval_float(session);
}

}  // namespace

Command eval_command() {
  return {.name = "eval",
          .summary = "Accuracy of a float network, or of integers with one engine",
          .operands = "NETWORK.yaml|RUN_FOLDER|BUNDLE [MACHINE.yaml] [key=value...]",
          .leading_operands = 0,
          .keys = {"model", "weights", "dataset", "quantizer", "trainer", "machine", "engine", "samples", "first",
                   "split", "json", "threads", "seed"},
          .details =
              "All images of the test split unless samples says otherwise. A bundle, and a run folder that was\n"
              "trained quantized (quantizer=null: its float network), runs on the engine fast unless engine says\n"
              "otherwise; of equal scores the first class counts. Floats run where trainer.device says: auto (a GPU\n"
              "where one can be used, else the CPU), cpu or cuda.",
          .run = run};
}

}  // namespace guardbit::cli
