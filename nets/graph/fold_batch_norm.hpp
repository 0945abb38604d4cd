// Folds batch norm into the convolution or fully connected node before it (SPEC 5.5), in double:
//   w'[k] = gamma[k] * w[k] / sqrt(variance[k] + epsilon)
//   b'[k] = beta[k] + gamma[k] * (b[k] - mean[k]) / sqrt(variance[k] + epsilon)
#pragma once

#include "nets/graph/network.hpp"

namespace guardbit::nets {

// The folded node keeps the name of the weighted node and gets a bias; the batch norm node is gone. A batch norm whose
// input is another op, or is read by others too, stays. Needs the parameters of the nodes.
[[nodiscard]] Network fold_batch_norm(const Network& network);

}  // namespace guardbit::nets
