// Every top-level configuration key: one table for options, `--help`, `config` and the check for unknown keys.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace guardbit::cli {

enum class KeyKind : unsigned char {
  Scalar,   // KEY=VALUE, --KEY VALUE
  Flag,     // KEY=true, --KEY
  List,     // KEY=[a, b], --KEY a,b
  Section,  // a map, from YAML or KEY.sub.key=VALUE; sections.hpp documents what is in it
};

struct Key {
  std::string_view name;
  KeyKind kind = KeyKind::Scalar;
  std::string_view value;     // what to write, for help: "DIR", "N"
  std::string_view fallback;  // what holds when it is absent
  std::string_view help;
  // Of this one call: not taken over from the configuration that a run folder or bundle remembers.
  bool momentary = false;
};

[[nodiscard]] std::span<const Key> all_keys();
[[nodiscard]] const Key* find_key(std::string_view name);

// `all_layers` is written --all-layers.
[[nodiscard]] std::string option_name(std::string_view key);

}  // namespace guardbit::cli
