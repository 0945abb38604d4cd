// The tail of a fused stage list.
#include "arith/detail/fused_tail.hpp"

#include <algorithm>

namespace guardbit::arith::detail {
namespace {

constexpr int128 kHeld = int128{1} << 30;  // the loop holds Scale's value within plus or minus this

}  // namespace

bool FusedTail::append(const Stage& any, std::size_t number) {
  if (const auto* add = std::get_if<Add>(&any)) return shift_by(add->value, 1);
  if (const auto* subtract = std::get_if<Subtract>(&any)) return shift_by(subtract->value, -1);
  if (std::holds_alternative<Relu>(any)) return clamp(-offset_, kUnboundedTail);
  if (const auto* bounds = std::get_if<Clamp>(&any)) {
    return clamp(bounds->low ? *bounds->low - offset_ : -kUnboundedTail,
                 bounds->high ? *bounds->high - offset_ : kUnboundedTail);
  }
  const auto* narrow = std::get_if<Narrow>(&any);
  return narrow != nullptr && saturate(narrow->format, number);
}

bool FusedTail::finish(FusedPlan& plan) const {
  if (!fits32(low_ + offset_) || !fits32(high_ + offset_) || !fits32(offset_) || !fits32(low_) || !fits32(high_)) {
    return false;
  }
  const auto held = [](int128 value) { return -kHeld < value && value < kHeld; };
  const bool counts_held =
      (count_low_ == -kUnboundedTail || held(count_low_)) && (count_high_ == kUnboundedTail || held(count_high_));
  if (plan.core == FusedCore::Scale && !(held(low_) && held(high_) && counts_held)) return false;
  plan.low = static_cast<std::int32_t>(low_);
  plan.high = static_cast<std::int32_t>(high_);
  plan.offset = static_cast<std::int32_t>(offset_);
  plan.count_low = static_cast<std::int32_t>(std::max(count_low_, int128{INT32_MIN}));
  plan.count_high = static_cast<std::int32_t>(std::min(count_high_, int128{INT32_MAX}));
  plan.counted = counted_;
  plan.code_low = static_cast<std::int64_t>(low_ + offset_);
  plan.code_high = static_cast<std::int64_t>(high_ + offset_);
  return true;
}

bool FusedTail::shift_by(const Parameter& value, int sign) {
  offset_ += int128{value.values[0]} * sign;
  return value.values.size() == 1;
}

// A clamp after a clamp is one clamp: its bounds are those of the first, clamped.
bool FusedTail::clamp(int128 low, int128 high) {
  low_ = std::min(std::max(low_, low), high);
  high_ = std::min(std::max(high_, low), high);
  return true;
}

bool FusedTail::saturate(const Format& format, std::size_t number) {
  const bool symmetric = format.overflow == Overflow::SAT_SYM && format.is_signed;
  const int128 high = format.max_code() - offset_;
  const int128 low = (symmetric ? -format.max_code() : format.min_code()) - offset_;
  if (low <= low_ && high_ <= high) return true;  // proven to change nothing
  const bool saturates = format.overflow == Overflow::SAT || format.overflow == Overflow::SAT_SYM;
  // Values all on one side, or a second stage that counts: not a form of the loop.
  if (!saturates || counted_ || high_ < low || low_ > high) return false;
  counted_ = number;
  if (low_ < low) count_low_ = low;
  if (high_ > high) count_high_ = high;
  return clamp(low, high);
}

}  // namespace guardbit::arith::detail
