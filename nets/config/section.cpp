// Typed reading of configuration maps.
#include "nets/config/section.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <set>

namespace guardbit::nets {
namespace {

std::string describe(const Value& value) {
  if (!value.is_scalar()) return name_of(value.kind());
  if (value.kind() == Kind::Text && value.text().empty()) return "empty text";
  return value.text();
}

std::string number_text(double value) { return fmt::format("{}", value); }

std::string range_text(std::int64_t min, std::int64_t max) {
  constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  if (min == kMin && max == kMax) return "any integer";
  if (max == kMax) return fmt::format("{} or more", min);
  if (min == kMin) return fmt::format("{} or less", max);
  return min == max ? std::to_string(min) : fmt::format("{} to {}", min, max);
}

std::string range_text(double min, double max) {
  const bool below = std::isinf(min);
  const bool above = std::isinf(max);
  if (below && above) return "any number";
  if (above) return number_text(min) + " or more";
  if (below) return number_text(max) + " or less";
  return fmt::format("{} to {}", number_text(min), number_text(max));
}

std::string integer_allowed(std::int64_t min, std::int64_t max) {
  const std::string range = range_text(min, max);
  return range.starts_with("any") ? range : "an integer, " + range;
}
std::string number_allowed(double min, double max) {
  const std::string range = range_text(min, max);
  return range.starts_with("any") ? range : "a number, " + range;
}

/// How many letters to insert, delete, replace or swap with their neighbour (optimal string alignment).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, replaced});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

/// The most similar candidate, if it is similar enough to be a slip.
template <class Names>
std::optional<std::string> closest(std::string_view name, const Names& candidates) {
  std::optional<std::string> best;
  std::size_t best_distance = std::max<std::size_t>(1, name.size() / 3) + 1;
  for (const auto& candidate : candidates) {
    const std::size_t distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best = std::string(candidate);
      best_distance = distance;
    }
  }
  return best;
}

constexpr std::pair<std::string_view, int> kByteUnits[] = {{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"B", 0}};

std::optional<std::int64_t> parse_bytes(const std::string& text) {
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || count < 0) return {};
  std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  if (unit.empty()) return count;
  for (const auto& [name, shift] : kByteUnits) {
    if (unit == name && count <= (std::numeric_limits<std::int64_t>::max() >> shift)) return count << shift;
  }
  return {};
}

std::vector<Value> as_list(const Value& value) { return value.is_list() ? value.items() : std::vector<Value>{value}; }

}  // namespace

struct Section::Document {
  Value root;
};

struct Section::State {
  std::set<std::string, std::less<>> known;
  std::map<std::string, Section> opened;
};

Section::Section(Value root) {
  if (root.is_null()) {
    const Mark mark = root.mark();
    root = Value::map().set_mark(mark);
  }
  if (!root.is_map()) {
    throw Error(fmt::format("{}: found {}, allowed a map", root.mark().text(), name_of(root.kind())));
  }
  document_ = std::make_shared<const Document>(Document{std::move(root)});
  state_ = std::make_shared<State>();
}

Section::Section(std::shared_ptr<const Document> document, std::vector<std::string> shown,
                 std::vector<std::string> real, std::shared_ptr<State> state)
    : document_(std::move(document)), shown_(std::move(shown)), real_(std::move(real)), state_(std::move(state)) {}

Section Section::parse(const std::string& yaml, const std::string& file_name) {
  return Section(parse_yaml(yaml, file_name));
}

const Value& Section::map() const {
  const Value* value = &document_->root;
  for (const std::string& key : real_) value = value->child(key);
  return *value;
}

const Mark& Section::mark() const { return map().mark(); }

std::string Section::path() const { return join_path(shown_); }
std::string Section::path(std::string_view key) const {
  std::vector<std::string> full = shown_;
  full.emplace_back(key);
  return join_path(full);
}
std::string Section::name() const { return shown_.empty() ? "" : shown_.back(); }

void Section::fail(std::string_view key, const std::string& found, const std::string& allowed) const {
  const Value* value = map().find(key);
  // A reference is judged by its target, which is where the mistake was made.
  const Mark at = value == nullptr ? mark() : resolve_at(document_->root, real_path(key), false).value.mark();
  throw Error(fmt::format("{}: {}: found {}, allowed {}", at.text(), path(key), found, allowed));
}

void Section::fail(const std::string& message) const {
  const std::string here = path();
  throw Error(fmt::format("{}: {}{}{}", mark().text(), here, here.empty() ? "" : ": ", message));
}

std::vector<std::string> Section::real_path(std::string_view key) const {
  std::vector<std::string> full = real_;
  full.emplace_back(key);
  return full;
}

bool Section::has(std::string_view key) const { return is_there(key); }

