// The numbers of one layer of an integer network whose structure stands: formats, codes and stages.
#pragma once

#include "nets/quantize/scheme.hpp"

namespace guardbit::nets {

// Sets everything of layer `index` that depends on the scheme, on the float parameters and on the formats of its inputs
// (which are set already). `folded` is the graph that the structure was made from: layers are named after their first
// nodes, and IntegerLayer::float_node is the last. May be called again when any of these have changed.
void fill_layer(IntegerNetwork& network, int index, const Network& folded, const Scheme& scheme);

// The two nodes of a layer (LayerNodes::first, last).
[[nodiscard]] LayerNodes nodes_of(const Network& folded, const IntegerLayer& layer);
// Has the layer a format of its own? The others keep that of their input.
[[nodiscard]] bool has_own_format(IntegerOp op);
// The activation function that a layer does at its end.
[[nodiscard]] arith::Activation activation_of(const Network& folded, const IntegerLayer& layer);

}  // namespace guardbit::nets
