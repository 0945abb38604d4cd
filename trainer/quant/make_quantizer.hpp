// One map of the configuration -> one quantizer.
#pragma once

#include "nets/config/section.hpp"
#include "trainer/quant/quant_options.hpp"

namespace guardbit::trainer {

/// Reads {type: ..., ...} and rejects unknown keys. Error for a type that cannot stand at `place`.
[[nodiscard]] std::unique_ptr<Quantizer> make_quantizer(const nets::Section& section, Place place,
                                                        const LayerTraits& layer);

/// Says nothing of values that are not behind relu, and little of scores (quant_options.hpp).
[[nodiscard]] bool needs_relu(std::string_view type);

}  // namespace guardbit::trainer
