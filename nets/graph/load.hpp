// Configurations -> networks with weights, and run folders.
//
// Top-level keys read here:
//   model                 the graph (nets/graph/build.hpp)
//   weights               optional FILE: .safetensors in our names, or .npz in PyTorch's (nets/graph/weights.hpp);
//                         relative to the YAML file it stands in, or to the working directory on the command line;
//                         or the word `random`: initialise() with the key `seed` (1), for networks nobody trained
//   dataset.preprocess    optional {scale (1/255), mean ([0]), std ([1])}: real input = (pixel * scale - mean) / std
//
// A run folder holds config.yaml (the merged, resolved configuration) and weights.safetensors, and nothing in it
// depends on where the folder is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "nets/config/section.hpp"
#include "nets/graph/network.hpp"

namespace guardbit::nets {

// Network::parameters stays empty without `weights`. Other top-level keys are left to others: call config.done().
[[nodiscard]] Network load_network(const Section& config);
[[nodiscard]] Network load_network(const Value& config);

struct LoadedNetwork {
  Value config;  // merged, not resolved
  Network network;
};
// Arguments of a command: YAML files, run folders and key.path=value, merged left to right.
[[nodiscard]] Value load_arguments(std::span<const std::string> arguments);
[[nodiscard]] LoadedNetwork load_any(std::span<const std::string> arguments);

// Weights: He normal (mean 0, variance 2 / fan-in, fan-in = R * S * C / groups); biases, beta, mean 0; gamma, variance
// 1. Each parameter draws from a generator of its own, keyed by the seed and its position in the network.
void initialise(Network& network, std::uint64_t seed);

// Creates the folder when absent. Both files are replaced atomically.
void save_run(const std::filesystem::path& folder, const Value& config, const Network& network);
[[nodiscard]] LoadedNetwork load_run(const std::filesystem::path& folder);

}  // namespace guardbit::nets
