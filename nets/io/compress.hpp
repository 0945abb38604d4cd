// Decompression with a limit on the output, and checksums.
#pragma once

#include <optional>
#include <string>

#include "nets/io/shared_bytes.hpp"

namespace guardbit::nets {

/// Whole streams; concatenated members are joined; anything after them is an error. Throws Error beginning with `where`
/// on damage or when the result would exceed `max_bytes`.
Bytes gunzip(ByteView bytes, std::uint64_t max_bytes, const std::string& where);
Bytes unxz(ByteView bytes, std::uint64_t max_bytes, const std::string& where);
/// A raw deflate stream that must give exactly `size` bytes and use all input.
Bytes inflate_exactly(ByteView bytes, std::uint64_t size, const std::string& where);

std::uint32_t crc32_of(ByteView bytes);

/// `path`, else `path`.gz, else `path`.xz: the first that is a file.
std::optional<std::filesystem::path> find_plain_or_compressed(const std::filesystem::path& path);
/// The same; Error where none is there.
std::filesystem::path require_plain_or_compressed(const std::filesystem::path& path);
/// Reads that file, decompressed by its extension.
Bytes read_decompressed(const std::filesystem::path& path, std::uint64_t max_bytes);
/// The same, but a plain file is mapped instead of read.
SharedBytes map_or_decompress(const std::filesystem::path& path, std::uint64_t max_bytes);

}  // namespace guardbit::nets
