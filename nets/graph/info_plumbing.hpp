// The costs, variables and quantizers of a network as one document, in the rows, columns and names of Mayo's info.yaml
// (SPEC 2.10), so that scripts written for that file read ours:
//
//   layers         items {layer: NAME/LAYER, shape [1, H, W, C], macs, bitops = macs * width, memory = weights *
//                  width}; null where a layer has none; bitops and memory only where weights have a width; footer
//                  {macs}
//   trainables     items {trainable, shape, count}, footer {count}
//   nontrainables  items {nontrainable, shape}
//   overriders     CLASS: {items {name, width, point}}; {name, width, scale, zero_point} for classes without a point
//   accuracies     {top1, top5}, or null
// Shapes are TensorFlow's: convolutions [R, S, C / groups, K], depthwise [R, S, C, 1], fully connected [C, K].
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nets/config/config.hpp"
#include "nets/graph/network.hpp"

namespace guardbit::nets {

struct PlumbingOverrider {
  std::string type;   // its class
  std::string layer;
  std::string place;  // weights, biases, activations, weights/gradient, errors/gradient
  int width = 0;
  std::optional<int> point;
  std::vector<double> scales;  // one, or one per channel
  std::int64_t zero_point = 0;
  std::vector<std::string> variables;
};

struct Plumbing {
  std::map<std::string, int> weight_bits;  // by layer
  std::vector<PlumbingOverrider> overriders;
  std::vector<std::string> slots;  // of the optimizer, per trainable: RMSProp, RMSProp_1
  std::optional<std::pair<double, double>> accuracies;
};

[[nodiscard]] Value info_plumbing(const Network& network, const Plumbing& plumbing);

}  // namespace guardbit::nets
