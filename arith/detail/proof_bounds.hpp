// Bounds on running sums from sums of squares, in binary32 that errs on the safe side only.
//
// By Cauchy and Schwarz no sum of some of the products x_k * w_k exceeds |x| * |w|. A prefix p of a segment that begins
// with the sum b and ends with e satisfies |p - b| <= |x'| |w'| and |p - e| <= |x''| |w''|, where ' and '' are the
// parts before and behind it: |x'|^2 + |x''|^2 = |x|^2, and so for w. The smaller of the two products is largest where
// both parts are equal, and then |x| |w| / 2. So every running sum lies within |x| |w| / 2 of [min(b, e), max(b, e)].
#pragma once

#include <cmath>
#include <cstdint>

namespace guardbit::arith::detail {

// Conversion, root and a later product err by less than 2^-24 each: 2^-18 covers them all.
inline constexpr double kInflate = 1.0 + 0x1p-18;

// At least the root of a sum of squares.
[[nodiscard]] inline float norm_of(double squares) { return static_cast<float>(std::sqrt(squares) * kInflate); }

// At least half of the root; whole numbers and binary32 all along, for vectors.
[[nodiscard]] inline float half_norm_of(std::int32_t squares) {
  return std::sqrt(static_cast<float>(squares)) * static_cast<float>(kInflate / 2);
}

}  // namespace guardbit::arith::detail
