// The quantization record: its scheme and its file.
#include "nets/quantize/record.hpp"

#include <fmt/format.h>

#include "arith/error.hpp"
#include "arith/mode_names.hpp"
#include "nets/io/sha256.hpp"

namespace guardbit::nets {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFile = "quantization.yaml";
constexpr const char* kWeightsFile = "weights.safetensors";
constexpr int kMaxBits = 16;
constexpr double kSmallest = 1e-300, kLargest = 1e300;

class RecordedScheme final : public Scheme {
 public:
  explicit RecordedScheme(const QuantizationRecord& record) : record_(record) {}

  TensorFormat tensor(const LayerNodes& layer) const override {
    const LayerRecord& found = of(layer);
    if (!found.output) missing(layer, "an output format");
    return *found.output;
  }
  WeightFormat weight(const LayerNodes& layer, const FloatTensor& weight) const override {
    const LayerRecord& found = of(layer);
    if (!found.weight) missing(layer, "a weight format");
    const auto channels = static_cast<std::size_t>(weight.shape.at(0));
    if (found.weight->scales.size() != 1 && found.weight->scales.size() != channels) {
      throw Error(fmt::format("quantization record: layer {}: found {} weight scales, allowed 1 or {}", layer.name(),
                              found.weight->scales.size(), channels));
    }
    return *found.weight;
  }
  std::optional<TensorFormat> bias(const LayerNodes& layer) const override { return of(layer).bias; }
  ArithmeticPolicy policy() const override { return record_.policy; }
  std::string output_policy() const override {
    for (const auto& [name, layer] : record_.layers) {
      if (layer.output && !is_fixed_point(*layer.output)) return record_.policy.output;
    }
    return "pow2";
  }

 private:
  const LayerRecord& of(const LayerNodes& layer) const {
    const auto found = record_.layers.find(layer.name());
    if (found == record_.layers.end()) missing(layer, "an entry");
    return found->second;
  }
  [[noreturn]] static void missing(const LayerNodes& layer, const char* what) {
    throw Error(fmt::format("quantization record: layer {}: found nothing, allowed {}", layer.name(), what));
  }

  const QuantizationRecord& record_;
};

std::string_view text_of(arith::Rounding rounding) { return arith::name(rounding); }

Value tensor_value(const TensorFormat& tensor) {
  return Value::map({{"format", Value(arith::to_string(tensor.format))},
                     {"scale", Value(tensor.scale)},
                     {"zero_point", Value(tensor.zero_point)}});
}

Value weight_value(const WeightFormat& weight) {
  return Value::map({{"format", Value(arith::to_string(weight.format))},
                     {"mapping", Value(std::string(name(weight.mapping)))},
                     {"rounding", Value(std::string(text_of(weight.rounding)))},
                     {"scales", Value::list({weight.scales.begin(), weight.scales.end()})}});
}

arith::Format read_format(const Section& section, int max_bits) {
  const std::string text = section.text("format", {}, "a format");
  arith::Format format;
  try {
    format = arith::parse_format(text);
  } catch (const Error& error) {
    section.fail("format", text, error.what());
  }
  if (!format.has_linear_codes() || format.width < 1 || format.width > max_bits)
    section.fail("format", text, fmt::format("integer and fixed formats of 1 to {} bits", max_bits));
  return format;
}

TensorFormat read_tensor(const Section& section, int max_bits) {
  TensorFormat tensor;
  tensor.format = read_format(section, max_bits);
  tensor.scale = section.number("scale", kSmallest, kLargest);
  tensor.zero_point = section.integer("zero_point", static_cast<std::int64_t>(tensor.format.min_code()),
                                      static_cast<std::int64_t>(tensor.format.max_code()), 0);
  return tensor;
}

arith::Rounding read_rounding(const Section& section) {
#define X(id, meaning) {#id, arith::Rounding::id},
  return section.one_of<arith::Rounding>("rounding", {GUARDBIT_ROUNDING_MODES(X)});
#undef X
}

WeightFormat read_weight(const Section& section) {
  WeightFormat weight;
  weight.format = read_format(section, kMaxBits);
#define X(id, text) {text, WeightMapping::id},
  weight.mapping = section.one_of<WeightMapping>("mapping", {GUARDBIT_WEIGHT_MAPPINGS(X)});
#undef X
  weight.rounding = section.one_of<arith::Rounding>(
      "rounding", {{"RND_INF", arith::Rounding::RND_INF}, {"RND_CONV", arith::Rounding::RND_CONV}});
  if (!weight.format.is_signed) section.fail("format", arith::to_string(weight.format), "signed formats");
  weight.scales = section.numbers("scales", kSmallest, kLargest);
  if (weight.scales.empty()) section.fail("scales", "an empty list", "one scale, or one per output channel");
  return weight;
}

std::string weights_sha256(const fs::path& folder) { return sha256_hex(read_file(folder / kWeightsFile)); }

}  // namespace

std::unique_ptr<Scheme> make_recorded_scheme(const QuantizationRecord& record) {
  return std::make_unique<RecordedScheme>(record);
}

bool has_record(const fs::path& folder) { return fs::is_regular_file(folder / kFile); }

void remove_record(const fs::path& folder) { fs::remove(folder / kFile); }

void save_record(const fs::path& folder, const QuantizationRecord& record) {
  Value root = Value::map();
  root.set("weights_sha256", Value(weights_sha256(folder)));
  root.set("output_policy", Value(record.policy.output));
  root.set("rounding", Value(std::string(text_of(record.policy.rounding))));
  std::vector<Value> layers;
  for (const auto& [name, layer] : record.layers) {
    Value map = Value::map({{"name", Value(name)}});
    if (layer.output) map.set("output", tensor_value(*layer.output));
    if (layer.weight) map.set("weight", weight_value(*layer.weight));
    if (layer.bias) map.set("bias", tensor_value(*layer.bias));
    layers.push_back(std::move(map));
  }
  root.set("layers", Value::list(std::move(layers)));
  atomic_write(folder / kFile, to_yaml(root));
}

QuantizationRecord load_record(const fs::path& folder) {
  const Section root(load_yaml(folder / kFile));
  const std::string expected = root.text("weights_sha256"), found = weights_sha256(folder);
  if (expected != found) {
    throw Error(fmt::format("{}: weights_sha256: found {}, allowed {}, that of {}: the record is of other weights",
                            (folder / kFile).string(), expected, found, kWeightsFile));
  }
  QuantizationRecord record;
  record.policy.output = root.choice("output_policy", {"tflite_double", "tflite_single", "onnx_float"});
  record.policy.rounding = read_rounding(root);
  for (const Section& section : root.sections("layers")) {
    LayerRecord layer;
    if (section.has("output")) layer.output = read_tensor(section.section("output"), kMaxBits);
    if (section.has("weight")) layer.weight = read_weight(section.section("weight"));
    if (section.has("bias")) layer.bias = read_tensor(section.section("bias"), 32);
    const std::string name = section.text("name");
    if (!record.layers.emplace(name, std::move(layer)).second) section.fail("name", name, "each layer once");
  }
  root.done();
  return record;
}

}  // namespace guardbit::nets
