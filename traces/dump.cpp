// Reading what a simulator wrote: tolerant in spelling, strict in bounds.
#include <fmt/format.h>

#include "arith/error.hpp"
#include "traces/detail/words.hpp"
#include "traces/hex.hpp"

namespace guardbit::traces {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v'; }
bool is_unknown(char c) { return c == 'x' || c == 'X' || c == 'z' || c == 'Z'; }

// Splits into tokens without comments and white space, counting lines.
class Tokens {
 public:
  Tokens(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  bool next() {
    skip();
    if (position_ == text_.size()) return false;
    const std::size_t first = position_;
    while (position_ < text_.size() && !is_space(text_[position_]) && text_[position_] != '/') ++position_;
    if (position_ == first) fail(detail::shown(text_.substr(first, 1)), "hexadecimal words, comments, @address");
    token_ = text_.substr(first, position_ - first);
    return true;
  }
  [[nodiscard]] std::string_view token() const { return token_; }
  [[noreturn]] void fail(const std::string& found, const std::string& allowed) const {
    throw Error(fmt::format("{}:{}: found {}, allowed {}", where_, line_, found, allowed));
  }

 private:
  void skip() {
    while (position_ < text_.size()) {
      const std::string_view rest = text_.substr(position_);
      if (is_space(rest[0])) {
        advance(1);
      } else if (rest.starts_with("//")) {
        advance(std::min(rest.find('\n'), rest.size()));
      } else if (rest.starts_with("/*")) {
        const std::size_t end = rest.find("*/", 2);
        if (end == std::string_view::npos) fail("a comment without end", "*/");
        advance(end + 2);
      } else {
        return;
      }
    }
  }
  void advance(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) line_ += text_[position_ + i] == '\n' ? 1 : 0;
    position_ += count;
  }

  std::string_view text_;
  const std::string& where_;
  std::size_t position_ = 0;
  std::int64_t line_ = 1;
  std::string_view token_;
};

std::int64_t parse_address(const Tokens& tokens) {
  const std::string_view digits = tokens.token().substr(1);
  if (digits.empty() || digits.size() > 15 || !detail::all_hex(digits)) {
    tokens.fail(detail::shown(tokens.token()), "@ and 1 to 15 hexadecimal digits");
  }
  return detail::get_element(digits, 0, 64, false);
}

// Digits without `_`; x and z stay.
std::string word_digits(const Tokens& tokens, int bits) {
  std::string digits;
  for (const char c : tokens.token()) {
    if (c == '_') continue;
    if (detail::digit_value(c) < 0 && !is_unknown(c)) {
      tokens.fail(detail::shown(tokens.token()), "hexadecimal digits, x, z or _");
    }
    digits += c;
  }
  const std::size_t first = std::min(digits.find_first_not_of('0'), digits.size());
  digits.erase(0, first);
  if (digits.size() > static_cast<std::size_t>((bits + 3) / 4)) {
    tokens.fail(detail::shown(tokens.token()), fmt::format("words of {} bits", bits));
  }
  return digits;
}

DumpElement element_of(const std::string& digits, int offset, const WordFormat& format) {
  // Every digit that shares a bit with the element counts.
  for (int digit = offset / 4; digit <= (offset + format.elem_bits - 1) / 4; ++digit) {
    const auto index = static_cast<std::size_t>(digit);
    if (index < digits.size() && is_unknown(digits[digits.size() - 1 - index])) {
      return {.present = true, .known = false, .value = 0};
    }
  }
  std::string known = digits;
  for (char& c : known) {
    if (is_unknown(c)) c = '0';
  }
  return {.present = true, .known = true,
          .value = detail::get_element(known, offset, format.elem_bits, format.is_signed)};
}

}  // namespace

Dump parse_dump(std::string_view text, const WordFormat& format, std::int64_t elements, const std::string& where) {
  Dump dump;
  dump.elements.resize(static_cast<std::size_t>(elements));
  const int bits = format.elem_bits * format.elems_per_word;
  std::int64_t word = 0;
  for (Tokens tokens(text, where); tokens.next();) {
    if (tokens.token()[0] == '@') {
      word = parse_address(tokens);
      continue;
    }
    const std::string digits = word_digits(tokens, bits);
    for (int lane = 0; lane < format.elems_per_word; ++lane) {
      // word < 2^60, lanes <= 256: no overflow as long as words beyond the end are not multiplied.
      const bool inside = word < format.words(elements);
      const std::int64_t index = inside ? word * format.elems_per_word + lane : elements;
      if (index < elements) {
        dump.elements[static_cast<std::size_t>(index)] = element_of(digits, lane * format.elem_bits, format);
      } else if (!inside) {
        ++dump.extra;
      }
    }
    ++word;
  }
  return dump;
}

}  // namespace guardbit::traces
