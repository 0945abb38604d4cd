// MNIST in its official IDX files (http://yann.lecun.com/exdb/mnist, "file formats"): big-endian headers.
#include <fmt/format.h>

#include "nets/data/loaders.hpp"
#include "nets/io/byte_reader.hpp"
#include "nets/io/compress.hpp"

namespace guardbit::nets {
namespace {

constexpr std::uint32_t kImagesMagic = 0x00000803;  // unsigned bytes, three dimensions
constexpr std::uint32_t kLabelsMagic = 0x00000801;
constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 30;
constexpr std::uint32_t kMaxSide = 4096;
constexpr int kClasses = 10;

void read_images(const std::filesystem::path& path, Dataset& data) {
  const SharedBytes bytes = map_or_decompress(path, kMaxBytes);
  ByteReader reader(bytes, path.string());
  if (reader.u32_big() != kImagesMagic) reader.fail("found data that are not IDX images");
  const std::uint64_t count = reader.u32_big();
  const std::uint32_t height = reader.u32_big();
  const std::uint32_t width = reader.u32_big();
  if (height == 0 || height > kMaxSide || width == 0 || width > kMaxSide) {
    reader.fail(fmt::format("found images of {} x {}, allowed 1 to {}", height, width, kMaxSide));
  }
  if (count * height * width != reader.left()) {
    reader.fail(fmt::format("found {} bytes of pixels, allowed {}", reader.left(), count * height * width));
  }
  data.height = static_cast<int>(height);
  data.width = static_cast<int>(width);
  data.images = bytes.part(reader.position(), reader.left());
}

void read_labels(const std::filesystem::path& path, Dataset& data) {
  const SharedBytes bytes = map_or_decompress(path, kMaxBytes);
  ByteReader reader(bytes, path.string());
  if (reader.u32_big() != kLabelsMagic) reader.fail("found data that are not IDX labels");
  const std::uint32_t count = reader.u32_big();
  if (count != reader.left()) reader.fail(fmt::format("found {} bytes of labels, allowed {}", reader.left(), count));
  for (const std::uint8_t label : reader.take(count)) {
    if (label >= kClasses) reader.fail(fmt::format("found label {}, allowed 0 to 9", label));
    data.labels.push_back(label);
  }
}

}  // namespace

std::vector<std::string> mnist_files(bool train) {
  const std::string prefix = train ? "train" : "t10k";
  return {prefix + "-images-idx3-ubyte", prefix + "-labels-idx1-ubyte"};
}

Dataset load_mnist(const std::filesystem::path& folder, bool train) {
  const std::vector<std::string> files = mnist_files(train);
  Dataset data;
  data.name = "mnist";
  data.channels = 1;
  data.classes = kClasses;
  read_images(folder / files[0], data);
  read_labels(folder / files[1], data);
  if (data.count() * data.image_size() != static_cast<std::int64_t>(data.images.size())) {
    throw Error(fmt::format("{}: found {} labels for {} images", folder.string(), data.count(),
                            static_cast<std::int64_t>(data.images.size()) / data.image_size()));
  }
  data.description = fmt::format("MNIST {}, {} images", train ? "training set" : "test set", data.count());
  return data;
}

}  // namespace guardbit::nets
