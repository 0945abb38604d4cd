#include "nets/io/compress.hpp"

#include <fmt/format.h>
#include <lzma.h>
#include <zlib.h>

#include <algorithm>

#include "arith/error.hpp"

namespace guardbit::nets {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{1} << 20;
constexpr int kGzipOrZlibWindow = 15 + 32;
constexpr int kRawWindow = -15;

/// zlib's inflater, freed on every way out.
class Inflater {
 public:
  Inflater(int window_bits, const std::string& where) : where_(where) {
    if (inflateInit2(&stream_, window_bits) != Z_OK) throw Error(where_ + ": cannot start zlib");
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  /// Runs one stream; appends to `out`; returns how much input it took.
  std::size_t run(ByteView in, Bytes& out, std::uint64_t max_bytes) {
    inflateReset(&stream_);
    std::size_t taken = 0;
    int status = Z_OK;
    while (status != Z_STREAM_END) {
      const std::size_t room =
          static_cast<std::size_t>(std::min<std::uint64_t>(kChunkBytes, max_bytes - out.size() + 1));
      const std::size_t used = out.size();
      out.resize(used + room);
      stream_.next_in = const_cast<Bytef*>(in.data() + taken);
      stream_.avail_in = static_cast<uInt>(std::min(in.size() - taken, kChunkBytes));
      stream_.next_out = out.data() + used;
      stream_.avail_out = static_cast<uInt>(room);
      const uInt offered = stream_.avail_in;
      status = inflate(&stream_, Z_NO_FLUSH);
      taken += offered - stream_.avail_in;
      out.resize(used + room - stream_.avail_out);
      if (status != Z_OK && status != Z_STREAM_END) throw Error(where_ + ": found damaged or truncated deflate data");
      if (out.size() > max_bytes)
        throw Error(fmt::format("{}: found more than {} bytes after decompression", where_, max_bytes));
    }
    return taken;
  }

 private:
  z_stream stream_{};
  const std::string& where_;
};

}  // namespace

Bytes gunzip(ByteView bytes, std::uint64_t max_bytes, const std::string& where) {
  Bytes out;
  Inflater inflater(kGzipOrZlibWindow, where);
  do {
    if (bytes.size() < 2 || bytes[0] != 0x1f || bytes[1] != 0x8b) throw Error(where + ": found data that is not gzip");
    bytes = bytes.subspan(inflater.run(bytes, out, max_bytes));
  } while (!bytes.empty());
  return out;
}

Bytes inflate_exactly(ByteView bytes, std::uint64_t size, const std::string& where) {
  Bytes out;
  const std::size_t taken = Inflater(kRawWindow, where).run(bytes, out, size);
  if (out.size() != size || taken != bytes.size()) {
    throw Error(fmt::format("{}: found {} bytes after decompression, allowed {}", where, out.size(), size));
  }
  return out;
}

Bytes unxz(ByteView bytes, std::uint64_t max_bytes, const std::string& where) {
  constexpr std::uint64_t kMemoryBytes = std::uint64_t{256} << 20;  // xz -9 needs 65 MiB
  lzma_stream stream = LZMA_STREAM_INIT;
  if (lzma_stream_decoder(&stream, kMemoryBytes, LZMA_CONCATENATED) != LZMA_OK)
    throw Error(where + ": cannot start liblzma");
  const struct Guard {
    lzma_stream& held;
    ~Guard() { lzma_end(&held); }
  } guard{stream};
  Bytes out;
  stream.next_in = bytes.data();
  stream.avail_in = bytes.size();
  lzma_ret status = LZMA_OK;
  while (status != LZMA_STREAM_END) {
    const std::size_t room = static_cast<std::size_t>(std::min<std::uint64_t>(kChunkBytes, max_bytes - out.size() + 1));
    const std::size_t used = out.size();
    out.resize(used + room);
    stream.next_out = out.data() + used;
    stream.avail_out = room;
    status = lzma_code(&stream, LZMA_FINISH);
    out.resize(used + room - stream.avail_out);
    if (status != LZMA_OK && status != LZMA_STREAM_END) throw Error(where + ": found damaged or truncated xz data");
    if (out.size() > max_bytes)
      throw Error(fmt::format("{}: found more than {} bytes after decompression", where, max_bytes));
  }
  return out;
}

std::uint32_t crc32_of(ByteView bytes) { return static_cast<std::uint32_t>(crc32_z(0, bytes.data(), bytes.size())); }

std::optional<std::filesystem::path> find_plain_or_compressed(const std::filesystem::path& path) {
  for (const char* suffix : {"", ".gz", ".xz"}) {
    std::filesystem::path candidate = path;
    candidate += suffix;
    std::error_code error;
    if (std::filesystem::is_regular_file(candidate, error)) return candidate;
  }
  return {};
}

std::filesystem::path require_plain_or_compressed(const std::filesystem::path& path) {
  const auto found = find_plain_or_compressed(path);
  if (!found) throw Error(fmt::format("{0}: not found, nor {0}.gz, nor {0}.xz", path.string()));
  return *found;
}

namespace {

Bytes decompress(const std::filesystem::path& path, std::uint64_t max_bytes) {
  const SharedBytes bytes = SharedBytes::map(path);
  return path.extension() == ".gz" ? gunzip(bytes, max_bytes, path.string()) : unxz(bytes, max_bytes, path.string());
}

}  // namespace

Bytes read_decompressed(const std::filesystem::path& path, std::uint64_t max_bytes) {
  const std::filesystem::path found = require_plain_or_compressed(path);
  return found == path ? read_file(found, max_bytes) : decompress(found, max_bytes);
}

SharedBytes map_or_decompress(const std::filesystem::path& path, std::uint64_t max_bytes) {
  const std::filesystem::path found = require_plain_or_compressed(path);
  return found == path ? SharedBytes::map(found, max_bytes) : SharedBytes(decompress(found, max_bytes));
}

}  // namespace guardbit::nets
