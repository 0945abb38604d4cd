#include "trainer/quant/affine_quantizer.hpp"

#include <algorithm>
#include <cmath>

#include "nets/quantize/affine.hpp"

namespace guardbit::trainer {

void AffineActivation::update(const Observation& seen) {
  if (seen.count == 0) return;
  const double keep = ready_ == 0 ? 0 : decay_;
  low_ = keep * low_ + (1 - keep) * seen.low;
  high_ = keep * high_ + (1 - keep) * seen.high;
  ready_ = 1;
}

nets::TensorFormat AffineActivation::tensor_format() const { return nets::affine_format(low_, high_, width()); }

void AffineActivation::forward(std::span<const double> x, std::span<double> y, const RandomKey&, std::int64_t) const {
  const nets::TensorFormat format = tensor_format();
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = nets::dequantize(nets::affine_code(x[i], format), format);
}

Slope AffineActivation::slope() const {
  const nets::TensorFormat format = tensor_format();
  return {.low = nets::dequantize(static_cast<std::int64_t>(format.format.min_code()), format),
          .high = nets::dequantize(static_cast<std::int64_t>(format.format.max_code()), format)};
}

void AffineWeights::prepare(std::span<const double> values, std::int64_t channels) {
  nets::FloatTensor weight({channels, static_cast<std::int64_t>(values.size()) / channels});
  std::transform(values.begin(), values.end(), weight.data.begin(), [](double v) { return static_cast<float>(v); });
  format_ = nets::symmetric_weights(weight, width(), per_channel_);
  channels_ = channels;
}

void AffineWeights::forward(std::span<const double> x, std::span<double> y, const RandomKey&, std::int64_t) const {
  const std::size_t size = x.size() / static_cast<std::size_t>(channels_);
  const double limit = std::ldexp(1.0, width() - 1) - 1;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double scale = format_.scale(i / size);
    y[i] = std::clamp(std::round(x[i] / scale), -limit, limit) * scale;
  }
}

double AffineWeights::backward(std::span<const double>, std::span<const double> dy, std::span<double> dx) const {
  std::copy(dy.begin(), dy.end(), dx.begin());
  return 0;
}

}  // namespace guardbit::trainer
