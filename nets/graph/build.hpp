// The `model` section of a configuration -> Network.
//
//   model:
//     name: lenet5
//     input: [28, 28, 1]                    # H, W, C
//     layers:
//       NAME: {type: TYPE, ...}             # names may contain '/', not '.'; a leading '_' makes a template
//     graph: {from: input, with: [NAME, ...], to: output}      # or a list of such paths
//
//   type                   keys (defaults)
//   convolution            channels, kernel, stride (1), dilation (1), padding (same), groups (1), bias (true, but
//                          false with batch_norm), batch_norm (false), activation (none)
//   depthwise_convolution  kernel, stride, dilation, padding, bias, batch_norm, activation: one filter per channel
//   fully_connected        channels, bias, batch_norm, activation: over its input flattened in H, W, C order
//   average_pool max_pool  kernel (clipped to the input) or global: true; stride (the kernel), padding (valid);
//                          max_pool also dilation (1)
//   batch_normalization    epsilon (1e-3), momentum (0.99, share of the old statistics kept), activation
//   activation             mode: relu or relu6
//   add concat             two or more inputs; concat is along C; activation (add only)
//   pad                    padding, channels: [before, after]; with zeros
//   dropout                rate (0.5)
//   flatten softmax        nothing; softmax is over C
//   identity               nothing; removed from the network
//
//   kernel, stride, dilation: N or [height, width].   batch_norm: true, false or {epsilon, momentum}.
//   padding: N (all sides), [top, bottom, left, right], valid (none), or same: TensorFlow's SAME, per axis
//     total = max((ceil(in / stride) - 1) * stride + dilation * (kernel - 1) + 1 - in, 0),
//     total / 2 (floored) at the top or left, the rest at the bottom or right.
//
// A layer becomes the nodes NAME, NAME/bn, NAME/relu (or NAME/relu6), those that it has.
//
// A path connects `from` to the first layer of `with`, each layer to the next, and the last to `to`. `from` and `to`
// are a name or a list of names. A name is `input`, `output`, a layer, or else a point: a tensor named by exactly one
// `to` and used by at least one `from`. The inputs of add and concat are in the order in which the graph lists them;
// every other layer has one. A layer stands in at most one `with`. Layers that do not lead to the output are removed.
#pragma once

#include <string>
#include <vector>

#include "nets/config/section.hpp"
#include "nets/graph/network.hpp"

namespace guardbit::nets {

// Shapes are inferred; there are no parameters yet. Names of removed layers go to `removed` when given.
[[nodiscard]] Network build_network(const Section& model, std::vector<std::string>* removed = nullptr);

}  // namespace guardbit::nets
