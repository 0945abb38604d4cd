// Configuration values: kinds of plain scalars, access, comparison.
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstring>

#include "nets/config/config.hpp"

namespace guardbit::nets {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Decimal, 0x, 0o and 0b integers that fit in 64 bits. A decimal with a leading zero is not one: YAML 1.1 reads 010 as
/// eight and YAML 1.2 as ten, so neither reading is safe.
std::optional<std::int64_t> parse_integer(std::string_view text) {
  const bool negative = !text.empty() && text[0] == '-';
  std::string_view digits = text;
  if (negative || (!text.empty() && text[0] == '+')) digits.remove_prefix(1);
  int base = 10;
  if (digits.size() > 2 && digits[0] == '0') {
    base = digits[1] == 'x' ? 16 : digits[1] == 'o' ? 8 : digits[1] == 'b' ? 2 : 10;
    if (base != 10) digits.remove_prefix(2);
  }
  if (digits.empty() || (base == 10 && digits.size() > 1 && digits[0] == '0')) return {};
  std::uint64_t magnitude = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), magnitude, base);
  if (error != std::errc() || end != digits.data() + digits.size()) return {};
  constexpr std::uint64_t kTop = std::uint64_t{1} << 63;
  if (magnitude > kTop || (magnitude == kTop && !negative)) return {};
  return static_cast<std::int64_t>(negative ? 0 - magnitude : magnitude);
}

std::optional<double> parse_number(std::string_view text) {
  std::string_view body = text;
  if (!body.empty() && (body[0] == '-' || body[0] == '+')) body.remove_prefix(1);
  const double sign = text.starts_with('-') ? -1.0 : 1.0;
  if (body == ".inf" || body == ".Inf" || body == ".INF") return sign * HUGE_VAL;
  if (text == ".nan" || text == ".NaN" || text == ".NAN") return std::nan("");
  if (body.empty() || !(is_digit(body[0]) || (body[0] == '.' && body.size() > 1 && is_digit(body[1])))) return {};
  const bool whole = body.find_first_of(".eE") == std::string_view::npos;
  if (whole && body.size() > 1 && body[0] == '0') return {};  // 007, as in parse_integer
  double magnitude = 0;
  const auto [end, error] = std::from_chars(body.data(), body.data() + body.size(), magnitude);
  if (error != std::errc() || end != body.data() + body.size()) return {};
  return sign * magnitude;
}

std::string number_text(double value) {
  if (std::isnan(value)) return ".nan";
  if (std::isinf(value)) return value < 0 ? "-.inf" : ".inf";
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

}  // namespace

std::string Mark::text() const {
  if (!file) return "configuration";
  return line > 0 ? fmt::format("{}:{}", *file, line) : *file;
}

const char* name_of(Kind kind) {
  switch (kind) {
    case Kind::Null:
      return "null";
    case Kind::Boolean:
      return "a boolean";
    case Kind::Integer:
      return "an integer";
    case Kind::Number:
      return "a number";
    case Kind::Text:
      return "text";
    case Kind::List:
      return "a list";
    case Kind::Map:
      return "a map";
  }
  std::abort();
}

Value::Value(bool value) : kind_(Kind::Boolean), boolean_(value), text_(value ? "true" : "false") {}
Value::Value(int value) : Value(static_cast<std::int64_t>(value)) {}
Value::Value(std::int64_t value)
    : kind_(Kind::Integer), integer_(value), number_(static_cast<double>(value)), text_(std::to_string(value)) {}
Value::Value(double value) : kind_(Kind::Number), number_(value), text_(number_text(value)) {}
Value::Value(std::string value) : kind_(Kind::Text), quoted_(true), text_(std::move(value)) {}
Value::Value(const char* value) : Value(std::string(value)) {}

Value Value::list(std::vector<Value> items) {
  Value value;
  value.kind_ = Kind::List;
  value.text_.clear();
  value.items_ = std::move(items);
  return value;
}

