// Reading of cases.jsonl: one JSON object per line, {name, config, arrays: {name: {type, values}}}.
#include <fstream>
#include <stdexcept>

#include "tests/nets/cmsis_cases.hpp"

namespace guardbit::nets::tests {

CmsisCase::CmsisCase(nlohmann::json json) : json_(std::move(json)), name_(json_.at("name").get<std::string>()) {}

const nlohmann::json* CmsisCase::find(const std::string& key) const {
  const nlohmann::json* found = nullptr;
  for (const auto& [name, value] : json_.at("config").items()) {
    if (name == key) return &value;
    if (name.size() <= key.size() || name.compare(name.size() - key.size() - 1, std::string::npos, "_" + key) != 0)
      continue;
    if (found != nullptr && *found != value) throw std::runtime_error(name_ + ": more than one " + key);
    found = &value;
  }
  return found;
}

std::int64_t CmsisCase::number(const std::string& key) const {
  const nlohmann::json* const found = find(key);
  if (found == nullptr) throw std::runtime_error(name_ + ": no " + key);
  return found->get<std::int64_t>();
}

std::int64_t CmsisCase::number(const std::string& key, std::int64_t otherwise) const {
  const nlohmann::json* const found = find(key);
  return found == nullptr ? otherwise : found->get<std::int64_t>();
}

std::vector<std::int64_t> CmsisCase::array(const std::vector<std::string>& names) const {
  const nlohmann::json& arrays = json_.at("arrays");
  for (const std::string& name : names) {
    if (arrays.contains(name)) return arrays.at(name).at("values").get<std::vector<std::int64_t>>();
  }
  return {};
}

std::string CmsisCase::type(const std::vector<std::string>& names) const {
  const nlohmann::json& arrays = json_.at("arrays");
  for (const std::string& name : names) {
    if (arrays.contains(name)) return arrays.at(name).at("type").get<std::string>();
  }
  return "";
}

std::vector<CmsisCase> read_cmsis_cases(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::vector<CmsisCase> cases;
  for (std::string line; std::getline(in, line);) cases.emplace_back(nlohmann::json::parse(line));
  return cases;
}

}  // namespace guardbit::nets::tests
