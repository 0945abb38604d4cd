// Typed reading of one map of a configuration: every read names what is allowed, errors name the file and line, and
// done() rejects keys that nobody read.
//
//   Section machine = Section(config).section("machine");
//   Section array = machine.section("array");
//   const auto rows = array.integer("rows", 1, 4096);            // required
//   const auto lanes = machine.integer("lanes", 1, 1024, 16);    // 16 if absent
//   const auto flow = array.one_of<Dataflow>("dataflow", {{"weight_stationary", Dataflow::WeightStationary}, ...});
//   machine.done();                                              // also checks `array`
//
// Errors: "machine.yaml:7: machine.array.rows: found 0, allowed 1 to 4096"
//         "machine.yaml:9: machine.array.colums: unknown key, did you mean columns? allowed: columns, dataflow, rows"
// A key with the value null counts as absent. References are resolved when a key is read. Keys that begin with `_`
// are templates and are never complained about. Copies of a Section share what has been read.
#pragma once

#include <array>
#include <initializer_list>
#include <optional>

#include "nets/config/config.hpp"

namespace guardbit::nets {

class Section {
 public:
  /// The whole tree, which is copied. An empty document reads as an empty map.
  explicit Section(Value root);
  /// From YAML text; for tests.
  static Section parse(const std::string& yaml, const std::string& file_name = "text");

  /// Is the key there and not null? Marks the key as known.
  bool has(std::string_view key) const;
  /// Keys as written, in order, without templates. Marks nothing.
  std::vector<std::string> keys() const;
  bool is_empty() const { return keys().empty(); }

  // Without the last argument the key is required.
  std::int64_t integer(std::string_view key, std::int64_t min, std::int64_t max,
                       std::optional<std::int64_t> absent = {}) const;
  double number(std::string_view key, double min, double max, std::optional<double> absent = {}) const;
  bool boolean(std::string_view key, std::optional<bool> absent = {}) const;
  /// Any scalar, as text. `allowed` is what an error says is wanted, for example "a file name".
  std::string text(std::string_view key, std::optional<std::string> absent = {}, const char* allowed = "text") const;
  std::string choice(std::string_view key, std::initializer_list<std::string_view> allowed,
                     std::optional<std::string> absent = {}) const;
  /// 64KiB, 1MiB, 2GiB, 512B or a plain number of bytes.
  std::int64_t bytes(std::string_view key, std::int64_t min, std::int64_t max,
                     std::optional<std::int64_t> absent = {}) const;
  /// [3, 5], or 3 for [3, 3].
  std::array<std::int64_t, 2> pair(std::string_view key, std::int64_t min, std::int64_t max,
                                   std::optional<std::array<std::int64_t, 2>> absent = {}) const;
  /// One of several names, as an enumerator (or anything else).
  template <class T>
  T one_of(std::string_view key, std::initializer_list<std::pair<std::string_view, T>> allowed,
           std::optional<T> absent = {}) const {
    std::vector<std::string_view> names;
    for (const auto& entry : allowed) names.push_back(entry.first);
    const std::optional<std::size_t> index = choice_index(key, names, !absent.has_value());
    return index ? (allowed.begin() + *index)->second : *absent;
  }

  // Lists; a single scalar reads as a list of one.
  std::vector<std::int64_t> integers(std::string_view key, std::int64_t min, std::int64_t max,
                                     std::optional<std::vector<std::int64_t>> absent = {}) const;
  std::vector<double> numbers(std::string_view key, double min, double max,
                              std::optional<std::vector<double>> absent = {}) const;
  std::vector<std::string> texts(std::string_view key, std::optional<std::vector<std::string>> absent = {}) const;

  /// A map below this one; required.
  Section section(std::string_view key) const;
  /// The same, but an absent key reads as an empty map.
  Section section_or_empty(std::string_view key) const;
  /// A list of maps (absent: empty list).
  std::vector<Section> sections(std::string_view key) const;
  /// The value of a key, resolved, of any kind (absent: null). All below it counts as read.
  Value raw(std::string_view key) const;
  /// Everything in this map, resolved, templates left out; all counts as read.
  Value raw() const;
  /// Marks a key as known without reading it.
  void ignore(std::string_view key) const;

  /// Throws on keys nobody asked for, here and in every section opened from here.
  void done() const;

  /// Throws "FILE:LINE: this.path.key: found FOUND, allowed ALLOWED".
  [[noreturn]] void fail(std::string_view key, const std::string& found, const std::string& allowed) const;
  /// The same for a rule that spans keys: "FILE:LINE: this.path: MESSAGE".
  [[noreturn]] void fail(const std::string& message) const;

  std::string path() const;  ///< dot path from the root; "" for the root
  std::string path(std::string_view key) const;
  std::string name() const;  ///< last part of the path
  const Mark& mark() const;

 private:
  struct Document;
  struct State;
  Section(std::shared_ptr<const Document> document, std::vector<std::string> shown, std::vector<std::string> real,
          std::shared_ptr<State> state);
  const Value& map() const;
  std::vector<std::string> real_path(std::string_view key) const;
  bool is_there(std::string_view key) const;
  std::optional<Value> read(std::string_view key, bool required, const std::string& allowed) const;
  [[noreturn]] void missing(std::string_view key, const std::string& allowed) const;
  [[noreturn]] void fail_at(const Value& value, std::string_view key, const std::string& allowed) const;
  std::int64_t check(std::string_view key, const Value& value, std::int64_t min, std::int64_t max) const;
  double check(std::string_view key, const Value& value, double min, double max) const;
  std::optional<std::size_t> choice_index(std::string_view key, std::span<const std::string_view> names,
                                          bool required) const;
  Section open(std::string_view key, std::span<const std::string> below) const;

  std::shared_ptr<const Document> document_;
  std::vector<std::string> shown_;  ///< path as the reader asked for it
  std::vector<std::string> real_;   ///< path of the map after following references
  std::shared_ptr<State> state_;
};

}  // namespace guardbit::nets
