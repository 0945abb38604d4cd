// The integer network of a command, from a bundle or a quantized training, with the float network it approximates.
#pragma once

#include <optional>
#include <string>

#include "cli/session.hpp"
#include "nets/graph/network.hpp"
#include "nets/quantize/integer_network.hpp"
#include "nets/quantize/record.hpp"

namespace guardbit::cli {

struct IntegerSource {
  nets::IntegerNetwork network;
  nets::Network folded;  // float, batch norm folded; IntegerLayer::float_node indexes its nodes
};
[[nodiscard]] IntegerSource load_integer(const Session& session);

// What a run folder that was trained quantized knows of its integers; nothing for any other network, or when the
// command line says quantizer=null. Error when the training did not finish.
[[nodiscard]] std::optional<nets::QuantizationRecord> trained_record(const Session& session);
// The integers that a run folder was trained with.
[[nodiscard]] IntegerSource convert_trained(const nets::Network& network, const nets::QuantizationRecord& record,
                                            bool keep_softmax = false);

// That of a bundle, or of a run folder that was trained quantized.
[[nodiscard]] IntegerSource load_integer_or_trained(const Session& session);

// SHA-256 of the bundle's net.yaml followed by its weights.safetensors.
[[nodiscard]] std::string bundle_sha256(const std::filesystem::path& folder);

}  // namespace guardbit::cli
