// A weighted layer as the array sees it: one matrix product per group, with the index arithmetic of its convolution.
#pragma once

#include <cstdint>

#include "nets/quantize/integer_network.hpp"

namespace guardbit::sim {

struct GemmView {
  nets::Shape input;   // fully connected: flattened to [1, 1, c]
  nets::Shape output;  // P, Q, K
  nets::Window window;
  std::int64_t groups = 1;
  std::int64_t channels = 0;  // input channels of one group
  std::int64_t cols = 0;      // output channels of one group
  std::int64_t depth = 0;     // kernel_h * kernel_w * channels

  [[nodiscard]] std::int64_t pixels() const { return std::int64_t{output.h} * output.w; }
  [[nodiscard]] std::int64_t macs() const { return pixels() * depth * cols * groups; }
};

[[nodiscard]] GemmView gemm_view(const nets::IntegerNetwork& network, const nets::IntegerLayer& layer);

}  // namespace guardbit::sim
