// The parts of net.yaml, shared by bundle.cpp, bundle_layers.cpp and bundle_float.cpp.
#pragma once

#include <map>
#include <string>

#include "nets/config/section.hpp"
#include "nets/graph/network.hpp"
#include "nets/io/safetensors.hpp"
#include "nets/quantize/integer_network.hpp"

namespace guardbit::nets::bundle_parts {

[[nodiscard]] Value window_value(const Window& window);
[[nodiscard]] Window read_window(const Section& section);
[[nodiscard]] Value padding_value(const Padding& padding);
[[nodiscard]] Padding read_padding(const Section& section, std::string_view key);
[[nodiscard]] Value shape_value(const Shape& shape);
[[nodiscard]] Shape read_shape(const Section& section, std::string_view key);

// Integer layers; tensors go to and come from `tensors`. Reading marks every tensor it takes in `used`.
[[nodiscard]] Value layer_value(const IntegerLayer& layer, NamedArrays& tensors);
[[nodiscard]] IntegerLayer read_layer(const Section& section, const TensorFile& tensors, const std::string& file,
                                      std::map<std::string, bool>& used);

// Float graph.
[[nodiscard]] Value node_value(const Node& node);
[[nodiscard]] Node read_node(const Section& section);

}  // namespace guardbit::nets::bundle_parts
