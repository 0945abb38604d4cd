// Bundles as untrusted bytes: whatever is cut off or changed in one of the three files, loading ends in an Error of one
// line or in a network that runs; and it asks for little memory.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <new>
#include <utility>

#include "arith/error.hpp"
#include "nets/engines/engine.hpp"
#include "nets/graph/build.hpp"
#include "nets/graph/load.hpp"
#include "nets/io/file.hpp"
#include "nets/io/sha256.hpp"
#include "nets/quantize/bundle.hpp"
#include "nets/quantize/quantize.hpp"

namespace {

constexpr std::size_t kMostBytes = 32 << 20;  // of one allocation; all files together have less than 20 KiB

}  // namespace

// Refused like memory that is not there, so that nothing but std::bad_alloc comes of a size taken from a file.
void* operator new(std::size_t size) {
  void* const memory = size > kMostBytes ? nullptr : std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace guardbit::nets {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModel = R"(
model:
  name: tiny
  input: [4, 4, 1]
  layers:
    conv: {type: convolution, channels: 2, kernel: 3, padding: 1, activation: relu6}
    sum: {type: add}
    pool: {type: max_pool, kernel: 2, stride: 2}
    both: {type: concat}
    mean: {type: average_pool, kernel: 2}
    fc: {type: fully_connected, channels: 3}
    soft: {type: softmax}
  graph:
    - {from: input, with: [conv], to: a}
    - {from: a, to: sum}
    - {from: a, to: sum}
    - {from: sum, with: [pool], to: p}
    - {from: p, to: both}
    - {from: p, to: both}
    - {from: both, with: [mean, fc, soft], to: output}
)";

constexpr std::array<const char*, 3> kFiles{"net.yaml", "weights.safetensors", "float.safetensors"};

// Every so many bytes are tried; all of them with GUARDBIT_EVERY_BYTE=1, which takes half a minute.
std::size_t stride() { return std::getenv("GUARDBIT_EVERY_BYTE") != nullptr ? 1 : 11; }

class Untrusted : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("guardbit_untrusted_" + std::to_string(::getpid()));
    Network network = load_network(parse_yaml(kModel, "model"));
    initialise(network, 5);
    FloatTensor images({4, 4, 4, 1});
    for (std::size_t i = 0; i < images.data.size(); ++i) images.data[i] = static_cast<float>(i * 7919 % 1000) / 500 - 1;
    const Quantized q = quantize(network, images, {.keep_softmax = true});
    save_bundle(folder_, q.network, q.folded, parse_yaml("a: {b: $(c)}\nc: 0.1\n"));
    ASSERT_NO_THROW((void)load_bundle(folder_));
    const Bytes net = read_file(folder_ / kFiles[0]);
    net_.assign(net.begin(), net.end());
    for (const char* const file : kFiles) hashes_[file] = sha256_hex(read_file(folder_ / file));
  }
  void TearDown() override { fs::remove_all(folder_); }

  void put(const char* file, std::string_view bytes) const {
    std::ofstream(folder_ / file, std::ios::binary | std::ios::trunc)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }

  // Loads with `bytes` in place of `file`, and net.yaml's hash of it made right: else nothing behind the hash is tried.
  void attempt(const char* file, const Bytes& bytes, const std::string& what) {
    put(file, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    if (file != kFiles[0]) {
      std::string net = net_;
      const std::size_t at = net.find(hashes_.at(file));
      put(kFiles[0], net.replace(at, 64, sha256_hex(bytes)));
    }
    ++attempts_;
    try {
      run(load_bundle(folder_).network);
      ++loaded_;
    } catch (const Error& error) {
      const std::string message = error.what();
      EXPECT_FALSE(message.empty()) << file << ": " << what;
      EXPECT_EQ(message.find('\n'), std::string::npos) << file << ": " << what << ": " << message;
    } catch (const std::exception& other) {
      ADD_FAILURE() << file << ": " << what << ": not an Error: " << other.what();
    }
  }

  // What loads must run; sizes that a change made large are legal, but not tried.
  static void run(const IntegerNetwork& network) {
    std::int64_t work = 0;
    for (const IntegerLayer& layer : network.layers) {
      const Window& w = layer.window;
      work += layer.shape.count() * std::min<std::int64_t>(std::int64_t{w.kernel_h} * w.kernel_w, 1 << 20);
      work += layer.weighted() ? macs(network, layer) : 0;
    }
    if (work > 1'000'000) return;
    const Shape s = network.layers[0].shape;
    const RunResult result = make_fast_engine()->run(network, uniform(network, {}), IntTensor({1, s.h, s.w, s.c}), {});
    ASSERT_EQ(result.layers.size(), network.layers.size());
  }

  void report() const { std::printf("%d files tried, %d of them still loaded\n", attempts_, loaded_); }

  fs::path folder_;
  std::string net_;
  std::map<std::string, std::string> hashes_;
  int attempts_ = 0, loaded_ = 0;
};

