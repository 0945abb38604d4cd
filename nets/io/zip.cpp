// Section numbers are those of PKWARE's APPNOTE.TXT 6.3.
#include "nets/io/zip.hpp"

#include <algorithm>
#include <limits>
#include <set>

#include "nets/io/byte_reader.hpp"
#include "nets/io/compress.hpp"

namespace guardbit::nets {
namespace {

constexpr std::uint32_t kLocalHeader = 0x04034b50;      // 4.3.7
constexpr std::uint32_t kDirectoryHeader = 0x02014b50;  // 4.3.12
constexpr std::uint32_t kDirectoryEnd = 0x06054b50;     // 4.3.16
constexpr std::uint32_t kDirectoryEnd64 = 0x06064b50;   // 4.3.14
constexpr std::uint32_t kLocator64 = 0x07064b50;        // 4.3.15
constexpr std::size_t kDirectoryEndBytes = 22;
constexpr std::size_t kLocatorBytes = 20;
constexpr std::uint16_t kStored = 0;
constexpr std::uint16_t kDeflated = 8;
constexpr std::uint32_t kIn64 = 0xffffffff;  // the real value stands in a 64-bit field

struct Directory {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  std::uint64_t offset = 0;
};

struct EntryHeader {
  std::string name;
  std::uint16_t flags = 0;
  std::uint16_t method = 0;
  std::uint32_t crc = 0;
  std::uint64_t packed_bytes = 0;
  std::uint64_t bytes = 0;
  std::uint64_t offset = 0;
};

/// The end record is the last thing in the file but for a comment of its stated length.
std::size_t find_directory_end(ByteView bytes, const std::string& where) {
  if (bytes.size() < kDirectoryEndBytes) throw Error(where + ": found data that is not a zip archive");
  const std::size_t last = bytes.size() - kDirectoryEndBytes;
  const std::size_t first = last > 0xffff ? last - 0xffff : 0;
  for (std::size_t at = last + 1; at-- > first;) {
    ByteReader reader(bytes.subspan(at), where);
    if (reader.u32() != kDirectoryEnd) continue;
    reader.seek(20);
    if (reader.u16() == bytes.size() - at - kDirectoryEndBytes) return at;
  }
  throw Error(where + ": found data that is not a zip archive");
}

Directory read_directory_end(ByteView bytes, const std::string& where) {
  const std::size_t end = find_directory_end(bytes, where);
  ByteReader reader(bytes, where);
  reader.seek(end + 4);
  if (reader.u32() != 0) reader.fail("found an archive of several disks, allowed one");
  reader.u16();
  Directory directory;
  directory.entries = reader.u16();
  directory.bytes = reader.u32();
  directory.offset = reader.u32();
  const bool wide = directory.entries == 0xffff || directory.bytes == kIn64 || directory.offset == kIn64;
  if (!wide || end < kLocatorBytes) return directory;
  reader.seek(end - kLocatorBytes);
  if (reader.u32() != kLocator64) return directory;
  reader.u32();
  reader.seek(reader.u64());
  if (reader.u32() != kDirectoryEnd64) reader.fail("found no 64-bit end record where one is announced");
  reader.take(28);  // record size, versions, disks, entries on this disk
  directory.entries = reader.u64();
  directory.bytes = reader.u64();
  directory.offset = reader.u64();
  return directory;
}

/// 4.5.3: 64-bit values stand in this order, each only if its 32-bit field is all ones.
void read_extra(ByteReader extra, EntryHeader& header) {
  while (extra.left() >= 4) {
    const std::uint16_t id = extra.u16();
    const std::uint16_t size = extra.u16();
    ByteReader field(extra.take(size), header.name);
    if (id != 1) continue;
    if (header.bytes == kIn64) header.bytes = field.u64();
    if (header.packed_bytes == kIn64) header.packed_bytes = field.u64();
    if (header.offset == kIn64) header.offset = field.u64();
  }
}

EntryHeader read_entry_header(ByteReader& reader, const std::string& where) {
  if (reader.u32() != kDirectoryHeader) reader.fail("found a damaged zip directory");
  reader.u32();  // versions
  EntryHeader header;
  header.flags = reader.u16();
  header.method = reader.u16();
  reader.u32();  // time and date
  header.crc = reader.u32();
  header.packed_bytes = reader.u32();
  header.bytes = reader.u32();
  const std::uint16_t name_bytes = reader.u16();
  const std::uint16_t extra_bytes = reader.u16();
  const std::uint16_t comment_bytes = reader.u16();
  reader.take(8);  // disk, attributes
  header.offset = reader.u32();
  header.name = reader.text(name_bytes);
  read_extra(ByteReader(reader.take(extra_bytes), where + ": " + header.name), header);
  reader.take(comment_bytes);
  return header;
}

Bytes read_entry(ByteView bytes, const EntryHeader& header, const std::string& where) {
  ByteReader reader(bytes, where);
  if ((header.flags & 1) != 0) reader.fail("found an encrypted entry");
  reader.seek(header.offset);
  if (reader.u32() != kLocalHeader) reader.fail("found a damaged local header");
  reader.take(22);
  const std::uint16_t name_bytes = reader.u16();
  const std::uint16_t extra_bytes = reader.u16();
  if (reader.text(name_bytes) != header.name) reader.fail("found another name in the local header");
  reader.take(extra_bytes);
  const ByteView packed = reader.take(header.packed_bytes);
  if (header.method != kStored && header.method != kDeflated) {
    reader.fail(fmt::format("found compression method {}, allowed 0 (stored) and 8 (deflated)", header.method));
  }
  if (header.method == kStored && header.packed_bytes != header.bytes) reader.fail("found two sizes of a stored entry");
  Bytes content =
      header.method == kStored ? Bytes(packed.begin(), packed.end()) : inflate_exactly(packed, header.bytes, where);
  if (crc32_of(content) != header.crc) reader.fail("found damaged content: the CRC differs");
  return content;
}

struct Writer {
  Bytes out;
  void u16(std::uint64_t value) { append_little(out, value, 2); }
  void u32(std::uint64_t value) { append_little(out, value, 4); }
  void append(ByteView bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }
  void append(const std::string& text) { out.insert(out.end(), text.begin(), text.end()); }

