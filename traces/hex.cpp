#include "traces/hex.hpp"

#include <fmt/format.h>

#include "arith/error.hpp"
#include "arith/format.hpp"
#include "traces/detail/words.hpp"

namespace guardbit::traces {

std::string element_hex(std::int64_t value, int elem_bits) {
  std::string text(static_cast<std::size_t>((elem_bits + 3) / 4), '0');
  detail::put_element(text, 0, elem_bits, value);
  return text;
}

std::string to_hex(std::span<const std::int64_t> values, const WordFormat& format,
                   std::span<const std::string> header, const std::string& where) {
  const arith::Format range = arith::integer_format(format.elem_bits, format.is_signed);
  const auto digits = static_cast<std::size_t>(format.hex_digits());
  std::string text;
  for (const std::string& line : header) text += "// " + line + '\n';
  const auto lanes = static_cast<std::size_t>(format.elems_per_word);
  for (std::size_t first = 0; first < values.size(); first += lanes) {
    std::string word(digits, '0');
    for (std::size_t lane = 0; lane < lanes && first + lane < values.size(); ++lane) {
      const std::int64_t value = values[first + lane];
      if (!range.contains(value)) {
        throw Error(fmt::format("{}: element {}: found {}, allowed {}", where, first + lane, value,
                                arith::to_string(range)));
      }
      detail::put_element(word, static_cast<int>(lane) * format.elem_bits, format.elem_bits, value);
    }
    text += word;
    text += '\n';
  }
  return text;
}

std::vector<std::int64_t> parse_hex(std::string_view text, const WordFormat& format, std::int64_t elements,
                                    const std::string& where) {
  const auto digits = static_cast<std::size_t>(format.hex_digits());
  const std::int64_t words = format.words(elements);
  // Each word takes its digits and a line break, so the text bounds the allocation.
  if (elements < 0 || words > static_cast<std::int64_t>(text.size() / (digits + 1) + 1)) {
    throw Error(fmt::format("{}: found {} bytes, allowed {} words of {} digits", where, text.size(), words, digits));
  }
  std::vector<std::int64_t> values;
  values.reserve(static_cast<std::size_t>(elements));
  std::int64_t word = 0;
  for (detail::Lines lines(text); lines.next();) {
    const std::string_view line = detail::trimmed(lines.line());
    if (line.empty() || line.starts_with("//")) continue;
    const auto fail = [&](const std::string& found, const std::string& allowed) {
      throw Error(fmt::format("{}:{}: found {}, allowed {}", where, lines.number(), found, allowed));
    };
    if (line.size() != digits || !detail::all_hex(line)) {
      fail(detail::shown(line), fmt::format("{} hexadecimal digits", digits));
    }
    if (word == words) fail("a word too many", fmt::format("{} words", words));
    for (int lane = 0; lane < format.elems_per_word; ++lane) {
      const std::int64_t value = detail::get_element(line, lane * format.elem_bits, format.elem_bits, format.is_signed);
      if (static_cast<std::int64_t>(values.size()) < elements) {
        values.push_back(value);
      } else if (value != 0) {
        fail(detail::shown(line), "0 in lanes beyond the last element");
      }
    }
    if (!detail::high_bits_zero(line, format.elem_bits * format.elems_per_word)) {
      fail(detail::shown(line), fmt::format("{} bits", format.elem_bits * format.elems_per_word));
    }
    ++word;
  }
  if (word != words) throw Error(fmt::format("{}: found {} words, allowed {}", where, word, words));
  return values;
}

}  // namespace guardbit::traces
