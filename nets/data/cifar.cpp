// CIFAR-10 and CIFAR-100, binary versions (https://www.cs.toronto.edu/~kriz/cifar.html): records of labels and three
// planes of 32 x 32, which become interleaved channels here.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <exception>
#include <thread>
#include <utility>

#include "nets/data/loaders.hpp"
#include "nets/io/compress.hpp"

namespace guardbit::nets {
namespace {

constexpr std::size_t kSide = 32;
constexpr std::size_t kPlaneBytes = kSide * kSide;
constexpr std::size_t kChannels = 3;
constexpr std::size_t kImageBytes = kPlaneBytes * kChannels;
constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 30;
constexpr const char* kFirstImages = "test_batch_first1000.bin";

/// How a record begins: CIFAR-10 has one label, CIFAR-100 a coarse one and a fine one. The last counts.
struct Layout {
  std::size_t label_bytes = 1;
  int classes = 10;
};

/// The images and labels of one file.
struct Records {
  Bytes pixels;  ///< [N, 32, 32, 3]
  std::vector<int> labels;
};

/// Interleaved where they lie: an image moves towards the front by the labels before it, never onto one to come.
Records parse_records(Bytes bytes, const Layout& layout, const std::string& where) {
  const std::size_t record_bytes = layout.label_bytes + kImageBytes;
  if (bytes.empty() || bytes.size() % record_bytes != 0) {
    throw Error(fmt::format("{}: found {} bytes, allowed multiples of {}", where, bytes.size(), record_bytes));
  }
  const std::size_t count = bytes.size() / record_bytes;
  Records result;
  std::array<std::uint8_t, kImageBytes> image;
  for (std::size_t n = 0; n < count; ++n) {
    const std::uint8_t* record = bytes.data() + n * record_bytes;
    const int label = record[layout.label_bytes - 1];
    if (label >= layout.classes) {
      throw Error(fmt::format("{}: image {}: found label {}, allowed 0 to {}", where, n, label, layout.classes - 1));
    }
    result.labels.push_back(label);
    for (std::size_t c = 0; c < kChannels; ++c) {
      const std::uint8_t* plane = record + layout.label_bytes + c * kPlaneBytes;
      for (std::size_t p = 0; p < kPlaneBytes; ++p) image[p * kChannels + c] = plane[p];
    }
    std::copy(image.begin(), image.end(), bytes.begin() + static_cast<std::ptrdiff_t>(n * kImageBytes));
  }
  bytes.resize(count * kImageBytes);
  result.pixels = std::move(bytes);
  return result;
}

/// Decompressing takes most of the time, so the processors share the files; the result keeps their order.
std::vector<Records> read_all(const std::vector<std::filesystem::path>& files, const Layout& layout) {
  std::vector<Records> parts(files.size());
  std::vector<std::exception_ptr> errors(files.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < files.size(); i = next++) {
      try {
        parts[i] = parse_records(read_decompressed(files[i], kMaxBytes), layout, files[i].string());
      } catch (...) {
        errors[i] = std::current_exception();
      }
    }
  };
  const std::size_t processors = std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < std::min(processors, files.size()); ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
  return parts;
}

Dataset load_files(const std::filesystem::path& folder, const std::vector<std::string>& names, const Layout& layout) {
  std::vector<std::filesystem::path> files;
  for (const std::string& name : names) files.push_back(folder / name);
  std::vector<Records> parts = read_all(files, layout);
  Dataset all;
  all.height = all.width = static_cast<int>(kSide);
  all.channels = static_cast<int>(kChannels);
  all.classes = layout.classes;
  std::size_t total = 0;
  for (const Records& part : parts) total += part.pixels.size();
  Bytes pixels = std::move(parts[0].pixels);
  pixels.reserve(total);
  for (Records& part : parts) {
    const Bytes more = std::exchange(part.pixels, {});  // freed at once
    pixels.insert(pixels.end(), more.begin(), more.end());
    all.labels.insert(all.labels.end(), part.labels.begin(), part.labels.end());
  }
  all.images = std::move(pixels);
  return all;
}

}  // namespace

std::vector<std::string> cifar10_files(const std::filesystem::path& folder, bool train) {
  if (train) {
    return {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"};
  }
  for (const char* name : {"test_batch.bin", kFirstImages}) {
    if (find_plain_or_compressed(folder / name)) return {name};
  }
  throw Error(fmt::format("{}: found neither test_batch.bin nor {}, plain, .gz or .xz", folder.string(), kFirstImages));
}

std::vector<std::string> cifar100_files(bool train) { return {train ? "train.bin" : "test.bin"}; }

Dataset load_cifar10(const std::filesystem::path& folder, bool train) {
  const std::vector<std::string> files = cifar10_files(folder, train);
  Dataset data = load_files(folder, files, {1, 10});
  data.name = "cifar10";
  data.description = fmt::format("CIFAR-10 {}{}, {} images", train ? "training set" : "test set",
                                 files[0] == kFirstImages ? ", first 1000 only" : "", data.count());
  return data;
}

Dataset load_cifar100(const std::filesystem::path& folder, bool train) {
  Dataset data = load_files(folder, cifar100_files(train), {2, 100});
  data.name = "cifar100";
  data.description = fmt::format("CIFAR-100 {}, {} images", train ? "training set" : "test set", data.count());
  return data;
}

}  // namespace guardbit::nets
