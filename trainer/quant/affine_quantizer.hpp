// Affine int8 and its kin (SPEC 5.1, 5.5). Activations: real = scale * (code - zero point), the range an exponential
// moving average of the smallest and largest value of each batch; gradient 1 inside the nudged range, 0 outside.
// Weights: symmetric, the scale max |w| / (2^(width - 1) - 1) of the tensor or of each output channel; gradient 1.
#pragma once

#include "trainer/quant/quantizer.hpp"

namespace guardbit::trainer {

class AffineActivation final : public Quantizer {
 public:
  AffineActivation(const QuantizerCommon& common, double decay) : Quantizer(common), decay_(decay) {}
  [[nodiscard]] std::string_view type() const override { return "affine"; }
  [[nodiscard]] std::vector<State> state() override { return {{"low", &low_}, {"high", &high_}, {"ready", &ready_}}; }
  [[nodiscard]] bool is_ready() const override { return ready_ != 0; }
  /// The first range is taken as it is; later low = decay * low + (1 - decay) * batch, and so for high.
  void update(const Observation& seen) override;

  void forward(std::span<const double> x, std::span<double> y, const RandomKey& key,
               std::int64_t first) const override;
  [[nodiscard]] Slope slope() const override;
  [[nodiscard]] nets::TensorFormat tensor_format() const override;

 protected:
  [[nodiscard]] bool updates(bool) const override { return true; }  // every step

 private:
  double decay_;
  double low_ = 0, high_ = 0, ready_ = 0;
};

class AffineWeights final : public Quantizer {
 public:
  AffineWeights(const QuantizerCommon& common, bool per_channel) : Quantizer(common), per_channel_(per_channel) {}
  [[nodiscard]] std::string_view type() const override { return "affine"; }
  void prepare(std::span<const double> values, std::int64_t channels) override;
  void forward(std::span<const double> x, std::span<double> y, const RandomKey& key,
               std::int64_t first) const override;
  double backward(std::span<const double> x, std::span<const double> dy, std::span<double> dx) const override;
  [[nodiscard]] nets::WeightFormat weight_format() const override { return format_; }

 private:
  bool per_channel_;
  nets::WeightFormat format_;
  std::int64_t channels_ = 1;
};

}  // namespace guardbit::trainer
