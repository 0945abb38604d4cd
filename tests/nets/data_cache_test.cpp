// Mapped pixels: plain IDX files, and the cache of decoded images: the same bytes with and without, what makes another
// cache, and every kind of damage.
#include <chrono>
#include <fstream>

#include "io_support.hpp"
#include "nets/data/dataset.hpp"
#include "nets/io/byte_reader.hpp"
#include "nets/io/compress.hpp"
#include "nets/io/sha256.hpp"

namespace guardbit::nets {
namespace {

namespace fs = std::filesystem;

class PixelCache : public InFolder {
 protected:
  void SetUp() override {
    InFolder::SetUp();
    write_records("c/test_batch.bin", 3);
    spec_.name = "cifar10";
    spec_.path = "c";
  }
  static void write_records(const std::string& name, int count) {
    Bytes bytes;
    for (int n = 0; n < count; ++n) {
      bytes.push_back(static_cast<std::uint8_t>(n));
      for (int i = 0; i < 3072; ++i) bytes.push_back(static_cast<std::uint8_t>(7 * n + i / 5));
    }
    atomic_write(name, bytes);
  }
  Dataset load(bool cached, Split split = Split::Test) {
    spec_.cache = cached ? "cache" : "";
    return load_dataset(spec_, split);
  }
  static std::vector<fs::path> caches() {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator("cache")) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    return files;
  }
  std::string error() {
    return error_of([&] { load(true); });
  }
  static void expect_same(const Dataset& a, const Dataset& b) {
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.description, b.description);
    EXPECT_EQ(a.labels, b.labels);
    EXPECT_EQ(a.images, b.images);
    EXPECT_EQ((std::vector{a.height, a.width, a.channels, a.classes}),
              (std::vector{b.height, b.width, b.channels, b.classes}));
  }
  DatasetSpec spec_;
};

TEST_F(PixelCache, GivesTheSameImages) {
  const Dataset plain = load(false);
  expect_same(load(true), plain);  // made
  ASSERT_EQ(caches().size(), 1u);
  EXPECT_TRUE(caches()[0].filename().string().starts_with("cifar10-test-"));
  const auto written = fs::last_write_time(caches()[0]);
  expect_same(load(true), plain);  // read
  EXPECT_EQ(fs::last_write_time(caches()[0]), written);
  spec_.test_size = 2;
  expect_same(load(true), load(false));
  EXPECT_EQ(caches().size(), 1u);  // the whole split is kept, whatever part is asked for
}

TEST_F(PixelCache, FilesOfEveryKindHaveOne) {
  write("f/test/a/1.pgm", "P5 2 1 255\n\x03\x04");
  write("f/test/b/1.pgm", "P5 2 1 255\n\x05\x06");
  fs::create_directories("f/test/c");  // a class without images counts
  atomic_write("m/t10k-images-idx3-ubyte", from_hex("000008030000000200000001000000020a0b0c0d"));
  atomic_write("m/t10k-labels-idx1-ubyte", from_hex("00000801000000020309"));
  for (const char* name : {"folder", "mnist"}) {
    spec_.name = name;
    spec_.path = name[0] == 'f' ? "f" : "m";
    const Dataset plain = load(false);
    expect_same(load(true), plain);
    expect_same(load(true), plain);
  }
  EXPECT_EQ(caches().size(), 2u);
}

TEST_F(PixelCache, DrawnDataHaveNone) {
  spec_.name = "glyphs";
  spec_.test_size = 3;
  EXPECT_EQ(load(true).count(), 3);
  EXPECT_FALSE(fs::exists("cache"));
}

