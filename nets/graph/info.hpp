// What a network costs: MACs, weights, bit-ops and memory per layer, in both of Mayo's countings (SPEC 2.10).
//
//   weights         elements of the weight tensors (biases and batch norm left out)
//   bitops_mayo     MACs * weight bits                     \ golden-era Mayo
//   memory_mayo     weights * weight bits                  /
//   bitops_wa       MACs * weight bits * activation bits
//   mem_weights     weight bits * (weights + K of a convolution; depthwise and fully connected: weights)   \ Mayo HEAD
//   mem_activation  activation bits * (inputs + outputs; depthwise: the larger of the two)                 /
// Memory is in bits. The last five are there for weighted layers when the widths are given.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "nets/config/section.hpp"
#include "nets/graph/network.hpp"

namespace guardbit::nets {

struct InfoWidths {
  std::optional<int> weight_bits;
  std::optional<int> activation_bits;
};
// info: {width: 16, activation_width: 16}; activation_width is width by default; both may be absent.
[[nodiscard]] InfoWidths read_info_widths(const Section& info);

// One row per YAML layer; its nodes taken together.
struct LayerInfo {
  std::string name;
  Op op = Op::Input;  // of the layer's first node
  Shape shape;        // of the layer's output
  std::int64_t macs = 0;
  std::int64_t weights = 0;
  std::int64_t trainables = 0;  // weights, biases, gamma, beta
  std::optional<std::int64_t> bitops_mayo, memory_mayo, bitops_wa, mem_weights, mem_activation;
};
struct InfoTotals {
  std::int64_t macs = 0, weights = 0, trainables = 0;
  std::int64_t nontrainables = 0;  // running mean and variance
  std::optional<std::int64_t> bitops_mayo, memory_mayo, bitops_wa, mem_weights, mem_activation;
};
struct NetworkInfo {
  std::string name;
  Shape input;
  std::vector<LayerInfo> layers;
  InfoTotals totals;
};
[[nodiscard]] NetworkInfo network_info(const Network& network, const InfoWidths& widths = {});

// {name, input, layers: [{name, op, shape, macs, weights, ...}], totals: {...}}; keys without a value are left out.
[[nodiscard]] nlohmann::json to_json(const NetworkInfo& info);

}  // namespace guardbit::nets
