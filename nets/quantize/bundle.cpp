// Saving and loading of bundles.
#include "nets/quantize/bundle.hpp"

#include <fmt/format.h>

#include "arith/error.hpp"
#include "nets/graph/weights.hpp"
#include "nets/io/sha256.hpp"
#include "nets/quantize/bundle_parts.hpp"

namespace guardbit::nets {
namespace {

namespace fs = std::filesystem;
using namespace bundle_parts;

constexpr int kVersion = 1;
constexpr const char* kNet = "net.yaml";
constexpr const char* kWeights = "weights.safetensors";
constexpr const char* kFloat = "float.safetensors";
constexpr std::uintmax_t kMaxNetBytes = 64 << 20;

Value numbers(const std::vector<double>& values) {
  std::vector<Value> items;
  for (const double v : values) items.emplace_back(v);
  return Value::list(items);
}

Value preprocess_value(const Preprocess& p) {
  return Value::map({{"scale", Value(p.scale)}, {"mean", numbers(p.mean)}, {"std", numbers(p.std)}});
}

Preprocess preprocess_of(const Section& section) {
  Preprocess p;
  p.scale = section.number("scale", -1e30, 1e30);
  p.mean = section.numbers("mean", -1e30, 1e30);
  p.std = section.numbers("std", 1e-30, 1e30);
  return p;
}

Value read_net(const fs::path& folder) {
  const Bytes bytes = read_file(folder / kNet, kMaxNetBytes);
  return parse_yaml(std::string(bytes.begin(), bytes.end()), (folder / kNet).string());
}

Network read_float(const Section& section, const fs::path& folder) {
  Network network;
  network.name = section.text("name");
  network.preprocess = preprocess_of(section.section("preprocess"));
  for (const Section& node : section.sections("nodes")) network.nodes.push_back(read_node(node));
  if (network.nodes.empty()) section.fail("nodes", "none", "at least the input");
  network.output = static_cast<int>(section.integer("output", 0, static_cast<std::int64_t>(network.nodes.size()) - 1));
  infer_shapes(network);
  load_weights(network, folder / kFloat);
  return network;
}

// The tensors of a bundle belong to its net.yaml: a bit that flipped or a save cut off between two files must not give
// another network that also works.
Bytes read_hashed(const Section& hashes, const char* key, const fs::path& file) {
  const std::string wanted = hashes.text(key);
  Bytes bytes = read_file(file);
  const std::string found = sha256_hex(bytes);
  if (found != wanted) hashes.fail(key, wanted, fmt::format("{}, the SHA-256 of {}", found, file.string()));
  return bytes;
}

// Float nodes that layers stand for must exist and have the layers' shapes.
void check_float_nodes(const Bundle& bundle) {
  for (const IntegerLayer& layer : bundle.network.layers) {
    if (layer.float_node < 0) continue;
    if (layer.float_node >= static_cast<int>(bundle.folded.nodes.size()) ||
        bundle.folded.node(layer.float_node).shape.count() != layer.shape.count()) {
      throw Error(
          fmt::format("layer {}: float_node {} does not exist or has another shape", layer.name, layer.float_node));
    }
  }
}

}  // namespace

bool is_bundle(const fs::path& folder) { return fs::is_regular_file(folder / kNet); }

void save_bundle(const fs::path& folder, const IntegerNetwork& network, const Network& folded, const Value& config) {
  check(network);
  TensorFile tensors;
  std::vector<Value> layers;
  for (const IntegerLayer& layer : network.layers) layers.push_back(layer_value(layer, tensors.tensors));
  std::vector<Value> nodes;
  for (const Node& node : folded.nodes) nodes.push_back(node_value(node));

  Value root = Value::map();
  root.set("bundle_version", Value(kVersion));
  root.set("name", Value(network.name));
  root.set("output", Value(network.output));
  root.set("output_policy", Value(network.output_policy));
  root.set("preprocess", preprocess_value(network.preprocess));
  root.set("layers", Value::list(layers));
  root.set("float", Value::map({{"name", Value(folded.name)},
                                {"output", Value(folded.output)},
                                {"preprocess", preprocess_value(folded.preprocess)},
                                {"nodes", Value::list(nodes)}}));
  root.set("config", config);
  write_safetensors(folder / kWeights, tensors);
  save_weights(folded, folder / kFloat);
  // Last in the file, too: without its end net.yaml is refused.
  root.set("sha256", Value::map({{"weights", Value(sha256_hex(read_file(folder / kWeights)))},
                                 {"float", Value(sha256_hex(read_file(folder / kFloat)))}}));
  atomic_write(folder / kNet, std::string_view(to_yaml(root)));  // last: a folder with net.yaml is whole
}

Bundle load_bundle(const fs::path& folder) {
  Value root = read_net(folder);
  Bundle bundle;
  if (Value* config = root.find("config")) bundle.config = *config;
  if (root.is_map()) root.erase("config");  // its references are its own
  const Section section(std::move(root));
  (void)section.integer("bundle_version", kVersion, kVersion);
  bundle.network.name = section.text("name");
  bundle.network.output_policy = section.text("output_policy");
  bundle.network.preprocess = preprocess_of(section.section("preprocess"));

  const std::string file = (folder / kWeights).string();
  const Section hashes = section.section("sha256");
  const TensorFile tensors = parse_safetensors(read_hashed(hashes, "weights", folder / kWeights), file);
  (void)read_hashed(hashes, "float", folder / kFloat);
  std::map<std::string, bool> used;
  for (const Section& layer : section.sections("layers")) {
    bundle.network.layers.push_back(read_layer(layer, tensors, file, used));
  }
  bundle.network.output = static_cast<int>(section.integer("output", 0, 1 << 20));
  for (const auto& [name, array] : tensors.tensors) {
    if (!used.contains(name)) throw Error(fmt::format("{}: tensor {}, which net.yaml does not refer to", file, name));
  }
  bundle.folded = read_float(section.section("float"), folder);
  section.done();
  check(bundle.network);
  check_float_nodes(bundle);
  return bundle;
}

Value load_bundle_config(const fs::path& folder) {
  const Value root = read_net(folder);
  const Value* config = root.is_map() ? root.find("config") : nullptr;
  return config == nullptr ? Value::map() : *config;
}

}  // namespace guardbit::nets
