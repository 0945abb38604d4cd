#include "trainer/quant/level_quantizers.hpp"

#include <algorithm>
#include <cmath>

namespace guardbit::trainer {

void DorefaActivation::forward(std::span<const double> x, std::span<double> y, const RandomKey&, std::int64_t) const {
  for (std::size_t i = 0; i < x.size(); ++i)
    y[i] = clip_ / levels_ * std::nearbyint(levels_ * std::clamp(x[i], 0.0, clip_) / clip_);
}

nets::TensorFormat DorefaActivation::tensor_format() const {
  return {.format = arith::integer_format(width(), false), .scale = clip_ / levels_, .zero_point = 0};
}

void DorefaWeights::prepare(std::span<const double> values, std::int64_t) {
  largest_ = 0;
  for (const double v : values) largest_ = std::max(largest_, std::abs(std::tanh(v)));
}

void DorefaWeights::forward(std::span<const double> x, std::span<double> y, const RandomKey&, std::int64_t) const {
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double t = largest_ == 0 ? 0.5 : std::tanh(x[i]) / (2 * largest_) + 0.5;
    y[i] = 2 * std::nearbyint(levels_ * t) / levels_ - 1;
  }
}

double DorefaWeights::backward(std::span<const double> x, std::span<const double> dy, std::span<double> dx) const {
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double bent = std::tanh(x[i]);
    dx[i] = largest_ == 0 ? dy[i] : dy[i] * (1 - bent * bent) / largest_;
  }
  return 0;
}

nets::WeightFormat DorefaWeights::weight_format() const {
  return {.format = arith::integer_format(width() + 1, true, arith::Overflow::SAT_SYM),
          .mapping = nets::WeightMapping::Tanh,
          .rounding = arith::Rounding::RND_CONV,
          .scales = {1 / levels_}};
}

void BinaryConnect::forward(std::span<const double> x, std::span<double> y, const RandomKey&, std::int64_t) const {
  std::transform(x.begin(), x.end(), y.begin(), [](double v) { return v < 0 ? -1.0 : 1.0; });
}

double BinaryConnect::backward(std::span<const double>, std::span<const double> dy, std::span<double> dx) const {
  std::copy(dy.begin(), dy.end(), dx.begin());
  return 0;
}

nets::WeightFormat BinaryConnect::weight_format() const {
  return {.format = arith::integer_format(2, true, arith::Overflow::SAT_SYM),
          .mapping = nets::WeightMapping::Sign,
          .rounding = arith::Rounding::RND_CONV,
          .scales = {1.0}};
}

}  // namespace guardbit::trainer
