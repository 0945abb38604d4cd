// A right shift with rounding as additions: round(v / 2^bits) = floor((v + base + selected extra) / 2^bits).
//
// Adding half of 2^bits rounds ties up, adding one less rounds them down; modes that round ties by sign or parity add
// one of these and correct it by `extra`. The definition is round_shift (round.hpp).
#pragma once

#include <cstdint>

#include "arith/modes.hpp"

namespace guardbit::arith::detail {

enum class RoundingSelect : unsigned char {
  None,
  Negative,  // `extra` where v < 0
  Odd,       // `extra` where floor(v / 2^bits) is odd
};

struct RoundingTerms {
  RoundingSelect select = RoundingSelect::None;  // depends on the mode only
  std::int64_t base = 0, extra = 0;              // base + extra >= 0
};

// bits: 0..62; by 0 bits nothing is added.
[[nodiscard]] constexpr RoundingTerms rounding_terms(Rounding mode, int bits) {
  const std::int64_t half = bits == 0 ? 0 : std::int64_t{1} << (bits - 1);
  const std::int64_t one = bits == 0 ? 0 : 1;
  switch (mode) {
    case Rounding::TRN:
      return {};
    case Rounding::RND:
      return {RoundingSelect::None, half, 0};
    case Rounding::RND_MIN_INF:
      return {RoundingSelect::None, half - one, 0};
    case Rounding::RND_INF:
      return {RoundingSelect::Negative, half, -one};
    case Rounding::RND_ZERO:
      return {RoundingSelect::Negative, half - one, one};
    case Rounding::TRN_ZERO:
      return {RoundingSelect::Negative, 0, half - one + half};
    case Rounding::RND_CONV:
      return {RoundingSelect::Odd, half - one, one};
    case Rounding::RND_CONV_ODD:
      return {RoundingSelect::Odd, half, -one};
  }
  __builtin_unreachable();
}

}  // namespace guardbit::arith::detail
