// Loops of quantized training over tensors in host memory: cut into kPieces pieces whatever the number of threads, sums
// kept per piece and added in the order of the pieces.
#pragma once

#include "trainer/quant/code_operators.hpp"

namespace guardbit::trainer {

/// How the loops run: the threads, and whether Real is double.
struct HostLoops {
  int threads = 1;
  bool wide = false;
};

/// y = scale * (code - zero point).
void dequantize(const HostLoops& loops, const nets::IntTensor& codes, const nets::TensorFormat& format,
                const TensorView& y);
/// y = accumulator * scale of the channel; scales [K] or one.
void accumulators_to_real(const HostLoops& loops, const nets::WideTensor& accumulators,
                          const std::vector<double>& scales, const TensorView& y);

// Those of CodeOperators.
[[nodiscard]] Observation observe(const HostLoops& loops, const Quantizer& quantizer, Activation activation,
                                  const TensorView& x);
[[nodiscard]] ChannelMoments channel_moments(const HostLoops& loops, const TensorView& x);
[[nodiscard]] double activation_backward(const HostLoops& loops, const Quantizer& quantizer, Activation activation,
                                         const TensorView& x, const TensorView& y, const TensorView& dy);
void round(const HostLoops& loops, const Quantizer& quantizer, const RandomKey& key, const TensorView& x);

/// Codes of the reals x of the network's input.
void codes_of_input(const HostLoops& loops, const InputCodes& input, const nets::TensorFormat& format,
                    const TensorView& x, nets::IntTensor& to);

}  // namespace guardbit::trainer
