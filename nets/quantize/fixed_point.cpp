// Points of fixed-point tensors.
#include "nets/quantize/fixed_point.hpp"

#include <algorithm>
#include <cmath>

namespace guardbit::nets {
namespace {

// v * 2^(width - point), exact for a float value.
double scaled(double value, int width, int point) { return std::ldexp(value, width - point); }

}  // namespace

arith::Format fixed_format(int width, int point) {
  return {.kind = arith::Kind::Fixed,
          .width = width,
          .integer_bits = point,
          .is_signed = true,
          .rounding = arith::Rounding::RND_CONV,
          .overflow = arith::Overflow::SAT,
          .n_bits = 0};
}

TensorFormat fixed_tensor(int width, int point) {
  return {.format = fixed_format(width, point), .scale = std::ldexp(1.0, point - width), .zero_point = 0};
}

WeightFormat fixed_weights(int width, int point) {
  return {.format = fixed_format(width, point),
          .mapping = WeightMapping::Uniform,
          .rounding = arith::Rounding::RND_CONV,
          .scales = {std::ldexp(1.0, point - width)}};
}

std::int64_t fixed_code(double value, int width, int point) {
  const double high = std::ldexp(1.0, width - 1) - 1;
  return static_cast<std::int64_t>(std::clamp(std::nearbyint(scaled(value, width, point)), -high - 1, high));
}

int point_for_maximum(double max_abs, int width) {
  int point = -width;
  while (point < 3 * width && max_abs > std::ldexp(1.0, point - 1)) ++point;
  return point;
}

// One more slot than points: "never".
PointCounts::PointCounts(int width)
    : width_(width),
      overflows_below_(static_cast<std::size_t>(slots(width))),
      zero_from_(static_cast<std::size_t>(slots(width))) {}

void PointCounts::observe(std::span<const float> values) {
  for (const float v : values) {
    const ValuePoints points = points_of(v, width_);
    ++overflows_below_[static_cast<std::size_t>(points.fits + width_)];
    ++zero_from_[static_cast<std::size_t>(points.zero + width_)];
  }
}

void PointCounts::merge(const PointCounts& other) {
  for (std::size_t i = 0; i < overflows_below_.size(); ++i) {
    overflows_below_[i] += other.overflows_below_[i];
    zero_from_[i] += other.zero_from_[i];
  }
}

std::uint64_t PointCounts::overflows(int point) const {
  std::uint64_t sum = 0;
  for (std::size_t i = static_cast<std::size_t>(point + width_) + 1; i < overflows_below_.size(); ++i) {
    sum += overflows_below_[i];
  }
  return sum;
}

std::uint64_t PointCounts::non_zero(int point) const {
  std::uint64_t sum = 0;
  for (std::size_t i = static_cast<std::size_t>(point + width_) + 1; i < zero_from_.size(); ++i) sum += zero_from_[i];
  return sum;
}

std::optional<int> PointCounts::point_for_rate(double rate) const {
  for (int point = -width_; point <= width_; ++point) {
    const auto all = static_cast<double>(non_zero(point));
    if (all > 0 && static_cast<double>(overflows(point)) / all <= rate) return point;
  }
  return std::nullopt;
}

}  // namespace guardbit::nets
