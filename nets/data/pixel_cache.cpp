#include "nets/data/pixel_cache.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>

#include "nets/io/byte_reader.hpp"
#include "nets/io/compress.hpp"
#include "nets/io/sha256.hpp"

namespace guardbit::nets {
namespace {

constexpr std::string_view kMagic = "GBPIXELS";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kChecked = 16;  // where the checksum begins to count
constexpr std::uint32_t kMaxSide = 1 << 14;
constexpr std::uint32_t kMaxClasses = 1 << 20;
constexpr std::uint32_t kMaxDescription = 1 << 12;

using Digest = std::array<std::uint8_t, 32>;

Digest digest_of_file(const std::filesystem::path& file) {
  Sha256 hash;
  hash.update(SharedBytes::map(file));
  return hash.finish();
}

/// Of names, sizes and contents. Files are shared by the processors; their digests count in the order of the files.
Digest digest_of(const std::vector<SourceFile>& sources) {
  std::vector<Digest> parts(sources.size());
  std::vector<std::exception_ptr> errors(sources.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < sources.size(); i = next++) {
      try {
        if (!sources[i].file.empty()) parts[i] = digest_of_file(sources[i].file);
      } catch (...) {
        errors[i] = std::current_exception();
      }
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < std::min<std::size_t>(std::thread::hardware_concurrency(), sources.size()); ++i)
    threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  Bytes text;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (errors[i]) std::rethrow_exception(errors[i]);
    // The name of a file with its ending: a decoder is chosen by it.
    const std::string& name = sources[i].name;
    const std::string ending = sources[i].file.extension().string();
    for (const std::string& part : {name, ending}) {
      append_little(text, part.size(), 4);
      text.insert(text.end(), part.begin(), part.end());
    }
    append_little(text, sources[i].file.empty() ? 0 : std::filesystem::file_size(sources[i].file), 8);
    text.insert(text.end(), parts[i].begin(), parts[i].end());
  }
  Sha256 hash;
  hash.update(text);
  return hash.finish();
}

Bytes emit(const Dataset& data, const Digest& digest) {
  Bytes out(kMagic.begin(), kMagic.end());
  out.reserve(128 + data.description.size() + 4 * data.labels.size() + data.images.size());
  append_little(out, kVersion, 4);
  append_little(out, 0, 4);  // the checksum, known at the end
  out.insert(out.end(), digest.begin(), digest.end());
  for (const int value : {data.height, data.width, data.channels, data.classes})
    append_little(out, static_cast<std::uint64_t>(value), 4);
  append_little(out, data.labels.size(), 8);
  append_little(out, data.description.size(), 4);
  out.insert(out.end(), data.description.begin(), data.description.end());
  for (const int label : data.labels) append_little(out, static_cast<std::uint64_t>(label), 4);
  out.insert(out.end(), data.images.begin(), data.images.end());
  Bytes checksum;
  append_little(checksum, crc32_of(ByteView(out).subspan(kChecked)), 4);
  std::copy(checksum.begin(), checksum.end(), out.begin() + static_cast<std::ptrdiff_t>(kChecked - checksum.size()));
  return out;
}

/// Where labels and pixels begin. Every number is checked, for a checksum is no proof of who wrote the file.
void parse_shape(ByteReader& reader, Dataset& data, std::uint64_t& count) {
  const auto number = [&](const char* what, std::uint32_t most) {
    const std::uint32_t value = reader.u32();
    if (value == 0 || value > most) reader.fail(fmt::format("found {} {}, allowed 1 to {}", what, value, most));
    return static_cast<int>(value);
  };
  data.height = number("height", kMaxSide);
  data.width = number("width", kMaxSide);
  data.channels = number("channels", kMaxSide);
  data.classes = number("classes", kMaxClasses);
  count = reader.u64();
  const std::uint32_t length = reader.u32();
  if (length > kMaxDescription)
    reader.fail(fmt::format("found a description of {} bytes, allowed {}", length, kMaxDescription));
  data.description = reader.text(length);
  const auto each = static_cast<std::uint64_t>(data.image_size()) + 4;
  if (count == 0 || reader.left() % each != 0 || reader.left() / each != count) {
    reader.fail(fmt::format("found {} bytes for {} images of {} x {} x {} and their labels", reader.left(), count,
                            data.height, data.width, data.channels));
  }
}

Dataset parse(const SharedBytes& bytes, const Digest& digest, const std::string& where) {
  ByteReader reader(bytes, where);
  if (reader.text(kMagic.size()) != kMagic) reader.fail("found data that are no cache of pixels");
  const std::uint32_t version = reader.u32();
  if (version != kVersion) reader.fail(fmt::format("found version {}, allowed {}", version, kVersion));
  const std::uint32_t wanted = reader.u32();
  const std::uint32_t checksum = crc32_of(ByteView(bytes).subspan(kChecked));
  if (checksum != wanted) reader.fail(fmt::format("found checksum {:08x}, allowed {:08x}", checksum, wanted));
  const ByteView of = reader.take(digest.size());
  if (!std::equal(of.begin(), of.end(), digest.begin())) reader.fail("found images of other files");
  Dataset data;
  std::uint64_t count = 0;
  parse_shape(reader, data, count);
  data.labels.reserve(static_cast<std::size_t>(count));
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint32_t label = reader.u32();
    if (label >= static_cast<std::uint32_t>(data.classes))
      reader.fail(fmt::format("image {}: found label {}, allowed 0 to {}", i, label, data.classes - 1));
    data.labels.push_back(static_cast<int>(label));
  }
  data.images = bytes.part(reader.position(), reader.left());
  return data;
}

}  // namespace

Dataset load_cached(const std::filesystem::path& folder, const std::string& split,
                    const std::vector<SourceFile>& sources, const std::function<Dataset()>& load) {
  const Digest digest = digest_of(sources);
  std::string file = split + '-';
  for (std::size_t i = 0; i < 8; ++i) file += fmt::format("{:02x}", digest[i]);
  const std::filesystem::path path = folder / (file + ".pixels");
  if (!std::filesystem::exists(path)) {
    Bytes contents = emit(load(), digest);
    atomic_write(path, contents);
  }
  try {
    Dataset data = parse(SharedBytes::map(path), digest, path.string());
    data.name = split.substr(0, split.rfind('-'));
    return data;
  } catch (const Error& error) {
    throw Error(std::string(error.what()) + "; delete the file to have it made again");
  }
}

}  // namespace guardbit::nets
