// The one place where bits are lost.
//
// narrow(value, frac_bits, format): value * 2^-frac_bits is rounded to the format's fraction bits with its rounding
// mode, then fitted into its range with its overflow mode. Widen exactly everywhere else.
#pragma once

#include "arith/number_format.hpp"
#include "arith/overflow.hpp"
#include "arith/round.hpp"

namespace guardbit::arith {

struct Narrowed {
  int128 value = 0;         // code in the target format
  bool overflowed = false;  // the rounded value did not fit: `value` is the overflow mode's answer
  bool inexact = false;     // rounding dropped a one bit
  friend constexpr bool operator==(const Narrowed&, const Narrowed&) = default;
};

[[nodiscard]] constexpr Narrowed narrow(int128 value, int frac_bits, const Format& format) {
  const Rounded rounded = round_shift(value, frac_bits - format.frac_bits(), format.rounding);
  const Fitted fitted = fit(rounded.value, format);
  return {fitted.value, fitted.overflowed, rounded.inexact};
}

}  // namespace guardbit::arith
