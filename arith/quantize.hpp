// Many floats to codes of an integer or fixed format, with exact statistics.
//
// The definition is narrow(double, format) of arith/real.hpp, element by element; blocks of ordinary numbers run in
// vector loops, chosen at run time, that give the same codes and the same counts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "arith/number_format.hpp"

namespace guardbit::arith {

// All counts are of source values. Merging is associative and commutative.
struct QuantizeStatistics {
  static constexpr std::size_t kBitSlots = 66;

  std::uint64_t total = 0;
  std::uint64_t above = 0;    // overflow: the rounded value is beyond the largest code
  std::uint64_t below = 0;    // overflow: the rounded value is beyond the smallest code (of SAT_SYM: -largest)
  std::uint64_t inexact = 0;  // rounding dropped a one bit, whether or not the result overflowed
  std::uint64_t invalid = 0;  // NaN: code 0, in no other count but total
  // Smallest and largest source value, infinities included; meaningful when invalid < total.
  float lowest = 0;
  float highest = 0;
  // With `histogram`: needed_bits[b] values whose rounded code needs b bits of two's complement (0: it is zero; -1: one
  // bit; slot 65: more than 64). So the values that overflow w signed bits are those of the slots above w, for every w
  // at once.
  bool histogram = false;
  std::array<std::uint64_t, kBitSlots> needed_bits{};

  void merge(const QuantizeStatistics& other);
  friend bool operator==(const QuantizeStatistics&, const QuantizeStatistics&) = default;
};

// Codes of `in`, with the format's rounding and overflow mode; adds to `statistics`. Code: (u)int8, (u)int16, int32,
// int64; every code of the format must fit it, and the sizes must be equal, else Error. Codes and statistics do not
// depend on the number of threads.
template <typename Code>
void quantize(std::span<const float> in, const Format& format, std::span<Code> out, QuantizeStatistics& statistics,
              int threads = 1);

// The same with stochastic rounding: element i takes stochastic_word(seed, stream, first_index + i).
template <typename Code>
void quantize_stochastic(std::span<const float> in, const Format& format, std::uint64_t seed, std::uint64_t stream,
                         std::uint64_t first_index, std::span<Code> out, QuantizeStatistics& statistics,
                         int threads = 1);

}  // namespace guardbit::arith
