// Words as hex text of any length: bit fields, digits, lines. Shared by hex.cpp and dump.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace guardbit::traces::detail {

// -1 for what is no hexadecimal digit.
[[nodiscard]] int digit_value(char c);
[[nodiscard]] bool all_hex(std::string_view text);

// ORs the low `bits` bits of `value` into `word` (all zeros there), `offset` bits from its least significant end.
void put_element(std::string& word, int offset, int bits, std::int64_t value);

// Reads a field of `bits` bits (1..64), sign-extended when `is_signed`. Digits beyond the left end are 0. Every digit
// must be hexadecimal.
[[nodiscard]] std::int64_t get_element(std::string_view word, int offset, int bits, bool is_signed);

// No bit at or above `bits` is set.
[[nodiscard]] bool high_bits_zero(std::string_view word, int bits);

[[nodiscard]] std::string_view trimmed(std::string_view text);

// In quotes, printable and short: for messages about untrusted text.
[[nodiscard]] std::string shown(std::string_view text);

// Lines of a text, numbered from 1, without their line breaks.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}
  bool next() {
    if (rest_.empty()) return false;
    const std::size_t end = rest_.find('\n');
    line_ = rest_.substr(0, end);
    rest_ = end == std::string_view::npos ? std::string_view{} : rest_.substr(end + 1);
    ++number_;
    return true;
  }
  [[nodiscard]] std::string_view line() const { return line_; }
  [[nodiscard]] std::int64_t number() const { return number_; }

 private:
  std::string_view rest_, line_;
  std::int64_t number_ = 0;
};

}  // namespace guardbit::traces::detail