Value Value::map(std::vector<Entry> entries) {
  Value value;
  value.kind_ = Kind::Map;
  value.text_.clear();
  value.entries_ = std::move(entries);
  return value;
}

Value Value::plain(std::string text) {
  Value value;
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return value;
  if (text == "true" || text == "True" || text == "TRUE") {
    value = Value(true);
  } else if (text == "false" || text == "False" || text == "FALSE") {
    value = Value(false);
  } else if (const auto integer = parse_integer(text)) {
    value = Value(*integer);
  } else if (const auto number = parse_number(text)) {
    value.kind_ = Kind::Number;
    value.number_ = *number;
  } else {
    value.kind_ = Kind::Text;
  }
  value.text_ = std::move(text);
  return value;
}

void Value::wrong_kind(const char* wanted) const {
  throw Error(fmt::format("{}: found {}, allowed {}", mark_.text(), name_of(kind_), wanted));
}

bool Value::boolean() const {
  if (kind_ != Kind::Boolean) wrong_kind("a boolean");
  return boolean_;
}
std::int64_t Value::integer() const {
  if (kind_ != Kind::Integer) wrong_kind("an integer");
  return integer_;
}
double Value::number() const {
  if (kind_ != Kind::Number && kind_ != Kind::Integer) wrong_kind("a number");
  return number_;
}
const std::string& Value::text() const {
  if (!is_scalar()) wrong_kind("text");
  return text_;
}
const std::vector<Value>& Value::items() const {
  if (!is_list()) wrong_kind("a list");
  return items_;
}
std::vector<Value>& Value::items() {
  if (!is_list()) wrong_kind("a list");
  return items_;
}
const std::vector<Value::Entry>& Value::entries() const {
  if (!is_map()) wrong_kind("a map");
  return entries_;
}
std::vector<Value::Entry>& Value::entries() {
  if (!is_map()) wrong_kind("a map");
  return entries_;
}

const Value* Value::find(std::string_view key) const {
  for (const Entry& entry : entries_) {
    if (entry.first == key) return &entry.second;
  }
  return nullptr;
}
Value* Value::find(std::string_view key) { return const_cast<Value*>(std::as_const(*this).find(key)); }

Value& Value::set(std::string_view key, Value value) {
  if (is_null()) *this = Value::map().set_mark(mark_);
  if (!is_map()) wrong_kind("a map");
  if (Value* old = find(key)) return *old = std::move(value);
  return entries_.emplace_back(std::string(key), std::move(value)).second;
}

bool Value::erase(std::string_view key) {
  return std::erase_if(entries_, [&](const Entry& entry) { return entry.first == key; }) > 0;
}

const Value* Value::child(std::string_view key) const {
  if (is_map()) return find(key);
  if (!is_list()) return nullptr;
  const auto index = parse_integer(key);
  const bool inside = index && *index >= 0 && static_cast<std::size_t>(*index) < items_.size();
  return inside ? &items_[static_cast<std::size_t>(*index)] : nullptr;
}

const Value* Value::at(std::string_view dot_path) const {
  const Value* value = this;
  for (const std::string& key : split_path(dot_path)) {
    if (value == nullptr) return nullptr;
    value = value->child(key);
  }
  return value;
}

Value& Value::set_mark(Mark mark) {
  mark_ = std::move(mark);
  return *this;
}

bool Value::operator==(const Value& other) const {
  if (kind_ != other.kind_ || arith_ != other.arith_) return false;
  switch (kind_) {
    case Kind::Null:
      return true;
    case Kind::Boolean:
      return boolean_ == other.boolean_;
    case Kind::Integer:
      return integer_ == other.integer_;
    case Kind::Number:
      return number_ == other.number_ || (std::isnan(number_) && std::isnan(other.number_));
    case Kind::Text:
      return text_ == other.text_;
    case Kind::List:
      return items_ == other.items_;
    case Kind::Map:
      return entries_ == other.entries_;
  }
  std::abort();
}

}  // namespace guardbit::nets
