#include "traces/detail/words.hpp"

namespace guardbit::traces::detail {
namespace {

constexpr char kDigits[] = "0123456789abcdef";
constexpr std::size_t kShown = 40;

// Bit `index` from the least significant end; 0 beyond the left end.
int bit(std::string_view word, int index) {
  const auto from_right = static_cast<std::size_t>(index / 4);
  if (from_right >= word.size()) return 0;
  return (digit_value(word[word.size() - 1 - from_right]) >> (index % 4)) & 1;
}

}  // namespace

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool all_hex(std::string_view text) {
  for (const char c : text) {
    if (digit_value(c) < 0) return false;
  }
  return true;
}

void put_element(std::string& word, int offset, int bits, std::int64_t value) {
  const auto pattern = static_cast<std::uint64_t>(value);
  for (int i = 0; i < bits; ++i) {
    if (((pattern >> i) & 1) == 0) continue;
    char& digit = word[word.size() - 1 - static_cast<std::size_t>((offset + i) / 4)];
    digit = kDigits[digit_value(digit) | (1 << ((offset + i) % 4))];
  }
}

std::int64_t get_element(std::string_view word, int offset, int bits, bool is_signed) {
  std::uint64_t pattern = 0;
  for (int i = 0; i < bits; ++i) pattern |= static_cast<std::uint64_t>(bit(word, offset + i)) << i;
  const bool negative = is_signed && ((pattern >> (bits - 1)) & 1) != 0;
  if (negative && bits < 64) pattern |= ~std::uint64_t{0} << bits;
  return static_cast<std::int64_t>(pattern);
}

bool high_bits_zero(std::string_view word, int bits) {
  for (int i = bits; i < static_cast<int>(word.size()) * 4; ++i) {
    if (bit(word, i) != 0) return false;
  }
  return true;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::string shown(std::string_view text) {
  std::string result = "\"";
  for (const char c : text.substr(0, kShown)) result += c >= 0x20 && c < 0x7f ? c : '?';
  return result + (text.size() > kShown ? "...\"" : "\"");
}

}  // namespace guardbit::traces::detail
