// The operators of the reference engine: the executable specification of nets/quantize/integer_network.hpp.
//
// Written to be read, one output at a time. They are never optimised; the other engines are compared with them.
// Images are [N, H, W, C] in C order.
#pragma once

#include "nets/engines/engine.hpp"

namespace guardbit::nets::reference {

// Element (n, h, w, c) of a tensor of codes.
[[nodiscard]] inline std::int32_t at(const IntTensor& t, std::int64_t n, std::int64_t h, std::int64_t w,
                                     std::int64_t c) {
  return t.data[static_cast<std::size_t>(((n * t.shape[1] + h) * t.shape[2] + w) * t.shape[3] + c)];
}

struct Context {
  const IntegerNetwork& network;
  const IntegerLayer& layer;
  const RunResult& earlier;  // results of all earlier layers
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

// Each fills result.codes (already of the right shape) and the evidence.
void convolution(const Context& context, LayerResult& result);  // and fully connected
void max_pool(const Context& context, LayerResult& result);
void average_pool(const Context& context, LayerResult& result);
void add(const Context& context, LayerResult& result);
void concat(const Context& context, LayerResult& result);
void requantize(const Context& context, LayerResult& result);
void pad(const Context& context, LayerResult& result);
void softmax(const Context& context, LayerResult& result);

}  // namespace guardbit::nets::reference
