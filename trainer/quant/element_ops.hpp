// Loops of quantized training over tensors in host memory: cut into kPieces pieces whatever the number of threads, sums
// kept per piece and added in the order of the pieces.
#pragma once

#include "nets/quantize/integer_network.hpp"
#include "trainer/backend.hpp"
#include "trainer/quant/rule_values.hpp"

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

/// What `quantizer` would learn of x. With `activation`, of x behind it.
[[nodiscard]] Observation observe(const HostLoops& loops, const Quantizer& quantizer, Activation activation,
                                  const TensorView& x);

/// Of every channel of x: mean, and variance (divided by the count).
struct ChannelMoments {
  std::vector<double> mean, variance;
  std::int64_t count = 0;
};
[[nodiscard]] ChannelMoments channel_moments(const HostLoops& loops, const TensorView& x);

/// Backward through quantizer and activation function, in place: dy becomes the gradient of x, the values before both.
/// y: the values behind both. Returns the gradient of the quantizer's learned number.
[[nodiscard]] double activation_backward(const HostLoops& loops, const Quantizer& quantizer, Activation activation,
                                         const TensorView& x, const TensorView& y, const TensorView& dy);

/// x becomes what the chain makes of it; rules that want to are updated first. `watch`: sees each rule at work.
void quantize_gradient(const HostLoops& loops, const QuantizerChain& chain, bool due, const RandomKey& key,
                       const TensorView& x, const ChainWatch& watch = {});

/// The same on an array.
void quantize_gradient(const QuantizerChain& chain, bool due, const RandomKey& key, std::vector<double>& x,
                       const ChainWatch& watch = {});

/// Codes of the network's input from reals that load_batch made: exactly those of nets::quantize_input where the real
/// is that of a pixel value, the nearest code for any other.
class InputCodes {
 public:
  explicit InputCodes(const nets::IntegerNetwork& network);
  void codes(const HostLoops& loops, const TensorView& x, nets::IntTensor& to) const;

 private:
  nets::Preprocess preprocess_;
  nets::TensorFormat format_;
  std::vector<std::int32_t> table_;  // [C, 256]
  std::vector<float> narrow_;        // reals of the table
  std::vector<double> wide_;
};

}  // namespace guardbit::trainer