std::vector<std::string> Section::keys() const {
  std::vector<std::string> names;
  for (const auto& entry : map().entries()) {
    if (!entry.first.starts_with('_')) names.push_back(entry.first);
  }
  return names;
}

void Section::ignore(std::string_view key) const { state_->known.emplace(key); }

std::optional<Value> Section::read(std::string_view key, bool required, const std::string& allowed) const {
  ignore(key);
  if (const Value* raw_value = map().find(key); raw_value != nullptr && !raw_value->is_null()) {
    Value value = resolve_at(document_->root, real_path(key)).value;
    if (!value.is_null()) return value;
  }
  if (required) missing(key, allowed);
  return {};
}

void Section::missing(std::string_view key, const std::string& allowed) const {
  std::vector<std::string> unread;
  for (const std::string& name : keys()) {
    if (state_->known.count(name) == 0) unread.push_back(name);
  }
  const auto slip = closest(key, unread);
  if (slip) {
    throw Error(
        fmt::format("{}: {}: unknown key, did you mean {}?", map().find(*slip)->mark().text(), path(*slip), key));
  }
  throw Error(fmt::format("{}: {}: missing, allowed {}", mark().text(), path(key), allowed));
}

std::int64_t Section::check(std::string_view key, const Value& value, std::int64_t min, std::int64_t max) const {
  if (value.kind() != Kind::Integer) fail_at(value, key, integer_allowed(min, max));
  if (value.integer() < min || value.integer() > max) fail_at(value, key, range_text(min, max));
  return value.integer();
}

double Section::check(std::string_view key, const Value& value, double min, double max) const {
  if (value.kind() != Kind::Integer && value.kind() != Kind::Number) fail_at(value, key, number_allowed(min, max));
  const bool inside = value.number() >= min && value.number() <= max;  // false for NaN
  if (!inside) fail_at(value, key, range_text(min, max));
  return value.number();
}

void Section::fail_at(const Value& value, std::string_view key, const std::string& allowed) const {
  throw Error(fmt::format("{}: {}: found {}, allowed {}", value.mark().text(), path(key), describe(value), allowed));
}

std::int64_t Section::integer(std::string_view key, std::int64_t min, std::int64_t max,
                              std::optional<std::int64_t> absent) const {
  const auto value = read(key, !absent, integer_allowed(min, max));
  return value ? check(key, *value, min, max) : *absent;
}

double Section::number(std::string_view key, double min, double max, std::optional<double> absent) const {
  const auto value = read(key, !absent, number_allowed(min, max));
  return value ? check(key, *value, min, max) : *absent;
}

bool Section::boolean(std::string_view key, std::optional<bool> absent) const {
  const auto value = read(key, !absent, "true or false");
  if (!value) return *absent;
  if (value->kind() != Kind::Boolean) fail_at(*value, key, "true or false");
  return value->boolean();
}

std::string Section::text(std::string_view key, std::optional<std::string> absent, const char* allowed) const {
  const auto value = read(key, !absent, allowed);
  if (!value) return *absent;
  if (!value->is_scalar()) fail_at(*value, key, allowed);
  return value->text();
}

std::optional<std::size_t> Section::choice_index(std::string_view key, std::span<const std::string_view> names,
                                                 bool required) const {
  const std::string allowed = fmt::format("{}", fmt::join(names, ", "));
  const auto value = read(key, required, allowed);
  if (!value) return {};
  const auto found = value->is_scalar() ? std::find(names.begin(), names.end(), value->text()) : names.end();
  if (found == names.end()) fail_at(*value, key, allowed);
  return static_cast<std::size_t>(found - names.begin());
}

std::string Section::choice(std::string_view key, std::initializer_list<std::string_view> allowed,
                            std::optional<std::string> absent) const {
  const std::span<const std::string_view> names(allowed.begin(), allowed.size());
  const auto index = choice_index(key, names, !absent);
  return index ? std::string(names[*index]) : *absent;
}

std::int64_t Section::bytes(std::string_view key, std::int64_t min, std::int64_t max,
                            std::optional<std::int64_t> absent) const {
  static const std::string kSize = "a size such as 512, 64KiB, 1MiB or 2GiB";
  const auto value = read(key, !absent, kSize);
  if (!value) return *absent;
  const auto count = value->is_scalar() ? parse_bytes(value->text()) : std::nullopt;
  if (!count) fail_at(*value, key, kSize);
  if (*count < min || *count > max) fail_at(*value, key, range_text(min, max) + " bytes");
  return *count;
}

