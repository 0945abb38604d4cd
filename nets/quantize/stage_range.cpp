// Interval arithmetic over requantize stages.
#include "nets/quantize/stage_range.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "arith/round.hpp"

namespace guardbit::nets {
namespace {

using arith::Format;
using arith::int128;
using arith::Overflow;

constexpr int128 kHeld = int128{1} << 120;

int128 held(int128 value) { return std::clamp(value, -kHeld, kHeld); }

int128 times(int128 a, int128 b) {
  int128 product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return (a < 0) == (b < 0) ? kHeld : -kHeld;
  return held(product);
}

// |relative error| of float(v) * scale is below 2^-22; one more for rounding to an integer.
Interval scaled(const Interval& in, float scale) {
  const double a = static_cast<double>(in.low) * scale;
  const double b = static_cast<double>(in.high) * scale;
  const double low = std::min(a, b);
  const double high = std::max(a, b);
  const auto limit = [](double v) { return static_cast<int128>(std::clamp(v, -0x1p120, 0x1p120)); };
  return {limit(std::floor(low - std::abs(low) * 0x1p-22 - 1)), limit(std::ceil(high + std::abs(high) * 0x1p-22 + 1))};
}

Interval narrowed(const Interval& in, const Format& format) {
  Interval bounds = format_interval(format);
  if (format.overflow == Overflow::SAT_SYM && format.is_signed) bounds.low = -bounds.high;
  if (within(in, bounds)) return in;
  const auto clamped = [&](int128 low, int128 high) {
    return Interval{std::clamp(in.low, low, high), std::clamp(in.high, low, high)};
  };
  switch (format.overflow) {
    case Overflow::SAT:
    case Overflow::SAT_SYM:
      return clamped(bounds.low, bounds.high);
    case Overflow::SAT_ZERO:
      return hull(clamped(bounds.low, bounds.high), {0, 0});
    case Overflow::WRAP:
    case Overflow::WRAP_SM:
      return bounds;
  }
  __builtin_unreachable();
}

}  // namespace

Interval format_interval(const Format& format) { return {format.min_code(), format.max_code()}; }

Interval hull(const Interval& a, const Interval& b) { return {std::min(a.low, b.low), std::max(a.high, b.high)}; }

bool within(const Interval& inner, const Interval& outer) { return outer.low <= inner.low && inner.high <= outer.high; }

Interval stage_interval(const arith::StageList& stages, Interval in, std::int64_t channel) {
  for (const arith::Stage& any : stages) {
    in = std::visit(
        [&](const auto& stage) -> Interval {
          using T = std::decay_t<decltype(stage)>;
          if constexpr (std::is_same_v<T, arith::Add>) {
            return {held(in.low + stage.value.at(channel)), held(in.high + stage.value.at(channel))};
          } else if constexpr (std::is_same_v<T, arith::Subtract>) {
            return {held(in.low - stage.value.at(channel)), held(in.high - stage.value.at(channel))};
          } else if constexpr (std::is_same_v<T, arith::ShiftLeft>) {
            const int128 factor = int128{1} << stage.bits.at(channel);
            return {times(in.low, factor), times(in.high, factor)};
          } else if constexpr (std::is_same_v<T, arith::Multiply>) {
            const int128 a = times(in.low, stage.value.at(channel));
            const int128 b = times(in.high, stage.value.at(channel));
            const Interval product{std::min(a, b), std::max(a, b)};
            return stage.format ? narrowed(product, *stage.format) : product;
          } else if constexpr (std::is_same_v<T, arith::ShiftRight>) {
            const int bits = static_cast<int>(stage.bits.at(channel));
            return {arith::round_shift(in.low, bits, stage.rounding).value,
                    arith::round_shift(in.high, bits, stage.rounding).value};
          } else if constexpr (std::is_same_v<T, arith::Narrow>) {
            return narrowed(in, stage.format);
          } else if constexpr (std::is_same_v<T, arith::Relu>) {
            return {std::max<int128>(in.low, 0), std::max<int128>(in.high, 0)};
          } else if constexpr (std::is_same_v<T, arith::Clamp>) {
            const auto clamp = [&](int128 v) {
              if (stage.low && v < *stage.low) v = *stage.low;
              return stage.high && v > *stage.high ? int128{*stage.high} : v;
            };
            return {clamp(in.low), clamp(in.high)};
          } else {
            static_assert(std::is_same_v<T, arith::Scale>);
            return scaled(in,
                          stage.values.size() == 1 ? stage.values[0] : stage.values[static_cast<std::size_t>(channel)]);
          }
        },
        any);
  }
  return in;
}

Interval stage_interval_all(const arith::StageList& stages, const Interval& in, std::int64_t channels) {
  Interval all = stage_interval(stages, in, 0);
  for (std::int64_t c = 1; c < channels; ++c) all = hull(all, stage_interval(stages, in, c));
  return all;
}

}  // namespace guardbit::nets
