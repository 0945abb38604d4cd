// The stages after the core of a fused list: clamps, additions and at most one narrowing that saturates, as one clamp,
// one addition and the bounds outside of which a value is counted.
#pragma once

#include <optional>

#include "arith/detail/fused_stages.hpp"
#include "arith/int128.hpp"

namespace guardbit::arith::detail {

inline constexpr int128 kUnboundedTail = int128{1} << 120;  // apply_stages holds Scale's value within plus or minus this

[[nodiscard]] constexpr bool fits32(int128 value) { return INT32_MIN <= value && value <= INT32_MAX; }

class FusedTail {
 public:
  // The interval of the values that come in.
  FusedTail(int128 low, int128 high) : low_(low), high_(high) {}

  // Appends stage `number`; false if it is of another kind.
  [[nodiscard]] bool append(const Stage& any, std::size_t number);

  // Fills in bounds and offset. False if the result does not fit 32 bits, or if Scale's held values could be told
  // from what they stand for.
  [[nodiscard]] bool finish(FusedPlan& plan) const;

 private:
  bool shift_by(const Parameter& value, int sign);
  bool clamp(int128 low, int128 high);
  bool saturate(const Format& format, std::size_t number);

  int128 low_, high_;
  int128 offset_ = 0;
  int128 count_low_ = -kUnboundedTail, count_high_ = kUnboundedTail;
  std::optional<std::size_t> counted_;
};

}  // namespace guardbit::arith::detail
