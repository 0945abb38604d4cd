// The stage `scale`: an integer times a binary32 number, to the nearest integer.
#pragma once

#include <cmath>

#include "arith/host_device.hpp"
#include "arith/int128.hpp"

namespace guardbit::arith {

inline constexpr float kFloatLimit = 0x1p120F;  // where the result is held, outside every format

// float(value) * scale in binary32, then to the nearest integer, ties to even, whatever the rounding mode of the
// floating-point unit says about integers.
[[nodiscard]] GUARDBIT_HD inline int128 scale_binary32(int128 value, float scale) {
  // Conversions from and to 64 bits where that is enough: every processor rounds them to the nearest number.
  const bool narrow = INT64_MIN <= value && value <= INT64_MAX;
  const float real = narrow ? static_cast<float>(static_cast<std::int64_t>(value)) : static_cast<float>(value);
  const float product = real * scale;
  if (!(product > -kFloatLimit)) return -(int128{1} << 120);
  if (product >= kFloatLimit) return int128{1} << 120;
  const float below = std::floor(product);
  const bool small = below > -0x1p62F && below < 0x1p62F;
  const int128 floor = small ? int128{static_cast<std::int64_t>(below)} : static_cast<int128>(below);
  const float fraction = product - below;  // exact: both have the same unit in the last place or a coarser one
  const bool up = fraction > 0.5F || (fraction == 0.5F && (floor & 1) != 0);
  return floor + (up ? 1 : 0);
}

}  // namespace guardbit::arith
