// Float inference: batch norm with running statistics, dropout as identity. All tensors NHWC.
//
// Every image is computed alone and every sum has one fixed order, in binary32 without fused multiply-adds:
//   conv2d, fully_connected  start with the bias (or 0), add x * w over r, s, c ascending
//   batch_norm               x * float(gamma / sqrt(variance + epsilon)) + float(beta - mean * that quotient)
//   average_pool             sum over the valid window, divided by its number of taps
//   add                      inputs in order
// So results do not depend on the batch, on the number of threads or on the SIMD width of the processor.
// (Softmax uses the exp of the C library.)
#pragma once

#include <vector>

#include "nets/graph/network.hpp"

namespace guardbit::nets {

// Outputs [N, h, w, c] of all nodes, by node index. input: [N, H, W, C], already preprocessed.
// Error when the input or a parameter has the wrong shape or is absent.
[[nodiscard]] std::vector<FloatTensor> run_float(const Network& network, const FloatTensor& input, int threads = 1);

// The output of network.output alone; keeps the other tensors of one image per thread.
[[nodiscard]] FloatTensor run_float_output(const Network& network, const FloatTensor& input, int threads = 1);

}  // namespace guardbit::nets
