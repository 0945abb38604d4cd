#include "trainer/quant/learned_quantizers.hpp"

#include <algorithm>
#include <cmath>

namespace guardbit::trainer {

namespace {

constexpr double kSmallest = 0x1p-30;  // a step or clip never gets below: it is a scale

double power(int bits) { return std::ldexp(1.0, bits); }

}  // namespace

LsqQuantizer::LsqQuantizer(const QuantizerCommon& common, bool is_signed, std::int64_t count, bool scale_gradient)
    : Quantizer(common), is_signed_(is_signed), below_(is_signed ? power(common.width - 1) : 0),
      above_(is_signed ? power(common.width - 1) - 1 : power(common.width) - 1),
      gradient_scale_(scale_gradient ? 1 / std::sqrt(static_cast<double>(count) * above_) : 1) {}

Observation LsqQuantizer::observation() const {
  Observation seen;
  seen.wants_sum = true;
  return seen;
}

void LsqQuantizer::update(const Observation& seen) {
  const double mean = seen.count == 0 ? 0 : seen.sum_abs / static_cast<double>(seen.count);
  step_ = std::max(2 * mean / std::sqrt(above_), kSmallest);
  ready_ = 1;
}

void LsqQuantizer::set_learned(double step) { step_ = std::max(step, kSmallest); }

void LsqQuantizer::forward(std::span<const double> x, std::span<double> y, const RandomKey&, std::int64_t) const {
  for (std::size_t i = 0; i < x.size(); ++i)
    y[i] = step_ * std::nearbyint(std::clamp(x[i] / step_, -below_, above_));
}

Slope LsqQuantizer::slope() const {
  return {.kind = Slope::Kind::Step, .low = -below_, .high = above_, .step = step_, .scale = gradient_scale_};
}

nets::TensorFormat LsqQuantizer::tensor_format() const {
  return {.format = arith::integer_format(width(), is_signed_), .scale = step_, .zero_point = 0};
}

nets::WeightFormat LsqQuantizer::weight_format() const {
  return {.format = arith::integer_format(width()),
          .mapping = nets::WeightMapping::Uniform,
          .rounding = arith::Rounding::RND_CONV,
          .scales = {step_}};
}

void PactQuantizer::set_learned(double alpha) { alpha_ = std::max(alpha, kSmallest); }

void PactQuantizer::forward(std::span<const double> x, std::span<double> y, const RandomKey&, std::int64_t) const {
  for (std::size_t i = 0; i < x.size(); ++i)
    y[i] = alpha_ / levels_ * std::nearbyint(levels_ * std::clamp(x[i], 0.0, alpha_) / alpha_);
}

Slope PactQuantizer::slope() const { return {.kind = Slope::Kind::Clip, .high = alpha_}; }

nets::TensorFormat PactQuantizer::tensor_format() const {
  return {.format = arith::integer_format(width(), false), .scale = alpha_ / levels_, .zero_point = 0};
}

}  // namespace guardbit::trainer
