// Quantizers of fixed levels.
//
// DoReFa (SPEC 3.3, 7.1), b bits, n = 2^b - 1, ties to even:
//   activations behind relu, clip a: y = a / n * round(n * clip(x, 0, a) / a); codes 0..n of scale a / n.
//     dx = dy where 0 <= x <= a, else 0
//   weights: t = tanh(x) / (2 * m) + 1/2, m = max |tanh x|; y = 2 * round(n * t) / n - 1; codes are the odd numbers
//     -n, -n + 2, ..., n of scale 1 / n, one bit wider than b. dx = dy * (1 - tanh(x)^2) / m, m held constant
// BinaryConnect (SPEC 4.4): y = sign(x), sign(0) = +1; codes -1 and 1 of scale 1. dx = dy; after each step the master
//   weights are held within -1 and 1.
#pragma once

#include "trainer/quant/quantizer.hpp"

namespace guardbit::trainer {

class DorefaActivation final : public Quantizer {
 public:
  DorefaActivation(const QuantizerCommon& common, double clip)
      : Quantizer(common), levels_(static_cast<double>((std::int64_t{1} << common.width) - 1)), clip_(clip) {}
  [[nodiscard]] std::string_view type() const override { return "dorefa"; }
  void forward(std::span<const double> x, std::span<double> y, const RandomKey& key,
               std::int64_t first) const override;
  [[nodiscard]] Slope slope() const override { return {.low = 0, .high = clip_}; }
  [[nodiscard]] nets::TensorFormat tensor_format() const override;

 private:
  double levels_, clip_;
};

class DorefaWeights final : public Quantizer {
 public:
  explicit DorefaWeights(const QuantizerCommon& common)
      : Quantizer(common), levels_(static_cast<double>((std::int64_t{1} << common.width) - 1)) {}
  [[nodiscard]] std::string_view type() const override { return "dorefa"; }
  void prepare(std::span<const double> values, std::int64_t channels) override;
  void forward(std::span<const double> x, std::span<double> y, const RandomKey& key,
               std::int64_t first) const override;
  double backward(std::span<const double> x, std::span<const double> dy, std::span<double> dx) const override;
  [[nodiscard]] nets::WeightFormat weight_format() const override;
  [[nodiscard]] bool is_before_folding() const override { return true; }

 private:
  double levels_;
  double largest_ = 0;  // m
};

class BinaryConnect final : public Quantizer {
 public:
  explicit BinaryConnect(const QuantizerCommon& common) : Quantizer(common) {}
  [[nodiscard]] std::string_view type() const override { return "binary_connect"; }
  void forward(std::span<const double> x, std::span<double> y, const RandomKey& key,
               std::int64_t first) const override;
  double backward(std::span<const double> x, std::span<const double> dy, std::span<double> dx) const override;
  [[nodiscard]] nets::WeightFormat weight_format() const override;
  [[nodiscard]] bool is_before_folding() const override { return true; }
  [[nodiscard]] bool clips_masters() const override { return true; }
};

}  // namespace guardbit::trainer
