// One node on one image. Pointers are to dense [h, w, c] tensors of the shapes that the nodes have.
#pragma once

#include <span>
#include <vector>

#include "nets/graph/detail/float_gemm.hpp"
#include "nets/graph/network.hpp"

namespace guardbit::nets::detail {

// A node made ready for many images.
struct PreparedNode {
  std::vector<PackedWeights> groups;  // conv2d with more than one channel per group, fully_connected: one per group
  std::vector<float> taps;            // depthwise conv2d: [R][S][K]
  std::vector<float> bias;            // depthwise conv2d: [K]
  std::vector<float> scale, shift;    // batch_norm: [C]
};
// Is it computed channel by channel? (One channel in and one out per group.)
[[nodiscard]] bool is_depthwise(const Network& network, const Node& node);
[[nodiscard]] PreparedNode prepare(const Network& network, const Node& node);

// scratch: any vector, reused between calls. inputs: one per input of the node.
void run_node(const Network& network, const Node& node, const PreparedNode& prepared,
              std::span<const float* const> inputs, float* out, std::vector<float>& scratch);

}  // namespace guardbit::nets::detail
