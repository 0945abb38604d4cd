// Configuration trees as YAML text and as JSON.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "nets/config/config.hpp"

namespace guardbit::nets {
namespace {

bool is_word(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

/// May the text stand without quotes, inside flow lists too, and be read again as text?
bool is_plain_safe(const std::string& text) {
  if (text.empty() || !(is_word(text[0]) || text[0] == '/' || text[0] == '$' || text[0] == '.')) return false;
  if (text.starts_with("..")) return false;  // also keeps clear of "...", the end of a document
  const auto allowed = [](char c) {
    return is_word(c) || std::string_view("./+-<>()$\\").find(c) != std::string_view::npos;
  };
  return std::all_of(text.begin(), text.end(), allowed) && Value::plain(text).kind() == Kind::Text;
}

std::string quoted(const std::string& text) {
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::none_of(text.begin(), text.end(), control)) {
    std::string result = "'";
    for (const char c : text) result += c == '\'' ? std::string("''") : std::string(1, c);
    return result + "'";
  }
  std::string result = "\"";
  for (const char c : text) {
    if (control(c)) {
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      result += c == '"' || c == '\\' ? std::string{'\\', c} : std::string(1, c);
    }
  }
  return result + "\"";
}

std::string scalar(const Value& value) {
  if (value.is_null()) return "null";
  if (value.is_arith()) return "!arith " + quoted(value.text());
  if (value.kind() != Kind::Text) return value.text();
  return is_plain_safe(value.text()) ? value.text() : quoted(value.text());
}

std::string key_text(const std::string& key) {
  const std::string escaped = join_path(std::vector<std::string>{key});
  const bool plain =
      std::all_of(escaped.begin(), escaped.end(), [](char c) { return is_word(c) || c == '-' || c == '/'; });
  // Key text is never typed, so 1 and true need no quotes; "-" alone would begin a list and null is no key.
  return plain && !escaped.empty() && is_word(escaped[0]) && !Value::plain(escaped).is_null() ? escaped
                                                                                              : quoted(escaped);
}

bool all_scalars(const Value& list) {
  return std::all_of(list.items().begin(), list.items().end(), [](const Value& item) { return item.is_scalar(); });
}

bool fits_inline(const Value& value) {
  if (value.is_scalar()) return true;
  if (value.is_list()) return all_scalars(value);
  return value.entries().empty();
}

std::string inline_text(const Value& value) {
  if (value.is_scalar()) return scalar(value);
  if (value.is_map()) return "{}";
  std::string text = "[";
  for (const Value& item : value.items()) text += (text.size() > 1 ? ", " : "") + scalar(item);
  return text + "]";
}

void write(std::string& out, const Value& value, std::size_t indent);

void write_map(std::string& out, const Value& map, std::size_t indent, bool first_is_placed) {
  for (const auto& [key, value] : map.entries()) {
    if (!first_is_placed) out.append(indent, ' ');
    first_is_placed = false;
    out += key_text(key) + ":";
    if (fits_inline(value)) {
      out += " " + inline_text(value) + "\n";
    } else {
      out += "\n";
      write(out, value, indent + 2);
    }
  }
}

void write(std::string& out, const Value& value, std::size_t indent) {
  if (fits_inline(value)) {
    out.append(indent, ' ');
    out += inline_text(value) + "\n";
    return;
  }
  if (value.is_map()) return write_map(out, value, indent, false);
  for (const Value& item : value.items()) {
    out.append(indent, ' ');
    out += "-";
    if (fits_inline(item)) {
      out += " " + inline_text(item) + "\n";
    } else if (item.is_map()) {
      out += " ";
      write_map(out, item, indent + 2, true);
    } else {
      out += "\n";
      write(out, item, indent + 2);
    }
  }
}

}  // namespace

std::string to_yaml(const Value& value) {
  std::string out;
  write(out, value, 0);
  return out;
}

nlohmann::json to_json(const Value& value) {
  switch (value.kind()) {
    case Kind::Null:
      return nullptr;
    case Kind::Boolean:
      return value.boolean();
    case Kind::Integer:
      return value.integer();
    case Kind::Number:
      // JSON has no infinities.
      return std::isfinite(value.number()) ? nlohmann::json(value.number())
                                           : nlohmann::json(Value(value.number()).text());
    case Kind::Text:
      return value.text();
    case Kind::List: {
      nlohmann::json list = nlohmann::json::array();
      for (const Value& item : value.items()) list.push_back(to_json(item));
      return list;
    }
    case Kind::Map: {
      nlohmann::json map = nlohmann::json::object();
      for (const auto& [key, item] : value.entries()) map[key] = to_json(item);
      return map;
    }
  }
  std::abort();
}

Value from_json(const nlohmann::json& json) {
  if (json.is_null()) return {};
  if (json.is_boolean()) return Value(json.get<bool>());
  if (json.is_number_unsigned() && json.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX)) {
    throw Error(fmt::format("JSON: found {}, allowed integers of 64 bits with sign", json.get<std::uint64_t>()));
  }
  if (json.is_number_integer()) return Value(json.get<std::int64_t>());
  if (json.is_number()) return Value(json.get<double>());
  if (json.is_string()) return Value(json.get<std::string>());
  Value value = json.is_array() ? Value::list() : Value::map();
  if (json.is_array()) {
    for (const auto& item : json) value.items().push_back(from_json(item));
  } else {
    for (const auto& [key, item] : json.items()) value.set(key, from_json(item));
  }
  return value;
}

}  // namespace guardbit::nets
