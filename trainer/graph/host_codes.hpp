// CodeOperators in host memory: the operators of nets' engines (`reference` where Real is double, else `fast`) and the
// loops of trainer/quant.
#pragma once

#include "nets/engines/engine.hpp"
#include "trainer/quant/element_ops.hpp"

namespace guardbit::trainer {

/// An accumulator in which nothing can overflow: 32 bits for operands of 8 (up to 65,000 products), else 64.
[[nodiscard]] arith::Accumulation exact_accumulation(const nets::IntegerNetwork& network,
                                                     const nets::IntegerLayer& layer);

class HostCodes final : public CodeOperators {
 public:
  /// The network outlives this.
  HostCodes(const HostLoops& loops, const nets::IntegerNetwork& network, InputCodes input)
      : loops_(loops), network_(network), input_(std::move(input)) {}

  void input(const TensorView& x) override;
  void run(int layer, bool keep) override;
  void accumulators_to_real(int layer, const std::vector<double>& scales, const TensorView& y) override;
  void requantize(int layer) override;
  void dequantize(int layer, const TensorView& y) override;
  [[nodiscard]] nets::IntTensor codes(int layer) override { return of(layer).codes; }

  [[nodiscard]] Observation observe(const Quantizer& quantizer, Activation activation, const TensorView& x) override;
  [[nodiscard]] ChannelMoments channel_moments(const TensorView& x) override;
  [[nodiscard]] double activation_backward(const Quantizer& quantizer, Activation activation, const TensorView& x,
                                           const TensorView& y, const TensorView& dy) override;
  void round(const Quantizer& quantizer, const RandomKey& key, const TensorView& x) override;

 private:
  [[nodiscard]] nets::LayerResult& of(int layer) { return run_.layers.at(static_cast<std::size_t>(layer)); }

  HostLoops loops_;
  const nets::IntegerNetwork& network_;
  InputCodes input_;
  nets::RunResult run_;
};

}  // namespace guardbit::trainer
