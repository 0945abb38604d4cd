#include "cli/info_plumbing.hpp"

#include <fmt/format.h>

#include <fstream>

#include "arith/error.hpp"
#include "cli/trained_run.hpp"
#include "nets/graph/info_plumbing.hpp"
#include "nets/io/file.hpp"
#include "trainer/quant/quantizer_state.hpp"
#include "trainer/saved_training.hpp"

namespace guardbit::cli {
namespace {

using trainer::Place;

std::string class_of(std::string_view type) {
  const std::pair<std::string_view, const char*> classes[] = {
      {"dfp", "DGQuantizer"},       {"fixed", "FixedPointQuantizer"}, {"affine", "AffineQuantizer"},
      {"lsq", "LSQQuantizer"},      {"pact", "PACTQuantizer"},        {"dorefa", "DoReFaQuantizer"},
      {"binary_connect", "BinaryConnectQuantizer"}};
  for (const auto& [name, mayos] : classes)
    if (name == type) return mayos;
  return std::string(type);
}

std::string place_of(Place place) {
  switch (place) {
    case Place::Weights: return "weights";
    case Place::Biases: return "biases";
    case Place::Activation: return "activations";
    case Place::GradientWeights: return "weights/gradient";
    case Place::GradientError: return "errors/gradient";
  }
  __builtin_unreachable();
}

nets::PlumbingOverrider overrider(const std::string& layer, Place place, trainer::Quantizer& rule,
                                  const arith::Format& format, std::vector<double> scales, std::int64_t zero_point) {
  nets::PlumbingOverrider row;
  row.type = class_of(rule.type());
  row.layer = layer;
  row.place = place_of(place);
  row.width = format.width;
  row.scales = std::move(scales);
  row.zero_point = zero_point;
  if (format.kind == arith::Kind::Fixed) {
    row.point = format.integer_bits;
    row.variables = {"point", "width", "enable"};
    return row;
  }
  if (!rule.learned().empty()) row.variables.emplace_back(rule.learned());
  for (const trainer::Quantizer::State& state : rule.state()) row.variables.push_back(state.name);
  return row;
}

// The rules of a quantized training with the state that its checkpoint holds.
void add_rules(trainer::SavedTraining& training, nets::Plumbing& plumbing) {
  const nets::QuantizationRecord record = training.record();
  for (const nets::Node& node : training.network().nodes) {
    trainer::LayerQuantizers* rules = training.rules(node.name);
    if (rules == nullptr) continue;
    const nets::LayerRecord& formats = record.layers.at(node.name);
    const auto tensor = [&](Place place, trainer::Quantizer& rule, const nets::TensorFormat& format) {
      plumbing.overriders.push_back(
          overrider(node.layer, place, rule, format.format, {format.scale}, format.zero_point));
    };
    if (rules->weights) {
      plumbing.weight_bits[node.layer] = formats.weight->format.width;
      plumbing.overriders.push_back(
          overrider(node.layer, Place::Weights, *rules->weights, formats.weight->format, formats.weight->scales, 0));
    }
    if (rules->biases && formats.bias) tensor(Place::Biases, *rules->biases, *formats.bias);
    tensor(Place::Activation, *rules->activation, *formats.output);
    for (const auto& rule : rules->gradient_weights.all())
      if (rule->enabled()) tensor(Place::GradientWeights, *rule, rule->tensor_format());
    for (const auto& rule : rules->gradient_error.all())
      if (rule->enabled()) tensor(Place::GradientError, *rule, rule->tensor_format());
  }
}

// Of the last epoch that was tested.
std::optional<std::pair<double, double>> accuracies_of(const std::filesystem::path& folder) {
  std::optional<std::pair<double, double>> result;
  std::ifstream log(folder / "log.jsonl");
  for (std::string line; std::getline(log, line);) {
    const nlohmann::json entry = nlohmann::json::parse(line, nullptr, false);
    if (!entry.is_object() || !entry.contains("test_top1") || !entry.contains("test_top5")) continue;
    if (!entry["test_top1"].is_number() || !entry["test_top5"].is_number()) continue;
    result = {entry["test_top1"].get<double>(), entry["test_top5"].get<double>()};
  }
  return result;
}

// What the optimizer keeps of every trainable number, by TensorFlow's names.
std::vector<std::string> slots_of(const Session& session) {
  nets::Value config = session.config();
  if (config.find("trainer") == nullptr) return {};
  config.set("output", session.folder().string());
  const trainer::OptimizerSpec optimizer = trainer::read_train_options(nets::Section(config)).optimizer;
  const std::string name = optimizer.rule == trainer::Rule::Sgd       ? "Momentum"
                           : optimizer.rule == trainer::Rule::RmsProp ? "RMSProp"
                                                                      : "Adam";
  std::vector<std::string> slots;
  for (int i = 0; i < optimizer.states(); ++i) slots.push_back(i == 0 ? name : name + "_1");
  return slots;
}

}  // namespace

bool wants_plumbing(const Session& session) {
  const bool plain = session.root().boolean("plumbing", false);
  if (!session.root().has("system")) return plain;
  const nets::Section info = session.root().section("system").section_or_empty("info");
  return info.boolean("plumbing", false) || plain;
}

std::filesystem::path write_plumbing(const Session& session, const nets::Network& network,
                                     const nets::InfoWidths& widths) {
  if (!session.output() && session.source() != Source::RunFolder) {
    throw Error("command line: plumbing: found no place to write info.yaml, allowed a run folder, or output=DIR");
  }
  nets::Plumbing plumbing;
  const bool folder = session.source() == Source::RunFolder;
  if (folder && trainer::QuantizerState::is_wanted(nets::resolve(session.config()))) {
    const TrainedRun run = trained_run(session);
    trainer::SavedTraining training(session.folder(), run.config, run.load, 1, session.threads());
    add_rules(training, plumbing);
  } else if (widths.weight_bits) {
    for (const nets::Node& node : network.nodes) plumbing.weight_bits[node.layer] = *widths.weight_bits;
  }
  if (folder) plumbing.accuracies = accuracies_of(session.folder());
  if (folder) plumbing.slots = slots_of(session);
  const std::filesystem::path file = session.output().value_or(session.folder()) / "info.yaml";
  nets::atomic_write(file, nets::to_yaml(nets::info_plumbing(network, plumbing)));
  return file;
}

}  // namespace guardbit::cli
