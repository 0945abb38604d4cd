// Zip archives (APPNOTE.TXT 6.3): stored and deflated entries, 64-bit sizes; no encryption, no multiple disks.
#pragma once

#include <string>
#include <utility>

#include "nets/io/file.hpp"

namespace guardbit::nets {

struct ZipEntry {
  std::string name;
  Bytes bytes;
};

/// All files of the archive, in the order of its directory, every CRC checked. `max_bytes` bounds their sum.
std::vector<ZipEntry> parse_zip(ByteView bytes, const std::string& where, std::uint64_t max_bytes = kMaxFileBytes);
/// Entries stored without compression and without time stamps. Throws Error beyond 4 GiB.
Bytes zip_bytes(const std::vector<ZipEntry>& entries);

}  // namespace guardbit::nets
