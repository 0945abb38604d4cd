// Typed, bounded reading of untrusted JSON. Every failure is one Error: where, what was found, what is allowed.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace guardbit::traces::detail {

class JsonReader {
 public:
  JsonReader(const nlohmann::json& json, std::string where) : json_(&json), where_(std::move(where)) {}

  [[nodiscard]] const nlohmann::json& json() const { return *json_; }
  [[nodiscard]] bool has(const std::string& key) const;  // there and not null
  [[nodiscard]] JsonReader at(const std::string& key) const;
  [[nodiscard]] std::vector<JsonReader> items(std::size_t max_count) const;

  [[nodiscard]] std::int64_t integer(std::int64_t min = INT64_MIN, std::int64_t max = INT64_MAX) const;
  [[nodiscard]] int small(int min, int max) const { return static_cast<int>(integer(min, max)); }
  [[nodiscard]] double number() const;
  [[nodiscard]] bool boolean() const;
  [[nodiscard]] std::string text(std::size_t max_size = 4096) const;
  [[nodiscard]] std::vector<std::int64_t> integers(std::size_t min_count, std::size_t max_count,
                                                   std::int64_t min = INT64_MIN, std::int64_t max = INT64_MAX) const;
  [[noreturn]] void fail(const std::string& allowed) const;

 private:
  const nlohmann::json* json_;
  std::string where_;
};

}  // namespace guardbit::traces::detail