  /// The fields that local and directory headers share: version 2.0, no flags, stored, 1980-01-01 00:00.
  void common(const ZipEntry& entry) {
    u16(20);
    u16(0);
    u16(kStored);
    u16(0);
    u16(1 << 5 | 1);
    u32(crc32_of(entry.bytes));
    u32(entry.bytes.size());
    u32(entry.bytes.size());
    u16(entry.name.size());
    u16(0);
  }
};

}  // namespace

std::vector<ZipEntry> parse_zip(ByteView bytes, const std::string& where, std::uint64_t max_bytes) {
  const Directory directory = read_directory_end(bytes, where);
  ByteReader reader(bytes, where);
  reader.seek(directory.offset);
  ByteReader list(reader.take(directory.bytes), where + ": directory");
  std::vector<ZipEntry> entries;
  std::set<std::string> names;
  std::uint64_t total_bytes = 0;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {  // each takes 46 bytes at least, so `list` ends the loop
    const EntryHeader header = read_entry_header(list, where);
    if (!names.insert(header.name).second) list.fail(fmt::format("found {} twice", header.name));
    if (header.bytes > max_bytes - total_bytes)
      list.fail(fmt::format("found more than {} bytes of content", max_bytes));
    total_bytes += header.bytes;
    entries.push_back({header.name, read_entry(bytes, header, where + ": " + header.name)});
  }
  if (list.left() != 0) list.fail(fmt::format("found {} bytes after the last entry", list.left()));
  return entries;
}

Bytes zip_bytes(const std::vector<ZipEntry>& entries) {
  Writer local;
  Writer directory;
  for (const ZipEntry& entry : entries) {
    const std::uint64_t offset = local.out.size();
    if (entry.name.size() > 0xffff || offset + entry.bytes.size() + entry.name.size() + 30 >= kIn64) {
      throw Error(fmt::format("zip: {}: found more than 4 GiB, which is the limit", entry.name));
    }
    local.u32(kLocalHeader);
    local.common(entry);
    local.append(entry.name);
    local.append(entry.bytes);
    directory.u32(kDirectoryHeader);
    directory.u16(20);
    directory.common(entry);
    directory.u16(0);  // comment, disk, attributes
    directory.u16(0);
    directory.u16(0);
    directory.u32(0);
    directory.u32(offset);
    directory.append(entry.name);
  }
  if (entries.size() >= 0xffff)
    throw Error(fmt::format("zip: found {} entries, allowed at most 65534", entries.size()));
  const std::uint64_t offset = local.out.size();
  local.append(directory.out);
  local.u32(kDirectoryEnd);
  local.u32(0);
  local.u16(entries.size());
  local.u16(entries.size());
  local.u32(directory.out.size());
  local.u32(offset);
  local.u16(0);
  return std::move(local.out);
}

}  // namespace guardbit::nets
