// Which values can leave a list of stages when an interval of values enters: interval arithmetic, sound, and exact
// for the monotone stages (all but wrapping and SAT_ZERO).
#pragma once

#include "arith/int128.hpp"
#include "arith/stages.hpp"

namespace guardbit::nets {

// Closed interval; low <= high. Magnitudes are held at 2^120, which is outside every format.
struct Interval {
  arith::int128 low = 0, high = 0;
  friend constexpr bool operator==(const Interval&, const Interval&) = default;
};

[[nodiscard]] Interval format_interval(const arith::Format& format);
[[nodiscard]] Interval hull(const Interval& a, const Interval& b);
[[nodiscard]] bool within(const Interval& inner, const Interval& outer);

[[nodiscard]] Interval stage_interval(const arith::StageList& stages, Interval in, std::int64_t channel);
// Over all channels.
[[nodiscard]] Interval stage_interval_all(const arith::StageList& stages, const Interval& in, std::int64_t channels);

}  // namespace guardbit::nets
