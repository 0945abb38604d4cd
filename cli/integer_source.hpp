// The integer network of a command, from a bundle, with the float network it approximates.
#pragma once

#include <string>

#include "cli/session.hpp"
#include "nets/graph/network.hpp"
#include "nets/quantize/integer_network.hpp"

namespace guardbit::cli {

struct IntegerSource {
  nets::IntegerNetwork network;
  nets::Network folded;  // float, batch norm folded; IntegerLayer::float_node indexes its nodes
};
[[nodiscard]] IntegerSource load_integer(const Session& session);

// SHA-256 of the bundle's net.yaml followed by its weights.safetensors.
[[nodiscard]] std::string bundle_sha256(const std::filesystem::path& folder);

}  // namespace guardbit::cli
