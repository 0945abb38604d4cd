// Images in folders: PATH/train/CLASS/IMAGE and PATH/test/CLASS/IMAGE, where an image is .npy (uint8 [H, W] or
// [H, W, C]), .pgm (P5) or .ppm (P6). All images have one size. Classes and images are taken in the order of their
// names.
#include <fmt/format.h>

#include <algorithm>

#include "nets/data/loaders.hpp"
#include "nets/io/npy.hpp"

namespace guardbit::nets {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kMaxImageBytes = std::uintmax_t{1} << 28;
constexpr std::int64_t kMaxSide = 1 << 14;

/// Names in a folder, sorted, without hidden ones: the order of the file system is not the same everywhere.
std::vector<std::string> names_in(const fs::path& folder) {
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with('.')) names.push_back(name);
  }
  if (error) throw Error(fmt::format("{}: cannot list the folder: {}", folder.string(), error.message()));
  std::sort(names.begin(), names.end());
  return names;
}

/// The next header field of a PGM or PPM file: digits after white space and comments (netpbm, "PGM format").
std::int64_t next_number(const Bytes& bytes, std::size_t& at, const std::string& where) {
  const auto is_space = [](std::uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (at < bytes.size() && (is_space(bytes[at]) || bytes[at] == '#')) {
    if (bytes[at++] != '#') continue;
    while (at < bytes.size() && bytes[at] != '\n') ++at;
  }
  std::int64_t value = 0;
  const std::size_t start = at;
  while (at < bytes.size() && bytes[at] >= '0' && bytes[at] <= '9' && value <= kMaxSide)
    value = value * 10 + (bytes[at++] - '0');
  if (at == start || value > kMaxSide)
    throw Error(fmt::format("{}: found a damaged header, allowed numbers to {}", where, kMaxSide));
  return value;
}

Array parse_netpbm(const Bytes& bytes, const std::string& where) {
  const bool known = bytes.size() > 2 && bytes[0] == 'P' && (bytes[1] == '5' || bytes[1] == '6');
  if (!known) throw Error(where + ": found data that are neither PGM (P5) nor PPM (P6)");
  const std::int64_t channels = bytes[1] == '5' ? 1 : 3;
  std::size_t at = 2;
  const std::int64_t width = next_number(bytes, at, where);
  const std::int64_t height = next_number(bytes, at, where);
  const std::int64_t top = next_number(bytes, at, where);
  if (top != 255) throw Error(fmt::format("{}: found a maximum of {}, allowed 255", where, top));
  const auto wanted = static_cast<std::size_t>(width * height * channels);
  const std::size_t left = bytes.size() - std::min(bytes.size(), at + 1);  // one white space ends the header
  if (wanted == 0 || left != wanted)
    throw Error(fmt::format("{}: found {} bytes of pixels, allowed {}", where, left, wanted));
  return {{height, width, channels}, DType::U8, Bytes(bytes.end() - static_cast<std::ptrdiff_t>(wanted), bytes.end())};
}

/// As [H, W, C].
Array read_image(const fs::path& path) {
  const std::string extension = path.extension().string();
  const Bytes bytes = read_file(path, kMaxImageBytes);
  if (extension == ".pgm" || extension == ".ppm") return parse_netpbm(bytes, path.string());
  if (extension != ".npy")
    throw Error(fmt::format("{}: found a file of another kind, allowed .npy, .pgm, .ppm", path.string()));
  Array image = parse_npy(bytes, path.string());
  if (image.shape.size() == 2) image.shape.push_back(1);
  const bool fits = image.dtype == DType::U8 && image.shape.size() == 3 && image.count() > 0 &&
                    std::all_of(image.shape.begin(), image.shape.end(), [](std::int64_t d) { return d <= kMaxSide; });
  if (!fits) {
    throw Error(fmt::format("{}: found {} {}, allowed U8 [H, W] or [H, W, C]", path.string(), name_of(image.dtype),
                            image.shape_text()));
  }
  return image;
}

}  // namespace

std::vector<SourceFile> folder_files(const std::filesystem::path& folder, bool train) {
  const fs::path root = folder / (train ? "train" : "test");
  std::vector<SourceFile> files;
  for (const std::string& name : names_in(root)) {
    if (!fs::is_directory(root / name))
      throw Error(fmt::format("{}: found a file, allowed one folder per class", (root / name).string()));
    files.push_back({name + '/', {}});
    for (const std::string& file : names_in(root / name)) files.push_back({name + '/' + file, root / name / file});
  }
  return files;
}

Dataset load_folder(const std::filesystem::path& folder, bool train) {
  const fs::path root = folder / (train ? "train" : "test");
  Dataset data;
  data.name = "folder";
  std::vector<std::int64_t> shape;
  Bytes pixels;
  for (const SourceFile& source : folder_files(folder, train)) {
    if (source.file.empty()) {
      ++data.classes;
      continue;
    }
    const Array image = read_image(source.file);
    if (shape.empty()) shape = image.shape;
    if (image.shape != shape) {
      throw Error(fmt::format("{}: found {}, allowed [{}, {}, {}] as in the first image", source.file.string(),
                              image.shape_text(), shape[0], shape[1], shape[2]));
    }
    pixels.insert(pixels.end(), image.bytes.begin(), image.bytes.end());
    data.labels.push_back(data.classes - 1);
  }
  data.images = std::move(pixels);
  if (data.labels.empty())
    throw Error(fmt::format("{}: found no images, allowed CLASS/IMAGE.npy, .pgm or .ppm", root.string()));
  data.height = static_cast<int>(shape[0]);
  data.width = static_cast<int>(shape[1]);
  data.channels = static_cast<int>(shape[2]);
  data.description =
      fmt::format("folder {}, {} images of {} classes", train ? "train" : "test", data.count(), data.classes);
  return data;
}

}  // namespace guardbit::nets
