// Whole files: bounded reads, atomic writes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace guardbit::nets {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

inline constexpr std::uintmax_t kMaxFileBytes = std::uintmax_t{16} << 30;

/// The whole file. Throws Error if it cannot be read or is longer than `max_bytes`.
Bytes read_file(const std::filesystem::path& path, std::uintmax_t max_bytes = kMaxFileBytes);

/// Writes under a temporary name in the same folder (made if missing), flushes to disk and renames: a reader sees the
/// old file or the new one, never a part.
void atomic_write(const std::filesystem::path& path, ByteView bytes);
void atomic_write(const std::filesystem::path& path, std::string_view text);

}  // namespace guardbit::nets
