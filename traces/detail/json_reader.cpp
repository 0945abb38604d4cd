#include "traces/detail/json_reader.hpp"

#include <fmt/format.h>

#include "arith/error.hpp"
#include "traces/detail/words.hpp"

namespace guardbit::traces::detail {

void JsonReader::fail(const std::string& allowed) const {
  std::string found = json_->type_name();
  if (json_->is_string()) {
    found = shown(json_->get_ref<const std::string&>());
  } else if (json_->is_primitive()) {
    found = json_->dump();
  }
  throw Error(fmt::format("{}: found {}, allowed {}", where_, found, allowed));
}

bool JsonReader::has(const std::string& key) const {
  return json_->is_object() && json_->contains(key) && !(*json_)[key].is_null();
}

JsonReader JsonReader::at(const std::string& key) const {
  if (!json_->is_object()) fail("an object");
  const auto found = json_->find(key);
  if (found == json_->end()) throw Error(fmt::format("{}: found no key {}, allowed a value", where_, key));
  return {*found, where_ + (where_.ends_with(':') ? " " : ".") + key};
}

std::vector<JsonReader> JsonReader::items(std::size_t max_count) const {
  if (!json_->is_array() || json_->size() > max_count) fail(fmt::format("a list of at most {}", max_count));
  std::vector<JsonReader> readers;
  for (std::size_t i = 0; i < json_->size(); ++i) readers.emplace_back((*json_)[i], fmt::format("{}[{}]", where_, i));
  return readers;
}

std::int64_t JsonReader::integer(std::int64_t min, std::int64_t max) const {
  const bool fits = json_->is_number_integer() &&
                    (!json_->is_number_unsigned() || json_->get<std::uint64_t>() <= std::uint64_t{INT64_MAX});
  if (!fits || json_->get<std::int64_t>() < min || json_->get<std::int64_t>() > max) {
    fail(min == INT64_MIN && max == INT64_MAX ? "an integer" : fmt::format("{} to {}", min, max));
  }
  return json_->get<std::int64_t>();
}

double JsonReader::number() const {
  if (!json_->is_number()) fail("a number");
  return json_->get<double>();
}

bool JsonReader::boolean() const {
  if (!json_->is_boolean()) fail("true or false");
  return json_->get<bool>();
}

std::string JsonReader::text(std::size_t max_size) const {
  if (!json_->is_string() || json_->get_ref<const std::string&>().size() > max_size) fail("text");
  return json_->get<std::string>();
}

std::vector<std::int64_t> JsonReader::integers(std::size_t min_count, std::size_t max_count, std::int64_t min,
                                               std::int64_t max) const {
  if (!json_->is_array() || json_->size() < min_count || json_->size() > max_count) {
    fail(fmt::format("a list of {} to {} integers", min_count, max_count));
  }
  std::vector<std::int64_t> values;
  values.reserve(json_->size());
  for (const JsonReader& item : items(max_count)) values.push_back(item.integer(min, max));
  return values;
}

}  // namespace guardbit::traces::detail
