// Keys inside the sections of a configuration: path, default and meaning, for `config` and --help.
#pragma once

#include <string>
#include <vector>

namespace guardbit::cli {

struct SectionKey {
  std::string path;      // "dataset.name"
  std::string fallback;  // YAML of what holds when absent; "" for required or none
  std::string meaning;
};

// In print order: dataset, calibration, trainer, machine, info. `model` is described in nets/README.md.
[[nodiscard]] std::vector<SectionKey> section_keys();

}  // namespace guardbit::cli
