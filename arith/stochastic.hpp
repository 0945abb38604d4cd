// Stochastic rounding as a pure function of the value, the shift and a random word.
//
// The random word is named by what it is for: stochastic_word(seed, stream, index) is a number of its own for every
// element, so that a result depends neither on the order of the elements nor on threads or devices.
#pragma once

#include <cstdint>

#include "arith/narrow.hpp"
#include "arith/philox.hpp"

namespace guardbit::arith {

// Number `index` of the 64-bit numbers of Random(seed, stream), without drawing those before it.
[[nodiscard]] constexpr std::uint64_t stochastic_word(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) {
  const std::uint64_t block = index / 2;
  const auto words = philox4x32({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32),
                                 static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)},
                                {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
  const unsigned first = index % 2 == 0 ? 0 : 2;
  return words[first] | (std::uint64_t{words[first + 1]} << 32);
}

// value / 2^shift, up with a probability equal to the dropped fraction: floor((value + r) / 2^shift), where r are the
// top `shift` bits of `random`. Beyond 64 dropped bits the probability is the fraction's top 64 bits.
[[nodiscard]] constexpr Rounded round_shift_stochastic(int128 value, int shift, std::uint64_t random) {
  if (shift <= 0) {
    return round_shift(value, shift, Rounding::TRN);
  }
  const Rounded floor = round_shift(value, shift, Rounding::TRN);
  // The dropped bits, aligned to the top of 64: fraction * 2^64.
  const Rounded scaled = round_shift(value, shift - 64, Rounding::TRN);
  const auto fraction = static_cast<std::uint64_t>(static_cast<uint128>(scaled.value));
  const bool up = fraction + random < fraction;  // a carry; bits of `random` below the fraction's cannot make one
  return {floor.value + (up ? 1 : 0), floor.inexact};
}

// Up with probability one half whatever the fraction, if there is one (Mayo's `naive`).
[[nodiscard]] constexpr Rounded round_shift_coin(int128 value, int shift, std::uint64_t random) {
  const Rounded floor = round_shift(value, shift, Rounding::TRN);
  return {floor.value + (floor.inexact && (random >> 63) != 0 ? 1 : 0), floor.inexact};
}

// narrow() with stochastic rounding instead of the format's mode.
[[nodiscard]] constexpr Narrowed narrow_stochastic(int128 value, int frac_bits, const Format& format,
                                                   std::uint64_t random) {
  const Rounded rounded = round_shift_stochastic(value, frac_bits - format.frac_bits(), random);
  const Fitted fitted = fit(rounded.value, format);
  return {fitted.value, fitted.overflowed, rounded.inexact};
}

// 5/4: up when the two top bits of the word are 3.
static_assert(round_shift_stochastic(5, 2, 0xC000000000000000U) == Rounded{2, true});
static_assert(round_shift_stochastic(5, 2, 0xBFFFFFFFFFFFFFFFU) == Rounded{1, true});
static_assert(round_shift_stochastic(-5, 2, 0x4000000000000000U) == Rounded{-1, true});
static_assert(round_shift_stochastic(-5, 2, 0x3FFFFFFFFFFFFFFFU) == Rounded{-2, true});
static_assert(round_shift_stochastic(8, 2, ~std::uint64_t{0}) == Rounded{2, false});
static_assert(round_shift_coin(5, 2, 0x8000000000000000U) == Rounded{2, true});
static_assert(round_shift_coin(5, 2, 0x7FFFFFFFFFFFFFFFU) == Rounded{1, true});

}  // namespace guardbit::arith