TEST_F(PixelCache, OtherSourcesHaveAnother) {
  load(true);
  Bytes bytes = read_file("c/test_batch.bin");
  bytes.back() ^= 1;  // the same name, size and, below, time
  const auto time = fs::last_write_time("c/test_batch.bin");
  atomic_write("c/test_batch.bin", bytes);
  fs::last_write_time("c/test_batch.bin", time);
  const Dataset changed = load(true);
  EXPECT_EQ(caches().size(), 2u);
  expect_same(changed, load(false));
  fs::rename("c/test_batch.bin", "c/test_batch_first1000.bin");  // other name, other description
  EXPECT_EQ(load(true).description, "CIFAR-10 test set, first 1000 only, 3 images");
  EXPECT_EQ(caches().size(), 3u);
  fs::create_directories("elsewhere");
  fs::copy("c/test_batch_first1000.bin", "elsewhere/test_batch_first1000.bin");
  fs::last_write_time("elsewhere/test_batch_first1000.bin", time - std::chrono::hours(1));
  spec_.path = "elsewhere";  // the folder and the time do not count
  expect_same(load(true), load(false));
  EXPECT_EQ(caches().size(), 3u);
}

TEST_F(PixelCache, EveryCutAndEveryChangedByteIsRefused) {
  write_records("c/test_batch.bin", 1);
  load(true);
  const fs::path file = caches()[0];
  const Bytes good = read_file(file);
  const auto write_and_load = [&](ByteView bytes) {
    // Not renamed into place: many files are written here, and none has to survive.
    std::ofstream(file, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    load(true);
  };
  const std::size_t header = good.size() - 3072;
  for (std::size_t size = 0; size < good.size(); size += size < header + 8 ? 1 : 37)
    EXPECT_THROW(write_and_load(ByteView(good).subspan(0, size)), Error) << "cut to " << size;
  for (std::size_t at = 0; at < good.size(); at += at < header + 8 ? 1 : 37) {
    Bytes bad = good;
    bad[at] ^= 0x10;
    EXPECT_THROW(write_and_load(bad), Error) << "byte " << at;
  }
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_THROW(write_and_load(longer), Error);
  write_and_load(good);
}

TEST_F(PixelCache, MistakesAreOneLine) {
  load(true);
  const fs::path file = caches()[0];
  const Bytes good = read_file(file);
  const std::string where = file.string() + ": ", advice = "; delete the file to have it made again";
  atomic_write(file, to_bytes("GBPIXEL"));
  EXPECT_EQ(error(), where + "found 7 bytes at offset 0, where 8 are needed" + advice);
  atomic_write(file, to_bytes("some text and more of it"));
  EXPECT_EQ(error(), where + "found data that are no cache of pixels" + advice);
  atomic_write(file, to_bytes(std::string("GBPIXELS\x02\0\0\0\0\0\0\0", 16)));
  EXPECT_EQ(error(), where + "found version 2, allowed 1" + advice);
  atomic_write(file, ByteView(good).subspan(0, good.size() - 1));
  EXPECT_TRUE(error().starts_with(where + "found checksum "));
  EXPECT_TRUE(error().ends_with(advice));
  // A cache of other files under this name.
  write_records("c/test_batch.bin", 2);
  load(true);
  const fs::path other = caches()[0] == file ? caches()[1] : caches()[0];
  fs::copy_file(other, file, fs::copy_options::overwrite_existing);
  write_records("c/test_batch.bin", 3);
  EXPECT_EQ(error(), where + "found images of other files" + advice);
  // A folder that cannot be one.
  write("file", "x");
  spec_.cache = "file/cache";
  EXPECT_NE(error_of([&] { load_dataset(spec_, Split::Test); }).find("cannot make the folder"), std::string::npos);
}

// With a right checksum: what a hostile file could say.
TEST_F(PixelCache, NumbersAreCheckedBehindARightChecksum) {
  load(true);
  const fs::path file = caches()[0];
  const Bytes good = read_file(file);
  const auto with = [&](std::size_t at, std::uint64_t value, int bytes) {
    Bytes bad = good;
    for (int i = 0; i < bytes; ++i) bad[at + static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(value >> (8 * i));
    const std::uint32_t checksum = crc32_of(ByteView(bad).subspan(16));
    for (int i = 0; i < 4; ++i) bad[12 + static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(checksum >> (8 * i));
    atomic_write(file, bad);
    const std::string text = error();
    return text.substr(0, text.find(';')).substr(file.string().size() + 2);
  };
  EXPECT_EQ(with(48, 0, 4), "found height 0, allowed 1 to 16384");
  EXPECT_EQ(with(52, 16385, 4), "found width 16385, allowed 1 to 16384");
  EXPECT_EQ(with(56, 0xffffffff, 4), "found channels 4294967295, allowed 1 to 16384");
  EXPECT_EQ(with(60, 0, 4), "found classes 0, allowed 1 to 1048576");
  EXPECT_EQ(with(60, 2, 4), "image 2: found label 2, allowed 0 to 1");
  EXPECT_EQ(with(72, 5000, 4), "found a description of 5000 bytes, allowed 4096");
  EXPECT_EQ(with(64, 0, 8), "found 9228 bytes for 0 images of 32 x 32 x 3 and their labels");
  Bytes none(good.begin(), good.begin() + 76 + good[72]);  // no images, and nothing behind the description
  std::fill(none.begin() + 64, none.begin() + 72, std::uint8_t{0});
  const std::uint32_t checksum = crc32_of(ByteView(none).subspan(16));
  for (std::size_t i = 0; i < 4; ++i) none[12 + i] = static_cast<std::uint8_t>(checksum >> (8 * i));
  atomic_write(file, none);
  EXPECT_NE(error().find("found 0 bytes for 0 images of 32 x 32 x 3"), std::string::npos) << error();
  EXPECT_EQ(with(64, std::uint64_t{1} << 62, 8),
            "found 9228 bytes for 4611686018427387904 images of 32 x 32 x 3 and their labels");
  EXPECT_EQ(with(48, 33, 4), "found 9228 bytes for 3 images of 33 x 32 x 3 and their labels");
}

TEST_F(PixelCache, PlainIdxFilesAreMappedAndSharedByParts) {
  atomic_write("m/t10k-images-idx3-ubyte", from_hex("000008030000000200000001000000020a0b0c0d"));
  atomic_write("m/t10k-labels-idx1-ubyte", from_hex("00000801000000020309"));
  spec_.name = "mnist";
  spec_.path = "m";
  const Dataset data = load(false);
  const Dataset part = data.slice(1, 1);
  EXPECT_EQ(part.images.data(), data.images.data() + 2);
  // The mapping outlives the name of its file.
  fs::remove("m/t10k-images-idx3-ubyte");
  EXPECT_EQ(part.images, from_hex("0c0d"));
  // Pages of the file itself: what is written into it is seen, unlike in a copy.
  atomic_write("m/t10k-images-idx3-ubyte", from_hex("000008030000000200000001000000020a0b0c0d"));
  const Dataset again = load(false);
  std::fstream file("m/t10k-images-idx3-ubyte", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(16).put(9).flush();
  EXPECT_EQ(again.images, from_hex("090b0c0d"));
}

TEST_F(PixelCache, SharedBytesMistakes) {
  EXPECT_EQ(error_of([] { SharedBytes::map("none"); }), "none: cannot open: No such file or directory");
  EXPECT_EQ(error_of([] { SharedBytes::map("c"); }), "c: found something else, allowed an ordinary file");
  EXPECT_EQ(error_of([] { SharedBytes::map("c/test_batch.bin", 9218); }),
            "c/test_batch.bin: found more than 9218 bytes, which is the limit");
  write("empty", "");
  EXPECT_EQ(SharedBytes::map("empty").size(), 0u);
  EXPECT_THROW(SharedBytes(Bytes(4)).part(2, 3), Error);
  EXPECT_THROW(SharedBytes(Bytes(4)).part(5, 0), Error);
  EXPECT_EQ(SharedBytes(Bytes{1, 2, 3}).part(1, 2), (Bytes{2, 3}));
}

}  // namespace
}  // namespace guardbit::nets