TEST_F(Untrusted, ShorterFilesAreRefused) {
  for (const char* const file : kFiles) {
    const Bytes good = read_file(folder_ / file);
    for (std::size_t size = 0; size + 1 < good.size(); size += stride()) {  // the last is net.yaml's line break
      attempt(file, Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)),
              "cut to " + std::to_string(size));
    }
    EXPECT_EQ(loaded_, 0) << file;
    attempt(file, good, "whole");
    EXPECT_EQ(std::exchange(loaded_, 0), 1) << file;
  }
  report();
}

TEST_F(Untrusted, TensorsWithoutTheirHashAreRefused) {
  for (const char* const file : {kFiles[1], kFiles[2]}) {
    Bytes bytes = read_file(folder_ / file);
    bytes.back() ^= 1;
    put(file, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    EXPECT_THROW((void)load_bundle(folder_), Error) << file;
    bytes.back() ^= 1;
    put(file, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    EXPECT_NO_THROW((void)load_bundle(folder_)) << file;
  }
}

TEST_F(Untrusted, ChangedBytesAreRefusedOrHarmless) {
  for (const char* const file : kFiles) {
    const Bytes good = read_file(folder_ / file);
    constexpr std::array<int, 4> kChanges{0x01, 0x10, 0x80, 0xff};
    for (std::size_t at = 0; at < good.size(); at += stride()) {
      Bytes bad = good;
      const int change = kChanges[at % kChanges.size()];
      bad[at] = static_cast<std::uint8_t>(bad[at] ^ change);
      attempt(file, bad, "byte " + std::to_string(at) + " ^ " + std::to_string(change));
    }
    attempt(file, good, "whole");
  }
  report();
}

TEST_F(Untrusted, HostileNumbersAreRefusedOrHarmless) {
  const std::array<std::string, 8> kNumbers{"0",          "-1",        "1048576", "1048577", "2147483648",
                                            "9223372036854775807", "1e308", "[]"};
  for (const char* const file : kFiles) {
    const Bytes good = read_file(folder_ / file);
    std::size_t text_bytes = good.size();
    if (file != kFiles[0]) {  // the header, behind its length in eight bytes
      text_bytes = 8 + std::size_t{good[0]} + std::size_t{good[1]} * 256;
    }
    const auto digit = [&](std::size_t i) { return i < text_bytes && std::isdigit(good[i]) != 0; };
    int count = 0;
    for (std::size_t at = file == kFiles[0] ? 0 : 8; at < text_bytes; ++at) {
      if (!digit(at) || digit(at - 1)) continue;
      std::size_t end = at;
      while (digit(end)) ++end;
      // Other numbers at every place, so that all of them come to each key.
      for (std::size_t k = 0; k < (stride() == 1 ? kNumbers.size() : 2); ++k) {
        const std::string& number = kNumbers[static_cast<std::size_t>(count++) % kNumbers.size()];
        Bytes bad(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(at));
        bad.insert(bad.end(), number.begin(), number.end());
        bad.insert(bad.end(), good.begin() + static_cast<std::ptrdiff_t>(end), good.end());
        if (file != kFiles[0]) {
          const std::size_t header = text_bytes - 8 + number.size() - (end - at);
          bad[0] = static_cast<std::uint8_t>(header);
          bad[1] = static_cast<std::uint8_t>(header >> 8);
        }
        attempt(file, bad, number + " at byte " + std::to_string(at));
      }
    }
    attempt(file, good, "whole");
  }
  report();
}

}  // namespace
}  // namespace guardbit::nets
