// Float network -> integer network.
//
// Batch norm is folded; dropout and, unless it is kept, a final softmax are removed; relu and relu6 become part of the
// convolution, fully connected layer or addition before them when nobody else reads that. Pooling, padding and
// flattening keep the format of their input. A batch norm that cannot be folded becomes a depthwise 1x1 convolution; a
// softmax reads codes of at most 8 bits and has results of the same width.
#pragma once

#include "nets/graph/network.hpp"
#include "nets/quantize/integer_network.hpp"
#include "nets/quantize/quantize_options.hpp"

namespace guardbit::nets {

class Scheme;

struct Quantized {
  Network folded;  // the float reference; IntegerLayer::float_node is an index into its nodes
  IntegerNetwork network;
};

// Batch norm folded, dropout and (unless kept) final softmax gone: what quantize() converts.
[[nodiscard]] Network prepare_float(const Network& network, bool keep_softmax = false);

// images: calibration images [N, H, W, C], preprocessed. Uses the first options.images of them.
[[nodiscard]] Quantized quantize(const Network& network, const FloatTensor& images, const QuantizeOptions& options,
                                 int threads = 1);

// As above, from statistics of all nodes of a prepared network (to try several options on one calibration).
[[nodiscard]] IntegerNetwork convert(const Network& folded, const std::vector<TensorStatistics>& statistics,
                                     const QuantizeOptions& options);
// As above, with the numbers of any scheme (nets/quantize/scheme.hpp, record.hpp).
[[nodiscard]] IntegerNetwork convert(const Network& folded, const Scheme& scheme);

}  // namespace guardbit::nets
