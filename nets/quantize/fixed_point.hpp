// Fixed point with `point` integer bits, sign included: code = round(v * 2^(width - point)), ties to even.
//
// Choosing the point (SPEC 2.3 to 2.5): from a maximum, or from the overflow rate, where overflows are counted among
// the codes that are not zero.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "arith/format.hpp"
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

// Overflows and non-zero codes of a stream of values for every point in -width..width at once. Exact and independent
// of the order of values.
class PointCounts {
 public:
  explicit PointCounts(int width);
  void observe(std::span<const float> values);
  void merge(const PointCounts& other);

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
