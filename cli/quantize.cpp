// guardbit quantize: a trained network becomes a bundle of integers: calibrated on training images, or, if it was
// trained quantized, the integers that it was trained with.
#include "nets/quantize/quantize.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "arith/error.hpp"
#include "cli/command.hpp"
#include "cli/integer_source.hpp"
#include "cli/keys.hpp"
#include "cli/network_source.hpp"
#include "cli/samples.hpp"
#include "cli/session.hpp"
#include "cli/table.hpp"
#include "cli/text.hpp"
#include "nets/data/dataset.hpp"
#include "nets/graph/text.hpp"
#include "nets/quantize/bundle.hpp"

namespace guardbit::cli {
namespace {

using nlohmann::json;

// What the bundle remembers: everything that is not of this call. The weights are in the bundle.
nets::Value remembered(const nets::Value& merged) {
  nets::Value config = nets::resolve(merged);
  for (const Key& key : all_keys()) {
    if (key.momentary) config.erase(key.name);
  }
  config.erase("weights");
  if (nets::Value* dataset = config.find("dataset")) dataset->erase("cache");
  return config;
}

nets::FloatTensor calibration_images(const Session& session, const nets::Network& network, int wanted) {
  const nets::Section& root = session.root();
  if (!root.has("dataset")) {
    throw Error("command line: dataset: found nothing to calibrate on, allowed dataset.name=... dataset.path=DIR");
  }
  Samples samples;
  samples.data = nets::load_dataset(nets::read_dataset_spec(root.section("dataset")), nets::Split::Train);
  check_shape(samples, network.node(0).shape);
  const std::int64_t count = std::min<std::int64_t>(wanted, samples.count());
  return real_input(samples.data, network.preprocess, 0, count);
}

json layer_json(const nets::IntegerLayer& layer) {
  json row{{"name", layer.name},
           {"op", nets::name(layer.op)},
           {"output", {{"format", arith::to_string(layer.output.format)}, {"scale", layer.output.scale},
                       {"zero_point", layer.output.zero_point}}}};
  if (layer.weighted()) row["weight_format"] = arith::to_string(layer.weight_format);
  return row;
}

void report(const Session& session, const nets::IntegerNetwork& network, std::int64_t images,
            const std::filesystem::path& output) {
  Table table({{"layer", Align::Left}, {"op", Align::Left}, {"shape"}, {"weight", Align::Left}, {"output", Align::Left},
               {"scale"}, {"zero point"}});
  json layers = json::array();
  for (const nets::IntegerLayer& layer : network.layers) {
    table.row({layer.name, std::string(nets::name(layer.op)), nets::to_text(layer.shape),
               layer.weighted() ? arith::to_string(layer.weight_format) : "", arith::to_string(layer.output.format),
               fmt::format("{:.6g}", layer.output.scale), fmt::format("{}", layer.output.zero_point)});
    layers.push_back(layer_json(layer));
  }
  const std::string origin = images > 0 ? fmt::format("calibrated on {} training images", grouped(images))
                                        : std::string("formats of its training");
  fmt::print("quantize {}: output policy {}, {}\n{}written to {}\n", network.name, network.output_policy, origin,
             table.text(), output.string());
  session.write_json({{"network", network.name}, {"output_policy", network.output_policy},
                      {"calibration_images", images}, {"layers", std::move(layers)}});
}

// The formats that the network was trained with. Keys that would choose others are an Error.
std::optional<nets::QuantizationRecord> formats_of_training(const Session& session) {
  std::optional<nets::QuantizationRecord> record = trained_record(session);
  for (const char* key : {"scheme", "activation_bits", "weight_bits", "calibration", "output_policy", "rounding"}) {
    if (!record || !session.root().has(key)) continue;
    const nets::Value value = session.root().raw(key);
    session.root().fail(key, value.is_scalar() ? value.text() : "a map",
                        fmt::format("nothing: {} was trained quantized and keeps its integers; quantizer=null "
                                    "calibrates its float network instead", session.folder().string()));
  }
  return record;
}

nets::Quantized calibrated(const Session& session, const nets::Network& network, std::int64_t& images) {
  const nets::QuantizeOptions options = nets::read_quantize_options(session.root());
  const nets::FloatTensor samples = calibration_images(session, network, options.images);
  session.finish();
  images = samples.shape.at(0);
  return nets::quantize(network, samples, options, session.threads());
}

int run(const Invocation& invocation) {
  const Session session(invocation);
  const nets::Network network = load_trained(session);
  const std::filesystem::path output = session.required_output();
  // A run folder has a config.yaml: writing the bundle into it would make the folder mean two things.
  if (std::filesystem::exists(output / "config.yaml")) {
    throw Error(fmt::format("output: found the run folder {}, allowed another folder", output.string()));
  }
  std::int64_t images = 0;
  nets::Quantized quantized;
  if (const auto record = formats_of_training(session)) {
    session.finish();
    IntegerSource source = convert_trained(network, *record, session.root().boolean("keep_softmax", false));
    quantized = {.folded = std::move(source.folded), .network = std::move(source.network)};
  } else {
    quantized = calibrated(session, network, images);
  }
  nets::save_bundle(output, quantized.network, quantized.folded, remembered(session.config()));
  report(session, quantized.network, images, output);
  return 0;
}

}  // namespace

Command quantize_command() {
  return {.name = "quantize",
          .summary = "Calibrate a trained network and convert it to an integer network bundle",
          .operands = "RUN_FOLDER|NETWORK.yaml -o DIR [scheme=int8] [key=value...]",
          .leading_operands = 0,
          .keys = {"model", "weights", "dataset", "quantizer", "scheme", "activation_bits", "weight_bits",
                   "calibration", "output_policy", "rounding", "keep_softmax", "output", "seed", "threads", "json"},
          .details =
              "A network that was trained quantized becomes the integers that it was trained with, without\n"
              "calibration. Otherwise batch norm is folded, ranges come from the first calibration.images training\n"
              "images. The bundle is net.yaml, weights.safetensors (integers as integers) and the folded float\n"
              "network for comparisons.",
          .run = run};
}

}  // namespace guardbit::cli
