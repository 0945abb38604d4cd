#include "trainer/quant/quant_options.hpp"

#include <algorithm>

#include "arith/error.hpp"
#include "trainer/quant/affine_quantizer.hpp"
#include "trainer/quant/make_quantizer.hpp"

namespace guardbit::trainer {

namespace {

using nets::Section;
using nets::Value;

constexpr std::int64_t kMany = std::int64_t{1} << 40;
constexpr int kInputBits = 8;

// Keys of a map of rules on the way to a place.
std::vector<std::string> path_of(Place place) { return nets::split_path(name(place)); }

const Value* find_rule(const Value* map, Place place) {
  for (const std::string& key : path_of(place)) map = map != nullptr && map->is_map() ? map->find(key) : nullptr;
  return map;
}

// One rule, standing where messages say that it stands.
struct Rule {
  std::vector<std::string> path;
  Value value;
  bool own = false;  // the layer named it
};

std::optional<Rule> rule_of(const Value& quantizer, const std::string& layer, Place place) {
  const Value* common = find_rule(&quantizer, place);
  if (common != nullptr && common->is_null()) common = nullptr;
  std::vector<std::string> path{"quantizer"};
  const auto tail = path_of(place);
  const Value* layers = quantizer.find("layers");
  const Value* own = layers != nullptr && layers->is_map() ? find_rule(layers->find(layer), place) : nullptr;
  if (own == nullptr) {
    if (common == nullptr) return {};
    path.insert(path.end(), tail.begin(), tail.end());
    return Rule{path, *common, false};
  }
  if (own->is_null()) return {};
  path.insert(path.end(), {"layers", layer});
  path.insert(path.end(), tail.begin(), tail.end());
  Value merged = *own;
  if (own->is_map() && own->find("type") == nullptr && common != nullptr && common->is_map()) {
    merged = *common;
    nets::merge(merged, *own);
    merged.set_mark(own->mark());
  }
  return Rule{path, merged, true};
}

// The maps of a rule: one, or those of a list.
std::vector<Section> sections_of(const Rule& rule) {
  Value root = rule.value;
  for (auto key = rule.path.rbegin(); key != rule.path.rend(); ++key) {
    Value outer = Value::map();
    outer.set(*key, std::move(root));
    root = std::move(outer);
  }
  Section section(root);
  for (std::size_t i = 0; i + 1 < rule.path.size(); ++i) section = section.section(rule.path[i]);
  const std::string& key = rule.path.back();
  if (rule.value.is_list()) return section.sections(key);
  return {section.section(key)};
}

std::unique_ptr<Quantizer> affine_instead() {
  return std::make_unique<AffineActivation>(QuantizerCommon{}, 0.999);
}

// The quantizer of a place that has codes; null when there is no rule.
std::unique_ptr<Quantizer> read_one(const Value& quantizer, const LayerTraits& layer, Place place) {
  const std::optional<Rule> rule = rule_of(quantizer, layer.name, place);
  if (!rule) return nullptr;
  const std::vector<Section> sections = sections_of(*rule);
  const std::string where = nets::join_path(rule->path);
  if (sections.size() != 1)
    throw Error(rule->value.mark().text() + ": " + where + ": found " + std::to_string(sections.size()) +
                " rules, allowed one: codes come from one rule");
  const bool instead = place == Place::Activation && !rule->own && (layer.scores || !layer.behind_relu) &&
                       needs_relu(sections[0].text("type", ""));
  return instead ? affine_instead() : make_quantizer(sections[0], place, layer);
}

QuantizerChain read_chain(const Value& quantizer, const LayerTraits& layer, Place place) {
  const std::optional<Rule> rule = rule_of(quantizer, layer.name, place);
  if (!rule) return {};
  std::vector<std::unique_ptr<Quantizer>> all;
  for (const Section& section : sections_of(*rule)) all.push_back(make_quantizer(section, place, layer));
  return {std::move(all), rule->value.mark().text() + ": " + nets::join_path(rule->path)};
}

LayerQuantizers read_layer(const Section& section, const Value& quantizer, const LayerTraits& layer) {
  LayerQuantizers result;
  result.activation = read_one(quantizer, layer, Place::Activation);
  if (!result.activation) section.fail("layer " + layer.name + ": found no rule for activation, allowed one: integers "
                                       "need codes");
  result.gradient_error = read_chain(quantizer, layer, Place::GradientError);
  if (!layer.weighted) return result;
  result.weights = read_one(quantizer, layer, Place::Weights);
  if (!result.weights) section.fail("layer " + layer.name + ": found no rule for weights, allowed one: integers need "
                                    "codes");
  result.biases = read_one(quantizer, layer, Place::Biases);
  result.gradient_weights = read_chain(quantizer, layer, Place::GradientWeights);
  return result;
}

// Names and shapes of what read_layer looks at; the rules themselves are read layer by layer.
void check_places(const Section& section) {
  for (const char* key : {"weights", "biases", "activation"}) section.ignore(key);
  const Section gradient = section.section_or_empty("gradient");
  gradient.ignore("weights");
  gradient.ignore("error");
}

void check_layers(const Section& section, std::span<const LayerTraits> layers) {
  const Section named = section.section_or_empty("layers");
  for (const std::string& key : named.keys()) {
    const auto known = std::find_if(layers.begin(), layers.end(), [&](const LayerTraits& l) { return l.name == key; });
    if (known != layers.end() && !named.has(key)) continue;  // null: like all others
    if (known != layers.end()) {
      const Section own = named.section(key);
      check_places(own);
      for (const char* place : {"weights", "biases"}) {
        if (!known->weighted && own.has(place)) own.fail(place, "a rule", "none: " + key + " has no weights");
      }
      continue;
    }
    std::string allowed;
    for (const LayerTraits& layer : layers) allowed += (allowed.empty() ? "" : ", ") + layer.name;
    named.fail(key, "a layer without codes of its own, or no layer", allowed);
  }
}

void read_input(const Section& section, const Value& quantizer, QuantOptions& options) {
  const Value* type = find_rule(&quantizer, Place::Activation);
  const Value* name = type != nullptr && type->is_map() ? type->find("type") : nullptr;
  const bool fixed = name != nullptr && name->is_scalar() && (name->text() == "dfp" || name->text() == "fixed");
  const Section input = section.section_or_empty("input");
  options.fixed_input = input.one_of<bool>("type", {{"affine", false}, {"fixed", true}}, fixed);
  const Value* width = fixed ? type->find("width") : nullptr;
  const bool wide = width != nullptr && width->kind() == nets::Kind::Integer && width->integer() > kInputBits &&
                    width->integer() <= 16;
  options.input_width = static_cast<int>(input.integer("width", 2, 16, wide ? width->integer() : kInputBits));
}

}  // namespace

QuantOptions read_quant_options(const Value& root, std::span<const LayerTraits> layers) {
  const Section section = Section(root).section("quantizer");
  const Value& quantizer = *root.find("quantizer");
  QuantOptions options;
  check_places(section);
  check_layers(section, layers);
  const Section update = section.section_or_empty("update");
  options.schedule.interval = static_cast<std::uint64_t>(update.integer("interval", 1, kMany, 100));
  options.schedule.quant_delay = static_cast<std::uint64_t>(section.integer("quant_delay", 0, kMany, 0));
  if (section.has("freeze_bn_delay"))
    options.schedule.freeze_bn_delay = static_cast<std::uint64_t>(section.integer("freeze_bn_delay", 0, kMany));
  options.policy.output =
      section.choice("output_policy", {"tflite_double", "tflite_single", "onnx_float"}, options.policy.output);
#define X(id, meaning) {#id, arith::Rounding::id},
  options.policy.rounding =
      section.one_of<arith::Rounding>("rounding", {GUARDBIT_ROUNDING_MODES(X)}, options.policy.rounding);
#undef X
  read_input(section, quantizer, options);
  section.done();
  for (const LayerTraits& layer : layers) options.layers.emplace(layer.name, read_layer(section, quantizer, layer));
  return options;
}

}  // namespace guardbit::trainer
