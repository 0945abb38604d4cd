// CIFAR-10 and CIFAR-100, binary versions (https://www.cs.toronto.edu/~kriz/cifar.html): records of labels and three
// planes of 32 x 32, which become interleaved channels here.
#include <fmt/format.h>

#include <exception>
#include <thread>

#include "nets/data/loaders.hpp"
#include "nets/io/compress.hpp"

namespace guardbit::nets {
namespace {

constexpr std::size_t kSide = 32;
constexpr std::size_t kPlaneBytes = kSide * kSide;
constexpr std::size_t kChannels = 3;
constexpr std::size_t kImageBytes = kPlaneBytes * kChannels;
constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 30;

/// How a record begins: CIFAR-10 has one label, CIFAR-100 a coarse one and a fine one. The last counts.
struct Layout {
  std::size_t label_bytes = 1;
  int classes = 10;
};

Dataset parse_records(ByteView bytes, const Layout& layout, const std::string& where) {
  const std::size_t record_bytes = layout.label_bytes + kImageBytes;
  if (bytes.empty() || bytes.size() % record_bytes != 0) {
    throw Error(fmt::format("{}: found {} bytes, allowed multiples of {}", where, bytes.size(), record_bytes));
  }
  const std::size_t count = bytes.size() / record_bytes;
  Dataset data;
  data.height = data.width = static_cast<int>(kSide);
  data.channels = static_cast<int>(kChannels);
  data.classes = layout.classes;
  data.images.resize(count * kImageBytes);
  for (std::size_t n = 0; n < count; ++n) {
    const ByteView record = bytes.subspan(n * record_bytes, record_bytes);
    const int label = record[layout.label_bytes - 1];
    if (label >= layout.classes) {
      throw Error(fmt::format("{}: image {}: found label {}, allowed 0 to {}", where, n, label, layout.classes - 1));
    }
    data.labels.push_back(label);
    std::uint8_t* image = data.images.data() + n * kImageBytes;
    for (std::size_t c = 0; c < kChannels; ++c) {
      const ByteView plane = record.subspan(layout.label_bytes + c * kPlaneBytes, kPlaneBytes);
      for (std::size_t p = 0; p < kPlaneBytes; ++p) image[p * kChannels + c] = plane[p];
    }
  }
  return data;
}

/// Decompressing takes most of the time, so each file gets a thread; the result keeps the order of the files.
Dataset load_files(const std::vector<std::filesystem::path>& files, const Layout& layout) {
  std::vector<Dataset> parts(files.size());
  std::vector<std::exception_ptr> errors(files.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < files.size(); ++i) {
    threads.emplace_back([&, i] {
      try {
        parts[i] = parse_records(read_decompressed(files[i], kMaxBytes), layout, files[i].string());
      } catch (...) {
        errors[i] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
  Dataset all = std::move(parts[0]);
  for (std::size_t i = 1; i < parts.size(); ++i) {
    all.images.insert(all.images.end(), parts[i].images.begin(), parts[i].images.end());
    all.labels.insert(all.labels.end(), parts[i].labels.begin(), parts[i].labels.end());
  }
  return all;
}

}  // namespace

Dataset load_cifar10(const std::filesystem::path& folder, bool train) {
  std::vector<std::filesystem::path> files;
  std::string part = train ? "training set" : "test set";
  if (train) {
    for (int i = 1; i <= 5; ++i) files.push_back(folder / fmt::format("data_batch_{}.bin", i));
  } else if (find_plain_or_compressed(folder / "test_batch.bin")) {
    files.push_back(folder / "test_batch.bin");
  } else if (find_plain_or_compressed(folder / "test_batch_first1000.bin")) {
    files.push_back(folder / "test_batch_first1000.bin");
    part += ", first 1000 only";
  } else {
    throw Error(fmt::format("{}: found neither test_batch.bin nor test_batch_first1000.bin, plain, .gz or .xz",
                            folder.string()));
  }
  Dataset data = load_files(files, {1, 10});
  data.name = "cifar10";
  data.description = fmt::format("CIFAR-10 {}, {} images", part, data.count());
  return data;
}

Dataset load_cifar100(const std::filesystem::path& folder, bool train) {
  Dataset data = load_files({folder / (train ? "train.bin" : "test.bin")}, {2, 100});
  data.name = "cifar100";
  data.description = fmt::format("CIFAR-100 {}, {} images", train ? "training set" : "test set", data.count());
  return data;
}

}  // namespace guardbit::nets
