// narrow() once more, by hand: sign and magnitude, a remainder compared with one half, bits one by one. Shares nothing
// with arith/ but the names of formats and modes.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>

#include "arith/narrow.hpp"

namespace guardbit::arith::testing {

// An unsigned integer of 512 bits.
struct Big {
  std::array<std::uint32_t, 16> limb{};  // least significant first

  [[nodiscard]] static Big of(uint128 value) {
    Big big;
    for (std::size_t i = 0; i < 4; ++i) big.limb[i] = static_cast<std::uint32_t>(value >> (32 * i));
    return big;
  }
  [[nodiscard]] bool bit(int index) const {
    return index < 512 && ((limb[static_cast<std::size_t>(index) / 32] >> (index % 32)) & 1U) != 0;
  }
  void set(int index) { limb[static_cast<std::size_t>(index) / 32] |= std::uint32_t{1} << (index % 32); }
  [[nodiscard]] int compare(const Big& other) const {
    for (std::size_t i = 16; i-- > 0;) {
      if (limb[i] != other.limb[i]) return limb[i] < other.limb[i] ? -1 : 1;
    }
    return 0;
  }
  void increment() {
    for (std::uint32_t& digit : limb) {
      if (++digit != 0) return;
    }
  }
  // this * 2^by, or this / 2^-by rounded down; bits beyond 512 must be zeros.
  [[nodiscard]] Big moved(int by) const {
    Big result;
    for (int i = 0; i < 512; ++i) {
      if (bit(i) && i + by >= 0) result.set(i + by);
    }
    return result;
  }
};

struct BigAnswer {
  std::uint64_t bits = 0;  // the code's low `width` bits
  bool overflowed = false, inexact = false;
};

// The rounded magnitude of magnitude / 2^shift.
inline Big rounded_magnitude(const Big& magnitude, bool negative, int shift, Rounding mode, bool& inexact) {
  if (shift <= 0) return magnitude.moved(-shift);
  Big quotient = magnitude.moved(-shift);
  Big twice_rest;  // 2 * (magnitude mod 2^shift)
  for (int i = 0; i < shift && i < 500; ++i) {
    if (magnitude.bit(i)) twice_rest.set(i + 1);
  }
  if (twice_rest.compare(Big{}) == 0) return quotient;
  inexact = true;
  Big unit;
  if (shift < 512) unit.set(shift);
  const int side = shift < 512 ? twice_rest.compare(unit) : -1;  // below, at or above one half
  const bool tie = side == 0;
  bool grows = side > 0;  // away from zero
  switch (mode) {
    case Rounding::RND: grows |= tie && !negative; break;
    case Rounding::RND_ZERO: break;
    case Rounding::RND_MIN_INF: grows |= tie && negative; break;
    case Rounding::RND_INF: grows |= tie; break;
    case Rounding::RND_CONV: grows |= tie && quotient.bit(0); break;
    case Rounding::RND_CONV_ODD: grows |= tie && !quotient.bit(0); break;
    case Rounding::TRN: grows = negative; break;
    case Rounding::TRN_ZERO: grows = false; break;
  }
  if (grows) quotient.increment();
  return quotient;
}

// IEEE 1666, 7.10.9.9, bit by bit: `value` is the two's complement of the number, `sign` its sign.
inline std::uint64_t overflow_bits(const std::bitset<520>& value, bool sign, const Format& format) {
  const auto width = static_cast<std::size_t>(format.width);
  const auto kept = static_cast<std::size_t>(format.n_bits);
  std::bitset<64> bits;
  const auto fill = [&](std::size_t from, bool with) {
    for (std::size_t i = from; i < width; ++i) bits[i] = with;
  };
  const auto maximum = [&] { fill(0, true); if (format.is_signed) bits[width - 1] = false; };
  const auto minimum = [&] { fill(0, false); if (format.is_signed) bits[width - 1] = true; };
  switch (format.overflow) {
    case Overflow::SAT:
      if (sign) minimum(); else maximum();
      break;
    case Overflow::SAT_ZERO:
      break;
    case Overflow::SAT_SYM:
      if (sign) minimum(); else maximum();
      if (sign && format.is_signed && width > 1) bits[0] = true;
      if (sign && format.is_signed && width == 1) bits[0] = false;  // minus zero
      break;
    case Overflow::WRAP:
    case Overflow::WRAP_SM: {
      for (std::size_t i = 0; i < width; ++i) bits[i] = value[i];
      const bool magnitude = format.overflow == Overflow::WRAP_SM;
      if (kept == 0) {
        if (!magnitude) break;
        const bool invert = value[width] != value[width - 1];
        for (std::size_t i = 0; i + 1 < width; ++i) bits[i] = bits[i] != invert;
        bits[width - 1] = value[width];
        break;
      }
      // The top `kept` bits: signed: the sign, then its opposite; unsigned: all ones above the range, zeros below.
      for (std::size_t i = width - kept; i < width; ++i) bits[i] = format.is_signed ? (i + 1 == width) == sign : !sign;
      if (magnitude && bits[width - kept] != value[width - kept]) {
        for (std::size_t i = 0; i + kept < width; ++i) bits[i] = !bits[i];
      }
      break;
    }
  }
  return bits.to_ullong();
}

// (-1)^negative * magnitude * 2^-frac_bits in the format.
inline BigAnswer big_narrow(const Big& magnitude, bool negative, int frac_bits, const Format& format) {
  BigAnswer answer;
  const Big rounded =
      rounded_magnitude(magnitude, negative, frac_bits - format.frac_bits(), format.rounding, answer.inexact);
  const bool sign = negative && rounded.compare(Big{}) != 0;
  Big bound;  // 2^(width - 1) or 2^width: the first magnitude beyond the positive codes
  bound.set(format.is_signed ? format.width - 1 : format.width);
  const int against = rounded.compare(bound);
  const bool lowest_too = format.overflow != Overflow::SAT_SYM;  // is -2^(width - 1) a code
  answer.overflowed = sign ? (!format.is_signed || against > 0 || (against == 0 && !lowest_too)) : against >= 0;
  std::bitset<520> value;
  for (int i = 0; i < 512; ++i) value[static_cast<std::size_t>(i)] = rounded.bit(i);
  if (sign) {  // two's complement: invert, add one
    value.flip();
    for (std::size_t i = 0; i < 520; ++i) {
      value.flip(i);
      if (value[i]) break;
    }
  }
  if (answer.overflowed) {
    answer.bits = overflow_bits(value, sign, format);
  } else {
    for (std::size_t i = 0; i < static_cast<std::size_t>(format.width); ++i) {
      answer.bits |= std::uint64_t{value[i]} << i;
    }
  }
  return answer;
}

}  // namespace guardbit::arith::testing
