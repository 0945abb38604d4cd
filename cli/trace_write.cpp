// guardbit trace write: a golden package of one weighted layer, from the tile engine, checked by re-reading.
#include <fmt/format.h>

#include <algorithm>

#include "arith/error.hpp"
#include "cli/command.hpp"
#include "cli/engines.hpp"
#include "cli/integer_source.hpp"
#include "cli/samples.hpp"
#include "cli/session.hpp"
#include "cli/table.hpp"
#include "cli/text.hpp"
#include "cli/version.hpp"
#include "traces/make_package.hpp"

namespace guardbit::cli {
namespace {

constexpr std::int64_t kMaxImages = 1024;  // of one package; all their layers are held in memory

int find_layer(const nets::IntegerNetwork& network, const std::string& wanted) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    if (!network.layers[i].weighted()) continue;
    if (network.layers[i].name == wanted) return static_cast<int>(i);
    names.push_back(network.layers[i].name);
  }
  throw Error(fmt::format("layer: found {}{}, allowed {}", wanted, did_you_mean(wanted, names), join(names)));
}

std::string stream_table(const traces::Manifest& manifest) {
  Table table({{"stream", Align::Left}, {"file", Align::Left}, {"order", Align::Left}, {"shape", Align::Left},
               {"words"}, {"bits"}});
  for (const traces::Stream& stream : manifest.streams) {
    table.row({std::string(name(stream.role)), std::string(hex_file(stream.role)), std::string(axes(stream.role)),
               fmt::format("[{}]", fmt::join(stream.shape, ", ")), grouped(stream.words.words(stream.elements())),
               fmt::format("{}", stream.words.elem_bits)});
  }
  return table.text();
}

int run(const Invocation& invocation) {
  const Session session(invocation);
  const IntegerSource source = load_integer(session);
  const sim::Machine machine = required_machine(session);
  sim::check_compatible(machine, source.network);
  const int layer = find_layer(source.network, session.root().text("layer", {}, "the name of a weighted layer"));
  const std::filesystem::path output = session.required_output();
  const Samples samples = load_samples(session, 1);
  check_shape(samples, source.network.layers.at(0).shape);
  if (samples.count() > kMaxImages) {
    throw Error(fmt::format("samples: found {}, allowed 1 to {} for a trace", samples.count(), kMaxImages));
  }
  session.finish();

  const std::vector<arith::Accumulation> accumulations = sim::accumulations(machine, source.network);
  const nets::IntTensor input =
      nets::quantize_input(source.network, samples.data.images.data(), samples.count());
  const nets::RunResult result = make_engine("tile", machine)->run(
      source.network, accumulations, input,
      {.threads = session.threads(), .keep_accumulators = true, .first_image = samples.first});
  traces::Package package = traces::make_package(
      source.network, layer, machine, accumulations[static_cast<std::size_t>(layer)], result,
      {.generator_version = kVersion, .network_sha256 = bundle_sha256(session.required_bundle()),
       .samples = samples.text(), .first_sample = samples.first, .seed = session.seed()});
  const traces::CheckReport report = publish(package, output);
  fmt::print("trace write {} {}: {}; {}\n{}", source.network.name, package.manifest.layer, samples.text(),
             describe(machine), stream_table(package.manifest));
  fmt::print("re-read and recomputed: {} of {} values differ, overflow evidence {}\n", grouped(report.mismatches),
             grouped(report.compared), report.evidence_equal ? "equal" : "DIFFERS");
  if (report.first) fmt::print("MISMATCH {}\n", to_text(package.manifest, *report.first));
  session.write_json({{"layer", package.manifest.layer}, {"compared", report.compared},
                      {"mismatches", report.mismatches}, {"evidence_equal", report.evidence_equal},
                      {"held", report.held()}});
  return report.held() ? 0 : 1;
}

}  // namespace

Command trace_write_command() {
  return {.name = "trace write",
          .summary = "Write a golden package of one layer for an RTL team: $readmemh stimulus and expected values",
          .operands = "BUNDLE MACHINE.yaml layer=NAME -o DIR [key=value...]",
          .leading_operands = 0,
          .keys = {"dataset", "machine", "layer", "output", "samples", "first", "split", "json", "threads", "seed"},
          .details =
              "Values come from the tile engine. The package is read back from disk and every accumulator and output\n"
              "is recomputed from its own stimulus before it appears under its name; traces/FORMAT.md has the bytes.\n"
              "An existing folder is replaced only if it is a trace package. samples is 1 here unless given.",
          .run = run};
}

}  // namespace guardbit::cli