std::array<std::int64_t, 2> Section::pair(std::string_view key, std::int64_t min, std::int64_t max,
                                          std::optional<std::array<std::int64_t, 2>> absent) const {
  const std::string allowed = "one integer or two, " + range_text(min, max);
  const auto value = read(key, !absent, allowed);
  if (!value) return *absent;
  const std::vector<Value> items = as_list(*value);
  if (items.empty() || items.size() > 2) {
    throw Error(
        fmt::format("{}: {}: found a list of {}, allowed {}", value->mark().text(), path(key), items.size(), allowed));
  }
  return {check(key, items.front(), min, max), check(key, items.back(), min, max)};
}

std::vector<std::int64_t> Section::integers(std::string_view key, std::int64_t min, std::int64_t max,
                                            std::optional<std::vector<std::int64_t>> absent) const {
  const auto value = read(key, !absent, "a list of integers, " + range_text(min, max));
  if (!value) return *absent;
  std::vector<std::int64_t> result;
  for (const Value& item : as_list(*value)) result.push_back(check(key, item, min, max));
  return result;
}

std::vector<double> Section::numbers(std::string_view key, double min, double max,
                                     std::optional<std::vector<double>> absent) const {
  const auto value = read(key, !absent, "a list of numbers, " + range_text(min, max));
  if (!value) return *absent;
  std::vector<double> result;
  for (const Value& item : as_list(*value)) result.push_back(check(key, item, min, max));
  return result;
}

std::vector<std::string> Section::texts(std::string_view key, std::optional<std::vector<std::string>> absent) const {
  const auto value = read(key, !absent, "a list of texts");
  if (!value) return *absent;
  std::vector<std::string> result;
  for (const Value& item : as_list(*value)) {
    if (!item.is_scalar() || item.is_null()) fail_at(item, key, "a list of texts");
    result.push_back(item.text());
  }
  return result;
}

Section Section::open(std::string_view key, std::span<const std::string> below) const {
  std::vector<std::string> shown = shown_;
  std::vector<std::string> asked = real_path(key);
  shown.emplace_back(key);
  shown.insert(shown.end(), below.begin(), below.end());
  asked.insert(asked.end(), below.begin(), below.end());
  const std::string name = join_path(std::span(shown).subspan(shown_.size()));
  if (const auto old = state_->opened.find(name); old != state_->opened.end()) return old->second;
  const Resolved target = resolve_at(document_->root, asked, false);
  if (!target.value.is_map()) {
    throw Error(fmt::format("{}: {}: found {}, allowed a map", target.value.mark().text(), join_path(shown),
                            describe(target.value)));
  }
  const Section opened(document_, shown, target.path, std::make_shared<State>());
  return state_->opened.emplace(name, opened).first->second;
}

bool Section::is_there(std::string_view key) const {
  ignore(key);
  const Value* value = map().find(key);
  return value != nullptr && !value->is_null() && !resolve_at(document_->root, real_path(key), false).value.is_null();
}

Section Section::section(std::string_view key) const {
  if (!is_there(key)) missing(key, "a map");
  return open(key, {});
}

Section Section::section_or_empty(std::string_view key) const {
  if (is_there(key)) return open(key, {});
  // A document of its own: an empty map under the same path.
  Value root = Value::map().set_mark(mark());
  std::vector<std::string> full = shown_;
  full.emplace_back(key);
  merge_at(root, join_path(full), Value::map().set_mark(mark()));
  return Section(std::make_shared<const Document>(Document{std::move(root)}), full, full, std::make_shared<State>());
}

std::vector<Section> Section::sections(std::string_view key) const {
  std::vector<Section> result;
  if (!is_there(key)) return result;
  const Resolved list = resolve_at(document_->root, real_path(key), false);
  if (!list.value.is_list()) fail_at(list.value, key, "a list of maps");
  for (std::size_t i = 0; i < list.value.items().size(); ++i)
    result.push_back(open(key, std::array{std::to_string(i)}));
  return result;
}

Value Section::raw(std::string_view key) const { return read(key, false, "").value_or(Value()); }

Value Section::raw() const {
  Value result = Value::map().set_mark(mark());
  for (const std::string& key : keys()) {
    ignore(key);
    result.set(key, resolve_at(document_->root, real_path(key)).value);
  }
  return result;
}

void Section::done() const {
  for (const std::string& key : keys()) {
    if (state_->known.count(key) > 0) continue;
    const auto guess = closest(key, state_->known);
    const std::string allowed =
        state_->known.empty() ? "no keys here" : fmt::format("{}", fmt::join(state_->known, ", "));
    throw Error(fmt::format("{}: {}: unknown key, {}{}allowed: {}", map().find(key)->mark().text(), path(key),
                            guess ? "did you mean " + *guess : "", guess ? "? " : "", allowed));
  }
  for (const auto& entry : state_->opened) entry.second.done();
}

}  // namespace guardbit::nets
