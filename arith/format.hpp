// Number formats as run-time values.
//
// A Format is structural, so that `template <Format F>` takes exactly this struct. `integer_bits` counts the sign
// (SystemC's and HLS's I); fraction bits = width - integer_bits, which may be negative or exceed the width.
// real value = code * 2^-frac_bits().
#pragma once

#include <string>
#include <string_view>

#include "arith/int128.hpp"
#include "arith/modes.hpp"

namespace guardbit::arith {

inline constexpr int kMaxWidth = 64;

enum class Kind : unsigned char {
  Integer,  // integer_bits == width
  Fixed,
  Float,  // not quantized: IEEE binary32, no code arithmetic
};

struct Format {
  Kind kind = Kind::Integer;
  int width = 8;
  int integer_bits = 8;
  bool is_signed = true;
  Rounding rounding = Rounding::RND_CONV;
  Overflow overflow = Overflow::SAT;
  int n_bits = 0;  // WRAP and WRAP_SM: number of saturated high bits (SystemC's n_bits)

  [[nodiscard]] constexpr int frac_bits() const { return width - integer_bits; }
  [[nodiscard]] constexpr int128 max_code() const { return (int128{1} << (is_signed ? width - 1 : width)) - 1; }
  [[nodiscard]] constexpr int128 min_code() const { return is_signed ? -(int128{1} << (width - 1)) : int128{0}; }
  [[nodiscard]] constexpr bool contains(int128 code) const { return min_code() <= code && code <= max_code(); }

  friend constexpr bool operator==(const Format&, const Format&) = default;
};

[[nodiscard]] constexpr Format integer_format(int width, bool is_signed = true, Overflow overflow = Overflow::SAT) {
  return Format{.kind = Kind::Integer, .width = width, .integer_bits = width, .is_signed = is_signed,
                .rounding = Rounding::TRN, .overflow = overflow};
}

// Canonical text form: `int8`, `uint4` (SAT is the default overflow mode of an integer), `int<20,WRAP>`,
// `fixed<W,I,RND_CONV,SAT>`, `ufixed<8,0,RND,SAT>`, `fixed<W,I,TRN,WRAP,2>` (n_bits), `float`.
[[nodiscard]] std::string to_string(const Format& format);

// Inverse of to_string; also takes spaces, `int<8>` for `int8`, and `fixed<W,I>` (SystemC's defaults TRN, WRAP).
// Throws Error with the text, what is wrong in it and what is allowed (width 1..64, WRAP_SM for signed formats only).
[[nodiscard]] Format parse_format(std::string_view text);

}  // namespace guardbit::arith
