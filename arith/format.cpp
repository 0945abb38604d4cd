// Text form of formats.
#include "arith/format.hpp"

#include <charconv>

#include "arith/detail/format_text.hpp"
#include "arith/error.hpp"

namespace guardbit::arith {
namespace detail {

std::string quoted(std::string_view text) {
  std::string shown = "\"";
  for (const char c : text.substr(0, 60)) {
    shown += c >= ' ' && c <= '~' ? c : '?';
  }
  return shown + (text.size() > 60 ? "...\"" : "\"");
}

void fail_format(std::string_view text, const std::string& why) {
  throw Error("format " + quoted(text) + ": " + why);
}

int parse_number(std::string_view text, std::string_view field, const char* what, int low, int high) {
  int value = 0;
  const char* end = field.data() + field.size();
  const auto [stop, error] = std::from_chars(field.data(), end, value);
  if (error != std::errc{} || stop != end || value < low || value > high) {
    fail_format(text, std::string(what) + " " + quoted(field) + " is not a number from " + std::to_string(low) +
                          " to " + std::to_string(high));
  }
  return value;
}

std::string rounding_names() {
  std::string names;
#define X(id, meaning) names += names.empty() ? #id : " " #id;
  GUARDBIT_ROUNDING_MODES(X)
#undef X
  return names;
}

std::vector<std::string_view> split_fields(std::string_view text, std::string_view list, std::size_t limit) {
  if (list.size() < 2 || list.front() != '<' || list.back() != '>') {
    fail_format(text, "expected <...> after the name");
  }
  list = list.substr(1, list.size() - 2);
  std::vector<std::string_view> fields;
  for (;;) {
    const std::size_t comma = list.find(',');
    fields.push_back(list.substr(0, comma));
    if (fields.size() > limit) {
      fail_format(text, "more than " + std::to_string(limit) + " fields");
    }
    if (comma == std::string_view::npos) {
      return fields;
    }
    list.remove_prefix(comma + 1);
  }
}

}  // namespace detail

namespace {

using detail::fail_format;
using detail::parse_number;
using detail::quoted;
using detail::split_fields;

constexpr int kMaxIntegerBits = 256;  // either sign; far beyond any use, and keeps every shift small

std::string without_spaces(std::string_view text) {
  std::string kept;
  for (const char c : text) {
    if (c != ' ' && c != '\t') {
      kept += c;
    }
  }
  return kept;
}

Overflow parse_overflow_field(std::string_view text, std::string_view field) {
  const std::optional<Overflow> mode = parse_overflow(field);
  if (!mode) {
    std::string names;
#define X(id, meaning) names += names.empty() ? #id : " " #id;
    GUARDBIT_OVERFLOW_MODES(X)
#undef X
    fail_format(text, "unknown overflow mode " + quoted(field) + "; allowed: " + names);
  }
  return *mode;
}

Rounding parse_rounding_field(std::string_view text, std::string_view field) {
  const std::optional<Rounding> mode = parse_rounding(field);
  if (!mode) {
    fail_format(text, "unknown rounding mode " + quoted(field) + "; allowed: " + detail::rounding_names());
  }
  return *mode;
}

void check_overflow(std::string_view text, const Format& format, bool has_n_bits) {
  if (format.overflow == Overflow::WRAP_SM && !format.is_signed) {
    fail_format(text, "WRAP_SM needs a signed format; allowed: SAT SAT_ZERO SAT_SYM WRAP");
  }
  if (has_n_bits && format.overflow != Overflow::WRAP && format.overflow != Overflow::WRAP_SM) {
    fail_format(text, "saturated bits are allowed with WRAP and WRAP_SM only");
  }
}

// rest: `8`, `<8>`, `<20,WRAP>` or `<20,WRAP,n_bits>`
Format parse_integer(std::string_view text, std::string_view rest, bool is_signed) {
  if (rest.front() != '<') {
    return integer_format(parse_number(text, rest, "width", 1, kMaxWidth), is_signed);
  }
  const auto fields = split_fields(text, rest, 3);
  Format format = integer_format(parse_number(text, fields[0], "width", 1, kMaxWidth), is_signed);
  if (fields.size() > 1) {
    format.overflow = parse_overflow_field(text, fields[1]);
  }
  if (fields.size() > 2) {
    format.n_bits = parse_number(text, fields[2], "saturated bits", 0, format.width);
  }
  check_overflow(text, format, fields.size() > 2);
  return format;
}

// rest: `<W,I>`, `<W,I,ROUNDING>`, `<W,I,ROUNDING,OVERFLOW>` or with n_bits after it
Format parse_fixed(std::string_view text, std::string_view rest, bool is_signed) {
  const auto fields = split_fields(text, rest, 5);
  if (fields.size() < 2) {
    fail_format(text, "expected <width,integer_bits,...>");
  }
  Format format{.kind = Kind::Fixed, .is_signed = is_signed, .rounding = Rounding::TRN, .overflow = Overflow::WRAP};
  format.width = parse_number(text, fields[0], "width", 1, kMaxWidth);
  format.integer_bits = parse_number(text, fields[1], "integer bits", -kMaxIntegerBits, kMaxIntegerBits);
  if (fields.size() > 2) {
    format.rounding = parse_rounding_field(text, fields[2]);
  }
  if (fields.size() > 3) {
    format.overflow = parse_overflow_field(text, fields[3]);
  }
  if (fields.size() > 4) {
    format.n_bits = parse_number(text, fields[4], "saturated bits", 0, format.width);
  }
  check_overflow(text, format, fields.size() > 4);
  return format;
}

}  // namespace

std::string to_string(const Format& format) {
  switch (format.kind) {
    case Kind::Float:
      return "float";
    case Kind::Minifloat:
      return detail::minifloat_text(format);
    case Kind::Bipolar:
      return "bipolar";
    case Kind::Integer:
    case Kind::Fixed:
      break;
  }
  std::string text = format.is_signed ? "" : "u";
  if (format.kind == Kind::Integer && format.overflow == Overflow::SAT) {
    return text.append("int").append(std::to_string(format.width));
  }
  text.append(format.kind == Kind::Integer ? "int<" : "fixed<").append(std::to_string(format.width));
  if (format.kind == Kind::Fixed) {
    text.append(",").append(std::to_string(format.integer_bits)).append(",").append(name(format.rounding));
  }
  text.append(",").append(name(format.overflow));
  if (format.n_bits != 0) {
    text.append(",").append(std::to_string(format.n_bits));
  }
  return text.append(">");
}

Format parse_format(std::string_view text) {
  const std::string compact = without_spaces(text);
  const std::string_view whole = compact;
  if (whole == "float") {
    return Format{.kind = Kind::Float, .width = 32, .integer_bits = 32};
  }
  if (whole == "bipolar" || whole == "binary") {
    return kBipolar;
  }
  if (whole == "ternary") {
    return kTernary;
  }
  if (const std::optional<Format> minifloat = detail::parse_minifloat(text, whole)) {
    return *minifloat;
  }
  const bool is_signed = !whole.starts_with('u');
  const std::string_view body = is_signed ? whole : whole.substr(1);
  if (body.starts_with("int") && body.size() > 3) {
    return parse_integer(text, body.substr(3), is_signed);
  }
  if (body.starts_with("fixed") && body.size() > 5) {
    return parse_fixed(text, body.substr(5), is_signed);
  }
  fail_format(text,
              "expected intN, uintN, int<N,OVERFLOW>, fixed<W,I,ROUNDING,OVERFLOW>, ufixed<...>, minifloat<E,M>, "
              "pow2<E,BIAS>, float16, bfloat16, e4m3, e5m2, ternary, bipolar or float");
}

}  // namespace guardbit::arith
