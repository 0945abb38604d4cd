// Fixed point with `point` integer bits, sign included: code = round(v * 2^(width - point)), ties to even.
//
// Choosing the point (SPEC 2.3 to 2.5): from a maximum, or from the overflow rate, where overflows are counted among
// the codes that are not zero.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "arith/format.hpp"
#include "arith/host_device.hpp"
#include "nets/quantize/integer_network.hpp"
#include "nets/quantize/weight_format.hpp"

namespace guardbit::nets {

// fixed<width, point, RND_CONV, SAT>
[[nodiscard]] arith::Format fixed_format(int width, int point);

// Tensors and weights with that format and its scale, 2^(point - width).
[[nodiscard]] TensorFormat fixed_tensor(int width, int point);
[[nodiscard]] WeightFormat fixed_weights(int width, int point);

// Rounded and saturated.
[[nodiscard]] std::int64_t fixed_code(double value, int width, int point);

// Smallest point p in -width..3 * width with max_abs <= 2^(p - 1).
[[nodiscard]] int point_for_maximum(double max_abs, int width);

// Of one value: the smallest point in -width..width without overflow, and the smallest with code 0; width + 1: none.
struct ValuePoints {
  int fits = 0, zero = 0;
};

namespace detail {

[[nodiscard]] GUARDBIT_HD inline bool overflows_at(double value, int width, int point) {
  const double code = std::nearbyint(std::ldexp(value, width - point));  // ties to even in the default environment
  return code < -std::ldexp(1.0, width - 1) || code > std::ldexp(1.0, width - 1) - 1;
}
[[nodiscard]] GUARDBIT_HD inline bool zero_at(double value, int width, int point) {
  return std::nearbyint(std::ldexp(value, width - point)) == 0;
}
[[nodiscard]] GUARDBIT_HD inline int within(int value, int low, int high) {
  return value < low ? low : value > high ? high : value;
}

}  // namespace detail

// Both properties are monotone in the point: overflow stops at one point, code 0 starts at another. The exponent says
// which to within one or two.
[[nodiscard]] GUARDBIT_HD inline ValuePoints points_of(double value, int width) {
  const int never = width + 1;
  int exponent = 0;
  static_cast<void>(std::frexp(value, &exponent));
  int fits = detail::within(exponent, -width, never);
  while (fits < never && detail::overflows_at(value, width, fits)) ++fits;
  while (fits > -width && !detail::overflows_at(value, width, fits - 1)) --fits;
  int zero = value == 0 ? -width : detail::within(exponent + width, -width, never);
  while (zero < never && !detail::zero_at(value, width, zero)) ++zero;
  while (zero > -width && detail::zero_at(value, width, zero - 1)) --zero;
  return {fits, zero};
}

// Overflows and non-zero codes of a stream of values for every point in -width..width at once. Exact and independent
// of the order of values.
class PointCounts {
 public:
  explicit PointCounts(int width);
  void observe(std::span<const float> values);
  void merge(const PointCounts& other);
  // Histograms made elsewhere: slot i counts the values whose point is i - width.
  [[nodiscard]] static int slots(int width) { return 2 * width + 2; }
  void add(std::size_t slot, std::uint64_t fits, std::uint64_t zero) {
    overflows_below_[slot] += fits;
    zero_from_[slot] += zero;
  }

  [[nodiscard]] int width() const { return width_; }
  [[nodiscard]] std::uint64_t overflows(int point) const;
  [[nodiscard]] std::uint64_t non_zero(int point) const;
  // The first point from -width up whose overflow rate is at most `rate`; nothing when there is none (all zero).
  [[nodiscard]] std::optional<int> point_for_rate(double rate) const;

 private:
  int width_;
  std::vector<std::uint64_t> overflows_below_;  // [i]: values whose smallest point without overflow is i - width
  std::vector<std::uint64_t> zero_from_;        // [i]: values whose smallest point with code 0 is i - width
};

}  // namespace guardbit::nets
