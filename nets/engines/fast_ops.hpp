// The operators of the fast engine: arith's block kernels, threads over blocks of output rows.
#pragma once

#include "nets/engines/engine.hpp"
#include "nets/quantize/conv_shape.hpp"

namespace guardbit::nets::fast {

struct Context {
  const IntegerNetwork& network;
  const IntegerLayer& layer;
  const RunResult& earlier;
  const arith::Accumulation& accumulation;
  const RunOptions& options;

  [[nodiscard]] const IntTensor& input(std::size_t i = 0) const {
    return earlier.layers[static_cast<std::size_t>(layer.inputs[i])].codes;
  }
  [[nodiscard]] const TensorFormat& input_format(std::size_t i = 0) const {
    return network.layer(layer.inputs[i]).output;
  }
};

// The operator of context.layer. result.codes has the right shape (nets/engines/evidence.hpp); those of the input layer
// are given, so there is nothing to do.
void run_layer(const Context& context, LayerResult& result);

void convolution(const Context& context, LayerResult& result);       // and fully connected; chooses the kernel
void tile_convolution(const Context& context, const ConvShape& shape, LayerResult& result);  // of any operands
void max_pool(const Context& context, LayerResult& result);
void average_pool(const Context& context, LayerResult& result);
void add(const Context& context, LayerResult& result);
void concat(const Context& context, LayerResult& result);
void requantize(const Context& context, LayerResult& result);
void pad(const Context& context, LayerResult& result);
void softmax(const Context& context, LayerResult& result);

}  // namespace guardbit::nets::fast
