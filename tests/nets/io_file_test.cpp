// Reading and writing whole files.
#include <sys/stat.h>

#include "io_support.hpp"
#include "nets/io/compress.hpp"
#include "nets/io/npy.hpp"
#include "nets/io/safetensors.hpp"

namespace guardbit::nets {
namespace {

class Files : public InFolder {};

TEST_F(Files, AtomicWriteReplacesAndLeavesNothingBehind) {
  atomic_write("out/deep/x", std::string_view("one"));
  atomic_write("out/deep/x", std::string_view("two"));
  EXPECT_EQ(read_file("out/deep/x"), to_bytes("two"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator("out/deep"), {}), 1);
  atomic_write("y", std::string_view(""));
  EXPECT_TRUE(read_file("y").empty());
}

TEST_F(Files, WrittenFilesAreReadableAsUsual) {
  const mode_t before = umask(022);
  atomic_write("x", std::string_view("one"));
  umask(before);
  EXPECT_EQ(static_cast<int>(std::filesystem::status("x").permissions()), 0644);
}

TEST_F(Files, FailedWritesLeaveNothingBehind) {
  std::filesystem::create_directories("folder/x");
  EXPECT_EQ(error_of([] { atomic_write("folder", std::string_view("one")); }),
            "folder: cannot rename to: Is a directory");
  write("file", "");
  EXPECT_EQ(error_of([] { atomic_write("file/x", std::string_view("one")); }).find("file: cannot make the folder"), 0u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator("."), {}), 2);
}

TEST_F(Files, ReadsAreBounded) {
  write("x", "12345");
  EXPECT_EQ(read_file("x", 5).size(), 5u);
  EXPECT_EQ(error_of([] { read_file("x", 4); }), "x: found more than 4 bytes, which is the limit");
  EXPECT_EQ(error_of([] { read_file("y"); }), "y: cannot open: No such file or directory");
}

TEST_F(Files, TheLimitHoldsWhereTheSizeIsNotKnown) {
  const char* const endless = "/proc/self/maps";  // says that it has 0 bytes, as a pipe does
  if (!std::filesystem::exists(endless)) GTEST_SKIP() << "no " << endless;
  EXPECT_GT(read_file(endless).size(), 100u);
  EXPECT_EQ(error_of([&] { read_file(endless, 100); }),
            "/proc/self/maps: found more than 100 bytes, which is the limit");
}

TEST_F(Files, PlainFilesComeBeforeCompressedOnes) {
  EXPECT_EQ(error_of([] { read_decompressed("x", 100); }), "x: not found, nor x.gz, nor x.xz");
  atomic_write("x.gz", from_hex("1f8b0800000000000203cb48cdc9c957c840905c003b7c8adf12000000"));
  EXPECT_EQ(read_decompressed("x", 100).size(), 18u);
  write("x", "plain");
  EXPECT_EQ(read_decompressed("x", 100), to_bytes("plain"));
}

TEST_F(Files, ArraysThroughFiles) {
  const Array array = Array::from<std::int32_t>({2}, std::vector<std::int32_t>{1, -1});
  write_npy("a.npy", array);
  EXPECT_EQ(read_npy("a.npy"), array);
  write_npz("a.npz", {{"x", array}, {"y.z", array}});
  const NamedArrays arrays = read_npz("a.npz");
  ASSERT_EQ(arrays.size(), 2u);
  EXPECT_EQ(arrays[1].first, "y.z");
  EXPECT_EQ(arrays[1].second, array);
  write_safetensors("a.safetensors", {{{"x", array}}, {}});
  EXPECT_EQ(read_safetensors("a.safetensors").tensors[0].second, array);
  EXPECT_EQ(error_of([] { read_npy("a.npz"); }), "a.npz: found data that is not an .npy file");
}

}  // namespace
}  // namespace guardbit::nets
