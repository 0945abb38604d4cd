// Text form of minifloats: float16, bfloat16, e4m3, e5m2, pow2<E,BIAS> and minifloat<E,M,...>.
#include <algorithm>
#include <array>
#include <utility>

#include "arith/detail/format_text.hpp"

namespace guardbit::arith::detail {
namespace {

constexpr int kMaxExponentBits = 11;
constexpr int kMaxMantissaBits = 52;
constexpr int kMaxExponent = 1023;  // of binary64, in which every value of a minifloat is exact
constexpr int kMinExponent = -1074;

constexpr std::array<std::pair<std::string_view, Format>, 4> kNamed = {
    {{"float16", kFloat16}, {"bfloat16", kBfloat16}, {"e4m3", kE4m3}, {"e5m2", kE5m2}}};

// Options after the numbers: FN or IEEE, a rounding mode, SAT.
void apply_option(std::string_view text, std::string_view field, bool with_specials, Format& format) {
  const std::optional<Rounding> rounding = parse_rounding(field);
  if (rounding) {
    format.rounding = *rounding;
  } else if (field == "SAT") {
    format.overflows_to_special = false;
  } else if (with_specials && (field == "FN" || field == "IEEE")) {
    format.specials = field == "FN" ? Specials::Fn : Specials::Ieee;
    format.overflows_to_special = true;
  } else {
    fail_format(text, "unknown option " + quoted(field) + "; allowed: " + (with_specials ? "IEEE FN " : "") + "SAT " +
                          rounding_names());
  }
}

void check_layout(std::string_view text, const Format& format) {
  const int mantissa = format.mantissa_bits();
  if (format.width < 2) {
    fail_format(text, "at least one exponent or mantissa bit is needed");
  }
  if (format.specials == Specials::Ieee && (format.exponent_bits == 0 || mantissa == 0)) {
    fail_format(text, "IEEE needs exponent and mantissa bits");
  }
  const int fields = format.exponent_bits == 0 ? 1 : (1 << format.exponent_bits) - 1;
  const int largest = fields - (format.specials == Specials::Ieee ? 1 : 0) - format.bias;
  const int smallest = 1 - format.bias - mantissa;
  if (largest > kMaxExponent || smallest < kMinExponent) {
    fail_format(text, "exponents " + std::to_string(smallest) + " to " + std::to_string(largest) + "; allowed: " +
                          std::to_string(kMinExponent) + " to " + std::to_string(kMaxExponent));
  }
}

bool is_number(std::string_view field) {
  return !field.empty() && (field[0] == '-' || (field[0] >= '0' && field[0] <= '9'));
}

// rest: `<E,M>`, `<E,M,BIAS>`, then options
Format parse_general(std::string_view text, std::string_view rest) {
  const auto fields = split_fields(text, rest, 6);
  if (fields.size() < 2) {
    fail_format(text, "expected <exponent_bits,mantissa_bits,...>");
  }
  const int exponent = parse_number(text, fields[0], "exponent bits", 0, kMaxExponentBits);
  const int mantissa = parse_number(text, fields[1], "mantissa bits", 0, kMaxMantissaBits);
  Format format = minifloat_format(exponent, mantissa);
  std::size_t next = 2;
  if (next < fields.size() && is_number(fields[next])) {
    format.bias = parse_number(text, fields[next++], "bias", -2048, 2048);
  }
  // SAT after IEEE or FN wins whatever their order.
  std::vector<std::string_view> options(fields.begin() + static_cast<std::ptrdiff_t>(next), fields.end());
  std::stable_partition(options.begin(), options.end(), [](std::string_view option) { return option != "SAT"; });
  for (const std::string_view option : options) {
    apply_option(text, option, true, format);
  }
  check_layout(text, format);
  return format;
}

// rest: `<E>` or `<E,BIAS>`, then a rounding mode
Format parse_pow2(std::string_view text, std::string_view rest) {
  const auto fields = split_fields(text, rest, 3);
  const int exponent = parse_number(text, fields[0], "exponent bits", 1, kMaxExponentBits);
  Format format = minifloat_format(exponent, 0);
  std::size_t next = 1;
  if (next < fields.size() && is_number(fields[next])) {
    format.bias = parse_number(text, fields[next++], "bias", -2048, 2048);
  }
  for (; next < fields.size(); ++next) {
    apply_option(text, fields[next], false, format);
  }
  check_layout(text, format);
  return format;
}

// The options that differ from `plain`, in canonical order.
std::string options_text(const Format& format, const Format& plain) {
  std::string text;
  if (format.specials != plain.specials) {
    text += format.specials == Specials::Fn ? ",FN" : ",IEEE";
  }
  if (format.rounding != Rounding::RND_CONV) {
    text.append(",").append(name(format.rounding));
  }
  if (format.specials != Specials::None && !format.overflows_to_special) {
    text += ",SAT";
  }
  return text;
}

}  // namespace

std::optional<Format> parse_minifloat(std::string_view text, std::string_view whole) {
  const std::size_t open = whole.find('<');
  const std::string_view head = whole.substr(0, open);
  const std::string_view rest = open == std::string_view::npos ? std::string_view{} : whole.substr(open);
  for (const auto& [known, plain] : kNamed) {
    if (head == known) {
      Format format = plain;
      if (!rest.empty()) {
        for (const std::string_view option : split_fields(text, rest, 2)) {
          apply_option(text, option, false, format);
        }
      }
      return format;
    }
  }
  if (head == "minifloat") {
    return parse_general(text, rest);
  }
  if (head == "pow2") {
    return parse_pow2(text, rest);
  }
  return std::nullopt;
}

std::string minifloat_text(const Format& format) {
  for (const auto& [known, plain] : kNamed) {
    Format bare = format;
    bare.rounding = plain.rounding;
    bare.overflows_to_special = plain.overflows_to_special;
    if (bare == plain) {
      const std::string options = options_text(format, plain);
      return std::string(known) + (options.empty() ? "" : "<" + options.substr(1) + ">");
    }
  }
  const bool power = format.mantissa_bits() == 0 && format.specials == Specials::None;
  std::string text = power ? "pow2<" : "minifloat<";
  text += std::to_string(format.exponent_bits);
  if (!power) {
    text += "," + std::to_string(format.mantissa_bits());
  }
  if (power || format.bias != default_bias(format.exponent_bits)) {
    text += "," + std::to_string(format.bias);
  }
  return text + options_text(format, minifloat_format(format.exponent_bits, format.mantissa_bits())) + ">";
}

}  // namespace guardbit::arith::detail
