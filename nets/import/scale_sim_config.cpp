// SCALE-Sim configurations: an INI file as Python's configparser reads it, without interpolation and continued lines.
#include <fmt/format.h>

#include <map>

#include "arith/error.hpp"
#include "nets/import/scale_sim.hpp"
#include "nets/import/scale_sim_text.hpp"

namespace guardbit::nets {
namespace {

using namespace scale_sim;

constexpr std::int64_t kMaxSide = 1024, kMaxKib = 1 << 20, kMaxBandwidth = 1 << 20;

struct Entry {
  std::string value;
  int line = 0;
  bool used = false;
  std::string key;  // as written, with its section
};

class Ini {
 public:
  Ini(std::string_view text, std::string file) : file_(std::move(file)) {
    std::string section, shown_section;
    int line = 0;
    for (const std::string_view raw : lines_of(text)) {
      ++line;
      const std::string_view content = trimmed(raw);
      if (content.empty() || content[0] == '#' || content[0] == ';') continue;
      if (content[0] == '[') {
        if (content.back() != ']' || content.size() < 3) fail(line, content, "[section]");
        shown_section = shown(content.substr(1, content.size() - 2));
        section = lower(shown_section);
        continue;
      }
      const std::size_t at = content.find_first_of(":=");
      if (at == std::string_view::npos || at == 0) fail(line, content, "KEY: VALUE, KEY = VALUE or [section]");
      if (section.empty()) fail(line, content, "a [section] first");
      const std::string_view key = trimmed(content.substr(0, at));
      // Sections moved between versions of SCALE-Sim, keys did not: they are found by their own name.
      const auto [entry, added] =
          entries_.emplace(lower(key), Entry{std::string(trimmed(content.substr(at + 1))), line, false,
                                             fmt::format("{}.{}", shown_section, shown(key))});
      if (!added) fail(line, key, "each key once");
    }
  }

  const Entry* find(const std::string& key) {
    const auto found = entries_.find(lower(key));
    if (found == entries_.end()) return nullptr;
    found->second.used = true;
    return &found->second;
  }
  const Entry& need(const std::string& key) {
    const Entry* entry = find(key);
    if (entry == nullptr) throw Error(fmt::format("{}: found no {}, allowed a SCALE-Sim configuration with it", file_, key));
    return *entry;
  }
  std::int64_t number(const std::string& key, std::int64_t high) {
    const Entry& entry = need(key);
    const std::optional<std::int64_t> value = whole_number(entry.value);
    if (!value || *value < 1 || *value > high) fail(entry.line, entry.value, fmt::format("1 to {}", high), key);
    return *value;
  }
  [[noreturn]] void fail(int line, std::string_view found, const std::string& allowed, const std::string& key = {}) const {
    throw Error(fmt::format("{}:{}: {}found '{}', allowed {}", file_, line, key.empty() ? key : key + ": ", shown(found), allowed));
  }
  [[nodiscard]] std::vector<std::string> unused() const {
    std::map<int, std::string> by_line;
    for (const auto& [key, entry] : entries_) {
      if (!entry.used) by_line[entry.line] = entry.key;
    }
    std::vector<std::string> names;
    for (const auto& [line, name] : by_line) names.push_back(name);
    return names;
  }

 private:
  std::string file_;
  std::map<std::string, Entry> entries_;
};

}  // namespace

ScaleSimConfig parse_scale_sim_config(std::string_view text, const std::string& file) {
  Ini ini(text, file);
  ScaleSimConfig config;
  if (const Entry* name = ini.find("run_name")) config.run_name = shown(name->value);
  config.array_height = static_cast<int>(ini.number("ArrayHeight", kMaxSide));
  config.array_width = static_cast<int>(ini.number("ArrayWidth", kMaxSide));
  config.ifmap_kib = ini.number("IfmapSramSzkB", kMaxKib);
  config.filter_kib = ini.number("FilterSramSzkB", kMaxKib);
  config.ofmap_kib = ini.number("OfmapSramSzkB", kMaxKib);
  const Entry& dataflow = ini.need("Dataflow");
  if (dataflow.value != "ws" && dataflow.value != "os" && dataflow.value != "is") {
    ini.fail(dataflow.line, dataflow.value, "ws, os, is", "Dataflow");
  }
  config.dataflow = dataflow.value;
  const Entry& mode = ini.need("InterfaceBandwidth");
  if (mode.value != "USER" && mode.value != "CALC") {
    ini.fail(mode.line, mode.value, "USER, CALC", "InterfaceBandwidth");
  }
  if (mode.value == "USER") config.bandwidth = ini.number("Bandwidth", kMaxBandwidth);
  (void)ini.find("Bandwidth");  // has no meaning in mode CALC
  if (const Entry* sparse = ini.find("SparsitySupport"); sparse != nullptr && lower(sparse->value) != "false") {
    ini.fail(sparse->line, sparse->value, "false: dense layers only", "SparsitySupport");
  }
  config.not_taken = ini.unused();
  return config;
}

}  // namespace guardbit::nets
