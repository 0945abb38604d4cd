// Zip and .npz, gzip and xz.
#include <cstdlib>

#include "io_support.hpp"
#include "nets/io/compress.hpp"
#include "nets/io/npy.hpp"
#include "nets/io/zip.hpp"

namespace guardbit::nets {
namespace {

// Written by Python's zipfile with force_zip64, as numpy.savez does: "a.npy" stored, "b.npy" deflated; each holds the
// int16 array [1, -2, 300].
const char* kNpz =
    "504b03042d00000000000000210069173386ffffffffffffffff05001400612e6e7079010010008600000000000000860000000000000093"
    "4e554d5059010076007b276465736372273a20273c6932272c2027666f727472616e5f6f72646572273a2046616c73652c20277368617065"
    "273a2028332c292c207d20202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020"
    "20202020202020202020202020200a0100feff2c01504b03042d00000008000000210069173386ffffffffffffffff05001400622e6e7079"
    "0100100086000000000000004a000000000000009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9369a4aea3a09e965f5452949817"
    "9f5f94920a12774bcc294e058a17672416a402f91ac63a9a3a0ab50a14002e46867fff751801504b01022d032d0000000000000021006917"
    "33868600000086000000050000000000000000000000800100000000612e6e7079504b01022d032d000000080000002100691733864a0000"
    "00860000000500000000000000000000008001bd000000622e6e7079504b05060000000002000200660000003e0100000000";

TEST(Npz, ReadsStoredAndDeflatedEntriesOfPython) {
  const NamedArrays arrays = parse_npz(from_hex(kNpz), "x.npz");
  ASSERT_EQ(arrays.size(), 2u);
  EXPECT_EQ(arrays[0].first, "a");
  EXPECT_EQ(arrays[1].first, "b");
  for (const auto& entry : arrays)
    EXPECT_EQ(entry.second.as<std::int16_t>("x"), (std::vector<std::int16_t>{1, -2, 300}));
  EXPECT_EQ(find_array(arrays, "c"), nullptr);
}

TEST(Npz, DamagedFilesAreRefusedOrRead) {
  EXPECT_GT(damage(from_hex(kNpz), [](ByteView bytes) { parse_npz(bytes, "x"); }), 1000);
}

TEST(Npz, ContentIsProtectedByItsCrc) {
  Bytes bad = from_hex(kNpz);
  bad[180] ^= 1;  // inside the stored array's header padding or data
  EXPECT_EQ(error_of([&] { parse_npz(bad, "x.npz"); }), "x.npz: a.npy: found damaged content: the CRC differs");
}

TEST(Zip, WritesWhatItReads) {
  const std::vector<ZipEntry> entries{{"a", to_bytes("hello")}, {"dir/b", {}}};
  const Bytes bytes = zip_bytes(entries);
  const auto again = parse_zip(bytes, "x");
  ASSERT_EQ(again.size(), 2u);
  EXPECT_EQ(again[0].name, "a");
  EXPECT_EQ(again[0].bytes, to_bytes("hello"));
  EXPECT_EQ(again[1].name, "dir/b");
  EXPECT_TRUE(again[1].bytes.empty());
  damage(bytes, [](ByteView damaged) { parse_zip(damaged, "x"); });
}

TEST(Zip, NamesMayNotRepeatAndSizesAreLimited) {
  const Bytes twice = zip_bytes({{"a", {}}, {"a", {}}});
  EXPECT_EQ(error_of([&] { parse_zip(twice, "x.zip"); }), "x.zip: directory: found a twice");
  const Bytes large = zip_bytes({{"a", Bytes(100)}});
  EXPECT_EQ(error_of([&] { parse_zip(large, "x.zip", 99); }), "x.zip: directory: found more than 99 bytes of content");
}

TEST(Zip, Reads64BitSizes) {
  // The 32-bit sizes of the directory entry say "see the extra field", which holds them.
  Bytes bytes = zip_bytes({{"a", to_bytes("hello")}});
  const std::size_t directory = 30 + 1 + 5;
  for (std::size_t i = 20; i < 28; ++i) bytes[directory + i] = 0xff;
  bytes[directory + 30] = 20;  // extra field length
  const Bytes extra = from_hex("0100100005000000000000000500000000000000");
  bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(directory) + 47, extra.begin(), extra.end());
  bytes[bytes.size() - 10] = 47 + 20;  // directory size
  EXPECT_EQ(parse_zip(bytes, "x")[0].bytes, to_bytes("hello"));
}

// One stored entry `a` holding "hello": local header at 0, directory at 36, end record at 83.
std::string zip_error(std::size_t at, std::uint8_t value, const Bytes& behind = {}) {
  Bytes bytes = zip_bytes({{"a", to_bytes("hello")}});
  bytes[at] = value;
  bytes.insert(bytes.end(), behind.begin(), behind.end());
  return error_of([&] { parse_zip(bytes, "x"); });
}

TEST(Zip, EachFieldIsChecked) {
  EXPECT_EQ(zip_error(30, 'b'), "x: a: found another name in the local header");
  EXPECT_EQ(zip_error(36 + 8, 1), "x: a: found an encrypted entry");
  EXPECT_EQ(zip_error(36 + 10, 9), "x: a: found compression method 9, allowed 0 (stored) and 8 (deflated)");
  EXPECT_EQ(zip_error(36 + 24, 4), "x: a: found two sizes of a stored entry");
  EXPECT_EQ(zip_error(83 + 12, 47 + 22), "x: directory: found 22 bytes after the last entry");
  EXPECT_EQ(zip_error(83 + 20, 2, to_bytes("hi")), "no error");  // a comment
  EXPECT_EQ(zip_error(83 + 20, 3, to_bytes("hi")), "x: found data that is not a zip archive");
  const Bytes two = zip_bytes({{"a", Bytes(60)}, {"b", Bytes(60)}});
  EXPECT_EQ(error_of([&] { parse_zip(two, "x", 119); }), "x: directory: found more than 119 bytes of content");
  EXPECT_EQ(error_of([&] { parse_zip(two, "x", 120); }), "no error");
  EXPECT_EQ(error_of([&] { parse_npz(zip_bytes({{"a.txt", {}}}), "x"); }), "x: found a.txt, allowed .npy entries");
}

TEST(Compress, DeflateUsesAllItsInput) {
  const Bytes hello = from_hex("cb48cdc9c90700");
  EXPECT_EQ(inflate_exactly(hello, 5, "x"), to_bytes("hello"));
  Bytes more = hello;
  more.push_back(0);
  EXPECT_THROW(inflate_exactly(more, 5, "x"), Error);
  EXPECT_THROW(inflate_exactly(hello, 4, "x"), Error);
  EXPECT_THROW(inflate_exactly(hello, 6, "x"), Error);
}

const char* kGzip = "1f8b0800000000000203cb48cdc9c957c840905c003b7c8adf12000000";
const char* kXz =
    "fd377a585a000004e6d6b4460200210116000000742fe5a3e00011000c5d00341949ee8de94f7e2121b000001f01d9c887c143c800012812c9"
    "6a628e1f"
    "b6f37d010000000004595a";
const char* kHello = "hello hello hello\n";

TEST(Compress, ReadsGzipAndXz) {
  EXPECT_EQ(gunzip(from_hex(kGzip), 100, "x"), to_bytes(kHello));
  EXPECT_EQ(unxz(from_hex(kXz), 100, "x"), to_bytes(kHello));
}

TEST(Compress, JoinsConcatenatedMembers) {
  Bytes twice = from_hex(kGzip);
  const Bytes once = twice;
  twice.insert(twice.end(), once.begin(), once.end());
  EXPECT_EQ(gunzip(twice, 100, "x"), to_bytes(std::string(kHello) + kHello));
}

TEST(Compress, OutputIsLimited) {
  EXPECT_EQ(gunzip(from_hex(kGzip), 18, "x").size(), 18u);
  EXPECT_EQ(error_of([] { gunzip(from_hex(kGzip), 17, "x.gz"); }),
            "x.gz: found more than 17 bytes after decompression");
  EXPECT_EQ(unxz(from_hex(kXz), 18, "x").size(), 18u);
  EXPECT_EQ(error_of([] { unxz(from_hex(kXz), 17, "x.xz"); }), "x.xz: found more than 17 bytes after decompression");
}

TEST(Compress, DamageIsRefused) {
  damage(from_hex(kGzip), [](ByteView bytes) { gunzip(bytes, 100, "x"); });
  // All of an xz file is under checksums: what is not refused still gives the right content.
  const int refused = damage(from_hex(kXz), [](ByteView bytes) { EXPECT_EQ(unxz(bytes, 100, "x"), to_bytes(kHello)); });
  EXPECT_GE(refused, static_cast<int>(from_hex(kXz).size()) * 4 - 4);
  Bytes trailing = from_hex(kGzip);
  trailing.push_back(0);
  EXPECT_EQ(error_of([&] { gunzip(trailing, 100, "x.gz"); }), "x.gz: found data that is not gzip");
}

TEST(RealData, ResNet20WeightsHaveTheirNamesAndShapes) {
  const char* data = std::getenv("GUARDBIT_DATA");
  const std::filesystem::path path =
      std::filesystem::path(data != nullptr ? data : "../shared/data") / "cifar10_resnets/resnet20.npz";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there; set GUARDBIT_DATA";
  const NamedArrays arrays = read_npz(path);
  const Array* first = find_array(arrays, "conv1.weight");
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->shape_text(), "[16, 3, 3, 3]");
  EXPECT_EQ(first->dtype, DType::F32);
  const Array* last = find_array(arrays, "linear.weight");
  ASSERT_NE(last, nullptr);
  EXPECT_EQ(last->shape_text(), "[10, 64]");
  std::int64_t convolution_weights = 0;
  for (const auto& [name, array] : arrays) convolution_weights += array.shape.size() == 4 ? array.count() : 0;
  EXPECT_EQ(convolution_weights + last->count(), 268336);  // known for ResNet-20 with option-A shortcuts
}

}  // namespace
}  // namespace guardbit::nets
