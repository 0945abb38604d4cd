// A golden-trace package of one weighted layer: a folder with a manifest, hex and npy files. FORMAT.md has the bytes.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "traces/manifest.hpp"

namespace guardbit::traces {

struct Package {
  Manifest manifest;
  std::array<std::vector<std::int64_t>, kRoles.size()> values;  // by Role, in the order of the stream

  [[nodiscard]] const std::vector<std::int64_t>& of(Role role) const { return values[static_cast<std::size_t>(role)]; }
  [[nodiscard]] std::vector<std::int64_t>& of(Role role) { return values[static_cast<std::size_t>(role)]; }
};

// Writes all files into `folder`, which must exist and be empty. Fills manifest.sha256.
void write_files(Package& package, const std::filesystem::path& folder);

// Reads and verifies: manifest, hashes, hex (strict), npy equal to hex. The bytes are not trusted. The values of
// accumulators and outputs are checked by check.hpp.
[[nodiscard]] Package read_package(const std::filesystem::path& folder);

// Does the folder contain a manifest of ours (of any version)?
[[nodiscard]] bool is_package(const std::filesystem::path& folder);

}  // namespace guardbit::traces
