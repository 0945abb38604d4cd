// guardbit export-values: what a quantized training does to the numbers of a batch.
#include <fmt/format.h>

#include <algorithm>

#include "arith/error.hpp"
#include "arith/format.hpp"
#include "cli/command.hpp"
#include "cli/samples.hpp"
#include "cli/session.hpp"
#include "cli/table.hpp"
#include "cli/text.hpp"
#include "cli/trained_run.hpp"
#include "nets/io/npy.hpp"
#include "trainer/export_values.hpp"
#include "trainer/saved_training.hpp"

namespace guardbit::cli {
namespace {

using nlohmann::json;

std::string scales_text(const std::vector<double>& scales) {
  if (scales.size() == 1) return fmt::format("{:.6g}", scales[0]);
  const auto [low, high] = std::minmax_element(scales.begin(), scales.end());
  return fmt::format("{:.3g} to {:.3g}", *low, *high);
}

std::string table_text(const trainer::ValueExport& values) {
  Table table({{"layer", Align::Left}, {"place", Align::Left}, {"rule", Align::Left}, {"width"}, {"point"}, {"Qm.n"},
               {"scale"}, {"zero"}, {"min"}, {"max"}, {"values"}, {"overflows"}, {"rate"}});
  for (const trainer::ValueSummary& summary : values.summaries()) {
    const trainer::RuleValues& last = summary.last;
    const auto point = trainer::point_of(last);
    const bool ranged = summary.overflows.has_value();
    table.row({last.layer, std::string(trainer::name(last.place)), last.rule, fmt::format("{}", last.format.width),
               point ? fmt::format("{}", *point) : "",
               point ? fmt::format("Q{}.{}", *point - 1, last.format.width - *point) : "", scales_text(last.scales),
               last.zero_point == 0 ? "" : fmt::format("{}", last.zero_point), fmt::format("{:.4g}", summary.low),
               fmt::format("{:.4g}", summary.high), grouped(summary.count),
               ranged ? grouped(summary.overflows->overflows) : "-",
               ranged ? percent(summary.overflows->rate()) : "-"});
  }
  return table.text();
}

json to_json(const trainer::ValueSummary& summary) {
  const trainer::RuleValues& last = summary.last;
  json row{{"name", summary.name}, {"layer", last.layer}, {"place", trainer::name(last.place)}, {"rule", last.rule},
           {"format", arith::to_string(last.format)}, {"width", last.format.width}, {"zero_point", last.zero_point},
           {"scales", last.scales}, {"shape", last.shape}, {"count", summary.count}, {"min", summary.low},
           {"max", summary.high}};
  if (const auto point = trainer::point_of(last)) {
    row["point"] = *point;
    row["frac_bits"] = last.format.frac_bits();
  }
  if (summary.overflows) {
    row["overflows"] = summary.overflows->overflows;
    row["non_zero"] = summary.overflows->non_zero;
    row["rate"] = summary.overflows->rate();
  }
  return row;
}

int run(const Invocation& invocation) {
  const Session session(invocation);
  const TrainedRun trained = trained_run(session);
  const std::optional<std::filesystem::path> file = session.output();
  if (file && file->extension() != ".npz")
    throw Error(fmt::format("command line: output: found {}, allowed a name that ends in .npz", file->string()));
  const Samples samples = load_batches(session, trained.batch_size);
  session.finish();

  trainer::SavedTraining training(session.folder(), trained.config, trained.load, samples.per_batch,
                                  session.threads());
  trainer::check_fit(training.network(), samples.data);
  const trainer::DeviceDataset data(training.backend(), samples.data);
  trainer::ValueExport values(file.has_value());
  training.watch([&](const trainer::RuleValues& seen) { values.add(seen); });
  double loss = 0;
  const std::int64_t batches = samples.count() / samples.per_batch;
  for (std::int64_t batch = 0; batch < batches; ++batch) {
    values.begin_batch();
    loss += training.pass(data, batch * samples.per_batch, samples.per_batch, static_cast<std::uint64_t>(batch)) /
            static_cast<double>(batches);
  }
  if (file) nets::write_npz(*file, values.arrays());

  const std::string checkpoint = training.checkpoint().filename().string();
  fmt::print("export-values {}: {} after {} steps; {} in batches of {}; loss {}\n{}", training.network().name,
             checkpoint, training.progress().step, samples.text(), samples.per_batch, decimals(loss, 4),
             table_text(values));
  fmt::print("point: integer bits, the sign counted; overflows: rounded codes outside the format; rate: of those that "
             "stand for another number than 0\n");
  if (file) fmt::print("written to {}\n", file->string());
  json rows = json::array();
  for (const trainer::ValueSummary& summary : values.summaries()) rows.push_back(to_json(summary));
  session.write_json({{"network", training.network().name},
                      {"checkpoint", checkpoint},
                      {"steps", training.progress().step},
                      {"dataset", {{"name", samples.data.name}, {"split", samples.split}, {"first", samples.first},
                                   {"count", samples.count()}, {"batch", samples.per_batch}}},
                      {"loss", loss},
                      {"values", std::move(rows)}});
  return 0;
}

}  // namespace

Command export_values_command() {
  return {.name = "export-values",
          .summary = "Values before and behind every quantizer of a quantized training, codes, overflows",
          .operands = "RUN_FOLDER [samples=N] [batches=N] [-o FILE.npz]",
          .leading_operands = 0,
          .keys = {"dataset", "samples", "batches", "first", "split", "load", "output", "json", "threads", "seed",
                   "model", "trainer", "quantizer"},
          .details =
              "One batch (of samples=N images; batches=N: so many, taken together) goes forward and backward through\n"
              "the training as its last checkpoint left it; nothing in the folder changes. Of weights, biases,\n"
              "activations, weight gradients and error gradients: before, after, integer codes, width, point or scale\n"
              "and zero point, overflows and their rate, per rule, into -o FILE.npz (arrays LAYER/PLACE/NAME). Images\n"
              "are of the split train, without augmentation.",
          .run = run};
}

}  // namespace guardbit::cli
