// Configuration trees: YAML files and `key.path=value` overrides, merged left to right, with every value knowing the
// file and line it came from. Typed reading with range checks is in nets/config/section.hpp; nearly everyone wants
// that.
//
// The language (a superset of YAML 1.2 scalars):
//   _import: path | [paths]   loaded before the file's own keys, relative to the importing file; cycles are errors
//   a.b: v                    a dot-path key means {a: {b: v}}; `a\.b` is a key with a dot; digits index lists
//   $(a.b)  $(.x)             reference from the root / from the map the text stands in. A whole-string reference has
//                             the type of its target, otherwise the text is substituted. `$$(` is a literal `$(`.
//   &anchor *alias <<: *a     as in YAML 1.1
//   !arith 2 * $(x) + 1       arithmetic (nets/config/arith_expression.hpp)
// Merging: maps merge recursively; lists, scalars and null replace. A map whose keys are all digits, merged onto a
// list, replaces elements of that list. Duplicate keys, `!eval`, `!exec` and other tags are errors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arith/error.hpp"

namespace guardbit::nets {

/// Where a value was written.
struct Mark {
  std::shared_ptr<const std::string> file;  ///< as the user gave it; null for values made by a program
  int line = 0;                             ///< from 1; 0 if lines mean nothing there (the command line)
  std::string text() const;                 ///< "net.yaml:7", "command line", or "configuration"
};

enum class Kind { Null, Boolean, Integer, Number, Text, List, Map };
const char* name_of(Kind kind);

/// One node of a configuration tree: a value type; copies are deep.
class Value {
 public:
  using Entry = std::pair<std::string, Value>;

  Value() = default;  ///< null
  Value(bool value);
  Value(int value);
  Value(std::int64_t value);
  Value(double value);
  Value(std::string value);
  Value(const char* value);
  static Value list(std::vector<Value> items = {});
  static Value map(std::vector<Entry> entries = {});
  /// A plain (unquoted) scalar, typed as YAML 1.2's core schema would; `007` is text, because readers disagree on it.
  static Value plain(std::string text);

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::Null; }
  bool is_scalar() const { return kind_ != Kind::List && kind_ != Kind::Map; }
  bool is_list() const { return kind_ == Kind::List; }
  bool is_map() const { return kind_ == Kind::Map; }

  /// Contents. Each throws Error ("net.yaml:3: found text, allowed integer") if the kind is another one.
  bool boolean() const;
  std::int64_t integer() const;
  double number() const;            ///< an Integer too
  const std::string& text() const;  ///< any scalar, as written
  const std::vector<Value>& items() const;
  const std::vector<Entry>& entries() const;
  std::vector<Value>& items();
  std::vector<Entry>& entries();

  /// Child of a map by plain key (dots mean nothing here), or null.
  const Value* find(std::string_view key) const;
  Value* find(std::string_view key);
  /// Sets or replaces one key of a map. A null value becomes a map first.
  Value& set(std::string_view key, Value value);
  bool erase(std::string_view key);

  /// Child of a map by key or of a list by decimal index, or null.
  const Value* child(std::string_view key) const;
  /// Descendant by dot path ("machine.array.rows", "layers.0.name"), or null. References are not followed.
  const Value* at(std::string_view dot_path) const;

  const Mark& mark() const { return mark_; }
  Value& set_mark(Mark mark);
  bool is_arith() const { return arith_; }
  Value& set_arith(bool arith) {
    arith_ = arith;
    return *this;
  }
  /// Quoted in its file, or made from a string: never a number.
  bool is_quoted() const { return quoted_; }
  /// The same text as a quoted scalar.
  static Value quoted(std::string text) { return Value(std::move(text)); }

  /// Same kinds and contents; marks do not count.
  bool operator==(const Value& other) const;

 private:
  [[noreturn]] void wrong_kind(const char* wanted) const;
  Kind kind_ = Kind::Null;
  bool arith_ = false;
  bool quoted_ = false;
  bool boolean_ = false;
  std::int64_t integer_ = 0;
  double number_ = 0;
  std::string text_ = "null";
  std::vector<Value> items_;
  std::vector<Entry> entries_;
  Mark mark_;
};

/// Parses one YAML document from memory. `_import` is an error here.
Value parse_yaml(const std::string& text, const std::string& file_name = "text");
/// Reads one YAML file and what it imports. Marks carry `path` as given here.
Value load_yaml(const std::filesystem::path& path);
/// "a.b=YAML", split at the first '='. The mark is "command line".
Value parse_override(const std::string& token);
bool is_override(std::string_view token);  ///< has a '='

/// Merges `over` into `base` (rules above).
void merge(Value& base, const Value& over);
/// Sets one value by dot path, making maps on the way: merge_at(config, "machine.array", tree).
void merge_at(Value& base, std::string_view dot_path, const Value& over);
/// Files and overrides, merged left to right. References stay unresolved.
Value load_config(std::span<const std::string> tokens);

/// A copy of the whole tree with every reference and every !arith replaced by its value. Subtrees under a key that
/// begins with `_` (templates) are copied as they are.
Value resolve(const Value& root);
/// A value and where it really stands, after following references.
struct Resolved {
  Value value;
  std::vector<std::string> path;
};
/// Resolves the node at `path`; throws Error on missing paths and on cycles. With `deep` false, children of a map stay
/// unresolved: they are read later, if ever.
Resolved resolve_at(const Value& root, const std::vector<std::string>& path, bool deep = true);

/// Splits "a.b\.c" into {"a", "b.c"} and back.
std::vector<std::string> split_path(std::string_view dot_path);
std::string join_path(std::span<const std::string> path);

/// Deterministic YAML text: block style for maps, insertion order, flow style for lists of scalars. Parsing it gives an
/// equal tree. Unresolved trees keep `$(...)` and `!arith`.
std::string to_yaml(const Value& value);
/// Resolved trees only need apply: references would be printed as text. Keys are sorted by the JSON type.
nlohmann::json to_json(const Value& value);
Value from_json(const nlohmann::json& json);

}  // namespace guardbit::nets
