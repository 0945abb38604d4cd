// Minifloats by search: all numbers of a format in a table, written down from the definition; encoding looks for the
// neighbours of a number and decides between them.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "arith/minifloat.hpp"

namespace guardbit::arith::testing {

class MinifloatTable {
 public:
  explicit MinifloatTable(const Format& format) : format_(format) {
    const int e = format.exponent_bits;
    const int m = format.width - 1 - e;
    const int codes = 1 << (e + m);
    switch (format.specials) {
      case Specials::None: finite_ = codes; break;
      case Specials::Fn: finite_ = codes - 1; break;
      case Specials::Ieee: finite_ = codes - (1 << m); break;
    }
    for (int code = 0; code <= codes + 1; ++code) {  // two more than there are: what would come next
      const int field = e == 0 ? 0 : code >> m;
      const int mantissa = e == 0 ? code : code & ((1 << m) - 1);
      value_.push_back(field == 0 ? std::ldexp(mantissa, 1 - format.bias - m)
                                  : std::ldexp((1 << m) + mantissa, field - format.bias - m));
    }
  }

  [[nodiscard]] int finite() const { return finite_; }  // magnitudes 0 .. finite - 1 are numbers
  [[nodiscard]] double value(int magnitude) const { return value_[static_cast<std::size_t>(magnitude)]; }

  [[nodiscard]] Encoded encode(double number) const {
    const bool negative = std::signbit(number);
    const std::uint64_t sign = negative ? std::uint64_t{1} << (format_.width - 1) : 0;
    const double magnitude = std::fabs(number);
    // Lower neighbour. Numbers beyond the table are beyond the range in any case.
    const auto above = std::upper_bound(value_.begin(), value_.end(), magnitude);
    auto code = static_cast<int>(above - value_.begin()) - 1;
    bool inexact = value(code) != magnitude;
    if (above == value_.end()) {
      inexact = false;  // the caller does not compare it
    } else if (inexact && goes_up(number, code)) {
      ++code;
    }
    if (code >= finite_) return {.code = sign | beyond(negative), .overflowed = true, .inexact = inexact};
    return {.code = sign | static_cast<std::uint64_t>(code), .inexact = inexact};
  }
  [[nodiscard]] bool within_table(double number) const { return std::fabs(number) < value_.back(); }

 private:
  [[nodiscard]] bool goes_up(double number, int lower) const {
    const double magnitude = std::fabs(number);
    const bool negative = number < 0;
    const double from_lower = magnitude - value(lower);
    const double to_upper = value(lower + 1) - magnitude;
    const bool tie = from_lower == to_upper;
    const bool near_upper = from_lower > to_upper;
    // Without mantissa bits the significand is 0 or 1.
    const bool lower_is_even = format_.mantissa_bits() > 0 ? lower % 2 == 0 : lower == 0;
    switch (format_.rounding) {
      case Rounding::RND: return near_upper || (tie && !negative);
      case Rounding::RND_ZERO: return near_upper;
      case Rounding::RND_MIN_INF: return near_upper || (tie && negative);
      case Rounding::RND_INF: return near_upper || tie;
      case Rounding::RND_CONV: return near_upper || (tie && !lower_is_even);
      case Rounding::RND_CONV_ODD: return near_upper || (tie && lower_is_even);
      case Rounding::TRN: return negative;
      case Rounding::TRN_ZERO: return false;
    }
    return false;
  }
  [[nodiscard]] std::uint64_t beyond(bool negative) const {
    const bool inward = format_.rounding == Rounding::TRN_ZERO || (format_.rounding == Rounding::TRN && !negative);
    const bool special = format_.overflows_to_special && !inward;
    if (!special) return static_cast<std::uint64_t>(finite_ - 1);
    return static_cast<std::uint64_t>(finite_);  // infinity, or the only NaN, comes right after the numbers
  }

  Format format_;
  int finite_ = 0;
  std::vector<double> value_;
};

}  // namespace guardbit::arith::testing
