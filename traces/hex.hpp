// Text of `$readmemh`: one word per line, two's complement, zero-padded, lower case. Elements are packed into words
// with element 0 in the least significant bits (lane order lsb_first). FORMAT.md is the byte-level description.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace guardbit::traces {

struct WordFormat {
  int elem_bits = 8;  // 1..64
  bool is_signed = true;
  int elems_per_word = 1;  // 1..256
  // Hexadecimal digits of one word: ceil(elem_bits * elems_per_word / 4).
  [[nodiscard]] int hex_digits() const { return (elem_bits * elems_per_word + 3) / 4; }
  [[nodiscard]] std::int64_t words(std::int64_t elements) const {
    return (elements + elems_per_word - 1) / elems_per_word;
  }
  friend constexpr bool operator==(const WordFormat&, const WordFormat&) = default;
};

inline constexpr int kMaxElemsPerWord = 256;

// The value as the hex text that an RTL engineer reads for one element: 8'h6d -> "6d".
[[nodiscard]] std::string element_hex(std::int64_t value, int elem_bits);

// `header` lines come first, as `//` comments. Missing lanes of the last word are 0. Error when a value does not fit.
[[nodiscard]] std::string to_hex(std::span<const std::int64_t> values, const WordFormat& format,
                                 std::span<const std::string> header, const std::string& where);

// Exactly what to_hex writes: `words` words of exactly hex_digits() digits, nothing but comments and blank lines
// around them, unused lanes and unused high bits 0. Error with WHERE:LINE otherwise.
[[nodiscard]] std::vector<std::int64_t> parse_hex(std::string_view text, const WordFormat& format,
                                                  std::int64_t elements, const std::string& where);

// One element of a device's dump.
struct DumpElement {
  bool present = false;  // a word was written there
  bool known = true;     // false: a digit was x or z
  std::int64_t value = 0;
};

// A dump as simulators write it ($writememh, $display("%h")): words separated by white space, `//` and `/* */`
// comments, `@address` in hexadecimal, `_` between digits, x and z digits, upper or lower case; leading zeros may be
// missing. Elements beyond `elements` are counted in `extra` and not kept.
struct Dump {
  std::vector<DumpElement> elements;
  std::int64_t extra = 0;
};
[[nodiscard]] Dump parse_dump(std::string_view text, const WordFormat& format, std::int64_t elements,
                              const std::string& where);

}  // namespace guardbit::traces
