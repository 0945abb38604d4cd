#include "traces/package.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "arith/error.hpp"
#include "nets/io/file.hpp"
#include "nets/io/npy.hpp"
#include "nets/io/sha256.hpp"
#include "traces/readme.hpp"

namespace guardbit::traces {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::uintmax_t kMaxManifestBytes = std::uintmax_t{64} << 20;
constexpr std::string_view kManifestFile = "manifest.json";

std::string read_text(const fs::path& path, std::uintmax_t max_bytes) {
  const nets::Bytes bytes = nets::read_file(path, max_bytes);
  return {bytes.begin(), bytes.end()};
}

template <class T>
nets::Array narrowed(const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& values) {
  std::vector<T> elements;
  elements.reserve(values.size());
  for (const std::int64_t value : values) elements.push_back(static_cast<T>(value));
  return nets::Array::from(shape, elements);
}

// The smallest element type of NumPy that holds the stream.
nets::Array array_of(const Stream& stream, const std::vector<std::int64_t>& values) {
  const int bits = stream.words.elem_bits;
  const bool is_signed = stream.words.is_signed;
  if (bits <= 8) {
    return is_signed ? narrowed<std::int8_t>(stream.shape, values) : narrowed<std::uint8_t>(stream.shape, values);
  }
  if (bits <= 16) {
    return is_signed ? narrowed<std::int16_t>(stream.shape, values) : narrowed<std::uint16_t>(stream.shape, values);
  }
  if (bits <= 32) {
    return is_signed ? narrowed<std::int32_t>(stream.shape, values) : narrowed<std::uint32_t>(stream.shape, values);
  }
  return narrowed<std::int64_t>(stream.shape, values);
}

std::vector<std::string> hex_header(const Manifest& manifest, const Stream& stream) {
  return {fmt::format("{} of {} {}: {} words of {} hex digits, {} x {} bits {}, lane 0 in the low bits",
                      name(stream.role), manifest.op, manifest.layer, stream.words.words(stream.elements()),
                      stream.words.hex_digits(), stream.words.elems_per_word, stream.words.elem_bits,
                      stream.words.is_signed ? "signed" : "unsigned"),
          fmt::format("order {} = [{}], last axis fastest", axes(stream.role), fmt::join(stream.shape, ", "))};
}

void put(Manifest& manifest, const fs::path& folder, std::string_view file, nets::ByteView bytes) {
  fs::create_directories((folder / file).parent_path());
  nets::atomic_write(folder / file, bytes);
  manifest.sha256[std::string(file)] = nets::sha256_hex(bytes);
}

nets::ByteView bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

json parse_json(const std::string& text, const std::string& where) {
  json value = json::parse(text, nullptr, false);
  if (value.is_discarded()) throw Error(where + ": found text that is not JSON, allowed a manifest");
  return value;
}

// The bytes of one file, after its hash has been checked. A file that the manifest does not list is not read.
std::string verified(const Manifest& manifest, const fs::path& folder, std::string_view file) {
  const auto found = manifest.sha256.find(std::string(file));
  const std::string where = (folder / file).string();
  if (found == manifest.sha256.end()) {
    throw Error(fmt::format("{}: found no sha256 of {}, allowed one per file", (folder / kManifestFile).string(),
        file));
  }
  std::string text = read_text(folder / file, nets::kMaxFileBytes);
  const std::string hash = nets::sha256_hex(std::string_view(text));
  if (hash != found->second) {
    throw Error(fmt::format("{}: found sha256 {}, allowed {} as in the manifest", where, hash, found->second));
  }
  return text;
}

void check_npy(const Stream& stream, const std::vector<std::int64_t>& values, const std::string& bytes,
               const std::string& where) {
  const nets::Array array = nets::parse_npy(bytes_of(bytes), where);
  if (array.shape != stream.shape) {
    throw Error(fmt::format("{}: found shape {}, allowed [{}]", where, array.shape_text(),
                            fmt::join(stream.shape, ", ")));
  }
  const std::vector<std::int64_t> elements = array.to_int64(where);
  const auto [here, there] = std::mismatch(elements.begin(), elements.end(), values.begin(), values.end());
  if (here != elements.end()) {
    throw Error(fmt::format("{}: element {}: found {}, allowed {} as in {}", where, here - elements.begin(), *here,
                            *there, hex_file(stream.role)));
  }
}

}  // namespace

void write_files(Package& package, const fs::path& folder) {
  Manifest& manifest = package.manifest;
  manifest.sha256.clear();
  for (const Stream& stream : manifest.streams) {
    const std::vector<std::int64_t>& values = package.of(stream.role);
    const std::string file(hex_file(stream.role));
    const std::string text = to_hex(values, stream.words, hex_header(manifest, stream), file);
    put(manifest, folder, file, bytes_of(text));
    put(manifest, folder, npy_file(stream.role), nets::npy_bytes(array_of(stream, values)));
  }
  put(manifest, folder, "README.txt", bytes_of(readme_text(manifest)));
  nets::atomic_write(folder / kManifestFile, std::string_view(to_json(manifest).dump(2) + '\n'));
}

Package read_package(const fs::path& folder) {
  const fs::path path = folder / kManifestFile;
  Package package;
  package.manifest = manifest_from_json(parse_json(read_text(path, kMaxManifestBytes), path.string()), path.string());
  const Manifest& manifest = package.manifest;
  for (const Stream& stream : manifest.streams) {
    const std::string file(hex_file(stream.role)), tensor(npy_file(stream.role));
    const std::string text = verified(manifest, folder, file);
    package.of(stream.role) = parse_hex(text, stream.words, stream.elements(), (folder / file).string());
    check_npy(stream, package.of(stream.role), verified(manifest, folder, tensor), (folder / tensor).string());
  }
  return package;
}

bool is_package(const fs::path& folder) {
  const fs::path path = folder / kManifestFile;
  if (!fs::is_regular_file(path)) return false;
  const json value = json::parse(read_text(path, kMaxManifestBytes), nullptr, false);
  return value.is_object() && value.contains("format") && value["format"] == kFormatName;
}

}  // namespace guardbit::traces
