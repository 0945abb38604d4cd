// A bundle: an integer network as a folder.
//
//   net.yaml              layers, formats, stages, the folded float graph, the configuration it was made with, and the
//                         SHA-256 of the other two files (after editing them: `sha256sum`, or copy it from the Error)
//   weights.safetensors   integers as integers: LAYER.weight (I8 or I16), LAYER.bias (I64), per-channel stage
//                         parameters LAYER.stages.N (I32 or I64), scales (F64)
//   float.safetensors     parameters of the folded float graph (F32), for comparisons
//
// The same network gives the same bytes. Loading verifies everything: unknown keys, unused tensors, shapes, codes
// outside their formats and inconsistent graphs are Errors.
#pragma once

#include <filesystem>

#include "nets/config/config.hpp"
#include "nets/graph/network.hpp"
#include "nets/quantize/integer_network.hpp"

namespace guardbit::nets {

struct Bundle {
  IntegerNetwork network;
  Network folded;  // what IntegerLayer::float_node refers to
  Value config;    // merged configuration
};

[[nodiscard]] bool is_bundle(const std::filesystem::path& folder);  // has a net.yaml
void save_bundle(const std::filesystem::path& folder, const IntegerNetwork& network, const Network& folded,
                 const Value& config);
[[nodiscard]] Bundle load_bundle(const std::filesystem::path& folder);
// The configuration alone.
[[nodiscard]] Value load_bundle_config(const std::filesystem::path& folder);

}  // namespace guardbit::nets
