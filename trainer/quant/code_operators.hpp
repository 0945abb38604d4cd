// CodeOperators: what a quantized graph computes on codes, and around its rules, on the device that holds its tensors.
//
// It holds the codes of the layers of one network: those of a batch, made layer after layer. The integers are the same
// on every device; so are all reals but the moments of channels, whose sums in double may be added in another order.
#pragma once

#include "nets/quantize/integer_network.hpp"
#include "trainer/backend.hpp"
#include "trainer/quant/rule_values.hpp"

namespace guardbit::trainer {

// Sums of double over the elements of a tensor: kPieces pieces, each in blocks of kBlock elements; sums of blocks are
// added in their order, then those of pieces.
inline constexpr std::int64_t kPieces = 8;
inline constexpr std::int64_t kBlock = 1024;

/// How inputs become codes: exactly those of nets::quantize_input where the real is that of a pixel value, the nearest
/// code for any other.
struct InputCodes {
  double pixel_scale = 1;
  std::vector<double> mean, deviation;  // [C]
  std::vector<std::int32_t> codes;      // [C, 256]
  std::vector<double> reals;            // of the pixels, [C, 256]
};
[[nodiscard]] InputCodes input_codes(const nets::IntegerNetwork& network);

/// Of every channel of x: mean, and variance (divided by the count).
struct ChannelMoments {
  std::vector<double> mean, variance;
  std::int64_t count = 0;
};
class CodeOperators {
 public:
  virtual ~CodeOperators() = default;

  // Codes. Layers run in their order, with the numbers that the network has at that time.
  /// Begins a batch: codes of layer 0 from Real [n, H, W, C].
  virtual void input(const TensorView& x) = 0;
  /// Codes of a layer from those of its inputs. `keep`: and the accumulators of a weighted one, until the next run.
  virtual void run(int layer, bool keep) = 0;
  /// y = accumulator * scale of the channel, of the layer that ran last; scales [K] or one.
  virtual void accumulators_to_real(int layer, const std::vector<double>& scales, const TensorView& y) = 0;
  /// Codes of the layer that ran last, from its accumulators, with its stages as they are now.
  virtual void requantize(int layer) = 0;
  /// y = scale * (code - zero point).
  virtual void dequantize(int layer, const TensorView& y) = 0;
  /// A copy on the host.
  [[nodiscard]] virtual nets::IntTensor codes(int layer) = 0;

  // Rules.
  /// What `quantizer` would learn of x. With `activation`, of x behind it.
  [[nodiscard]] virtual Observation observe(const Quantizer& quantizer, Activation activation,
                                            const TensorView& x) = 0;
  [[nodiscard]] virtual ChannelMoments channel_moments(const TensorView& x) = 0;
  /// Backward through quantizer and activation function, in place: dy becomes the gradient of x, the values before
  /// both. y: the values behind both. Returns the gradient of the quantizer's learned number.
  [[nodiscard]] virtual double activation_backward(const Quantizer& quantizer, Activation activation,
                                                   const TensorView& x, const TensorView& y, const TensorView& dy) = 0;
  /// x becomes what a rule of gradients makes of it.
  virtual void round(const Quantizer& quantizer, const RandomKey& key, const TensorView& x) = 0;
};

/// x becomes what the chain makes of it; rules that want to are updated first. `watch`: sees each rule at work.
void quantize_gradient(Backend& backend, CodeOperators& operators, const QuantizerChain& chain, bool due,
                       const RandomKey& key, const TensorView& x, const ChainWatch& watch = {});
/// The same on an array.
void quantize_gradient(const QuantizerChain& chain, bool due, const RandomKey& key, std::vector<double>& x,
                       const ChainWatch& watch = {});

/// From sums over `count` elements of each channel.
[[nodiscard]] inline ChannelMoments moments_of_sums(std::span<const double> sum, std::span<const double> square,
                                      std::int64_t count) {
  ChannelMoments result{.mean = {}, .variance = {}, .count = count};
  const auto n = static_cast<double>(count);
  for (std::size_t c = 0; c < sum.size(); ++c) {
    const double mean = sum[c] / n, variance = square[c] / n - mean * mean;
    result.mean.push_back(mean);
    result.variance.push_back(variance > 0 ? variance : 0);
  }
  return result;
}

}  // namespace guardbit::trainer
