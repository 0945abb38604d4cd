// Configurations and run folders -> networks.
#include "nets/graph/load.hpp"

#include <fmt/format.h>

#include "nets/graph/build.hpp"
#include "nets/graph/weights.hpp"
#include "nets/io/file.hpp"

namespace guardbit::nets {
namespace {

constexpr const char* kConfigFile = "config.yaml";
constexpr const char* kWeightsFile = "weights.safetensors";

Preprocess network_preprocess(const Section& config, int channels) {
  if (!config.has("dataset")) return {};
  const Section dataset = config.section("dataset");
  if (!dataset.has("preprocess")) return {};
  const Section section = dataset.section("preprocess");
  Preprocess preprocess = read_preprocess(section);
  const std::pair<const char*, std::size_t> counts[] = {{"mean", preprocess.mean.size()},
                                                        {"std", preprocess.std.size()}};
  for (const auto& [key, count] : counts) {
    if (count == 1 || count == static_cast<std::size_t>(channels)) continue;
    section.fail(key, fmt::format("{} numbers", count), fmt::format("1, or one per channel ({})", channels));
  }
  return preprocess;
}

// A relative name in a YAML file starts from the folder of that file.
std::filesystem::path weights_file(const Section& config) {
  const std::filesystem::path path = config.text("weights", std::nullopt, "the name of a .safetensors or .npz file");
  const Mark mark = config.raw("weights").mark();
  const bool in_file = mark.file != nullptr && mark.line > 0;
  return in_file && path.is_relative() ? std::filesystem::path(*mark.file).parent_path() / path : path;
}

}  // namespace

Network load_network(const Section& config) {
  Network network = build_network(config.section("model"));
  network.preprocess = network_preprocess(config, network.nodes.at(0).shape.c);
  if (!config.has("weights")) return network;
  if (config.text("weights") == "random") {
    initialise(network, static_cast<std::uint64_t>(config.integer("seed", 0, INT64_MAX, 1)));
  } else {
    load_weights(network, weights_file(config));
  }
  return network;
}

Network load_network(const Value& config) { return load_network(Section(config)); }

Value load_arguments(std::span<const std::string> arguments) {
  std::vector<std::string> tokens;
  for (const std::string& argument : arguments) {
    const std::filesystem::path path = argument;
    if (is_override(argument) || !std::filesystem::is_directory(path)) {
      tokens.push_back(argument);
    } else if (std::filesystem::is_regular_file(path / kConfigFile)) {
      tokens.push_back((path / kConfigFile).string());
    } else {
      throw Error(fmt::format("{}: found a folder without {}, allowed: a YAML file, a run folder or key.path=value",
                              argument, kConfigFile));
    }
  }
  return load_config(tokens);
}

LoadedNetwork load_any(std::span<const std::string> arguments) {
  LoadedNetwork loaded{load_arguments(arguments), {}};
  loaded.network = load_network(loaded.config);
  return loaded;
}

void save_run(const std::filesystem::path& folder, const Value& config, const Network& network) {
  Value saved = resolve(config);
  saved.set("weights", kWeightsFile);
  save_weights(network, folder / kWeightsFile);  // first: a configuration never stands there without its weights
  atomic_write(folder / kConfigFile, to_yaml(saved));
}

LoadedNetwork load_run(const std::filesystem::path& folder) {
  const std::string argument = folder.string();
  return load_any(std::span(&argument, 1));
}

}  // namespace guardbit::nets
