// Loaders of files: small literal files in every form, damage, and the real MNIST and CIFAR-10.
#include <cstdlib>

#include "io_support.hpp"
#include "nets/data/dataset.hpp"
#include "nets/io/npy.hpp"
#include "nets/io/sha256.hpp"

namespace guardbit::nets {
namespace {

DatasetSpec spec_of(const std::string& name, const std::filesystem::path& path) {
  DatasetSpec spec;
  spec.name = name;
  spec.path = path;
  return spec;
}

class DataFiles : public InFolder {
 protected:
  static void write_bytes(const std::string& name, const std::string& hex) { atomic_write(name, from_hex(hex)); }
};

TEST_F(DataFiles, MnistReadsIdxFiles) {
  write_bytes("m/train-images-idx3-ubyte", "000008030000000200000001000000020a0b0c0d");
  write_bytes("m/train-labels-idx1-ubyte", "00000801000000020309");
  const Dataset data = load_dataset(spec_of("mnist", "m"), Split::Train);
  EXPECT_EQ(data.count(), 2);
  EXPECT_EQ(data.height, 1);
  EXPECT_EQ(data.width, 2);
  EXPECT_EQ(data.labels, (std::vector<int>{3, 9}));
  EXPECT_EQ(data.images, from_hex("0a0b0c0d"));
  EXPECT_EQ(data.image(1)[0], 0x0c);
}

TEST_F(DataFiles, MnistMistakes) {
  const auto error = [] { return error_of([] { load_dataset(spec_of("mnist", "m"), Split::Test); }); };
  EXPECT_EQ(error(),
            "m/t10k-images-idx3-ubyte: not found, nor m/t10k-images-idx3-ubyte.gz, nor m/t10k-images-idx3-ubyte.xz");
  write_bytes("m/t10k-labels-idx1-ubyte", "00000801000000020309");
  write_bytes("m/t10k-images-idx3-ubyte", "00000801000000020309");
  EXPECT_EQ(error(), "m/t10k-images-idx3-ubyte: found data that are not IDX images");
  write_bytes("m/t10k-images-idx3-ubyte", "000008030000000200000001000000020a0b0c");
  EXPECT_EQ(error(), "m/t10k-images-idx3-ubyte: found 3 bytes of pixels, allowed 4");
  write_bytes("m/t10k-images-idx3-ubyte", "00000803ffffffff00001000000010000a");
  EXPECT_EQ(error(), "m/t10k-images-idx3-ubyte: found 1 bytes of pixels, allowed 72057594021150720");
  write_bytes("m/t10k-images-idx3-ubyte", "0000080300000001000000010000000100");
  EXPECT_EQ(error(), "m: found 2 labels for 1 images");
  write_bytes("m/t10k-labels-idx1-ubyte", "00000801000000010a");
  EXPECT_EQ(error(), "m/t10k-labels-idx1-ubyte: found label 10, allowed 0 to 9");
  write_bytes("m/t10k-images-idx3-ubyte", "000008");
  EXPECT_EQ(error(), "m/t10k-images-idx3-ubyte: found 3 bytes at offset 0, where 4 are needed");
}

Bytes cifar_record(int label, int base, int coarse = -1) {
  Bytes record;
  if (coarse >= 0) record.push_back(static_cast<std::uint8_t>(coarse));
  record.push_back(static_cast<std::uint8_t>(label));
  for (int c = 0; c < 3; ++c) {
    for (int p = 0; p < 1024; ++p) record.push_back(static_cast<std::uint8_t>(base + 50 * c + (p & 1)));
  }
  return record;
}

TEST_F(DataFiles, CifarPlanesBecomeInterleaved) {
  for (int i = 1; i <= 5; ++i) atomic_write("c/data_batch_" + std::to_string(i) + ".bin", cifar_record(i, i));
  const Dataset data = load_dataset(spec_of("cifar10", "c"), Split::Train);
  EXPECT_EQ(data.labels, (std::vector<int>{1, 2, 3, 4, 5}));  // in the order of the files
  EXPECT_EQ(Bytes(data.image(1).begin(), data.image(1).begin() + 6), (Bytes{2, 52, 102, 3, 53, 103}));
  EXPECT_EQ(data.image_size(), 3072);
}

TEST_F(DataFiles, CifarTestSetFallsBackToTheFirst1000) {
  atomic_write("c/test_batch_first1000.bin", cifar_record(7, 0));
  Dataset data = load_dataset(spec_of("cifar10", "c"), Split::Test);
  EXPECT_EQ(data.description, "CIFAR-10 test set, first 1000 only, 1 images");
  atomic_write("c/test_batch.bin", cifar_record(8, 0));
  data = load_dataset(spec_of("cifar10", "c"), Split::Test);
  EXPECT_EQ(data.description, "CIFAR-10 test set, 1 images");
  EXPECT_EQ(data.labels[0], 8);
}

TEST_F(DataFiles, CifarMistakes) {
  EXPECT_EQ(error_of([] { load_dataset(spec_of("cifar10", "c"), Split::Test); }),
            "c: found neither test_batch.bin nor test_batch_first1000.bin, plain, .gz or .xz");
  EXPECT_EQ(error_of([] { load_dataset(spec_of("cifar10", "c"), Split::Train); }),
            "c/data_batch_1.bin: not found, nor c/data_batch_1.bin.gz, nor c/data_batch_1.bin.xz");
  atomic_write("c/test_batch.bin", Bytes(3072));
  EXPECT_EQ(error_of([] { load_dataset(spec_of("cifar10", "c"), Split::Test); }),
            "c/test_batch.bin: found 3072 bytes, allowed multiples of 3073");
  atomic_write("c/test_batch.bin", cifar_record(10, 0));
  EXPECT_EQ(error_of([] { load_dataset(spec_of("cifar10", "c"), Split::Test); }),
            "c/test_batch.bin: image 0: found label 10, allowed 0 to 9");
}

TEST_F(DataFiles, Cifar100UsesTheFineLabel) {
  atomic_write("c/test.bin", cifar_record(99, 1, 4));
  const Dataset data = load_dataset(spec_of("cifar100", "c"), Split::Test);
  EXPECT_EQ(data.labels, (std::vector<int>{99}));
  EXPECT_EQ(data.classes, 100);
  EXPECT_EQ(data.images[1], 51);
}

TEST_F(DataFiles, FolderClassesAndImagesAreSortedByName) {
  write("f/train/b/2.pgm", "P5\n# a comment\n2 1\n255\n\x01\x02");
  write("f/train/b/10.pgm", "P5 2 1 255\n\x03\x04");
  write_npy("f/train/a/x.npy", Array::from<std::uint8_t>({1, 2}, std::vector<std::uint8_t>{7, 8}));
  write("f/train/a/.hidden", "");
  const Dataset data = load_dataset(spec_of("folder", "f"), Split::Train);
  EXPECT_EQ(data.labels, (std::vector<int>{0, 1, 1}));
  EXPECT_EQ(data.images, from_hex("070803040102"));
  EXPECT_EQ(data.classes, 2);
  EXPECT_EQ(data.channels, 1);
}

TEST_F(DataFiles, FolderMistakes) {
  const auto error = [] { return error_of([] { load_dataset(spec_of("folder", "f"), Split::Train); }); };
  EXPECT_EQ(error(), "f/train: cannot list the folder: No such file or directory");
  write("f/train/a/1.ppm", "P6 1 1 255\nabc");
  write("f/train/a/2.ppm", "P6 1 2 255\nabcdef");
  EXPECT_EQ(error(), "f/train/a/2.ppm: found [2, 1, 3], allowed [1, 1, 3] as in the first image");
  write("f/train/a/2.ppm", "P6 1 1 255\nab");
  EXPECT_EQ(error(), "f/train/a/2.ppm: found 2 bytes of pixels, allowed 3");
  write("f/train/a/2.ppm", "P6 1 1 65535\nabcdef");
  EXPECT_EQ(error(), "f/train/a/2.ppm: found a damaged header, allowed numbers to 16384");
  write("f/train/a/2.ppm", "P6 1 1 254\nabc");
  EXPECT_EQ(error(), "f/train/a/2.ppm: found a maximum of 254, allowed 255");
  write("f/train/a/2.ppm", "P6 1 1");
  EXPECT_EQ(error(), "f/train/a/2.ppm: found a damaged header, allowed numbers to 16384");
  std::filesystem::remove("f/train/a/2.ppm");
  write("f/train/a/2.txt", "x");
  EXPECT_EQ(error(), "f/train/a/2.txt: found a file of another kind, allowed .npy, .pgm, .ppm");
}

// Six images whose only pixels are 0 to 5, labels alike.
void write_six(const std::string& prefix) {
  atomic_write(prefix + "-images-idx3-ubyte", from_hex("00000803000000060000000100000001000102030405"));
  atomic_write(prefix + "-labels-idx1-ubyte", from_hex("0000080100000006000102030405"));
}

TEST_F(DataFiles, SizesTakeTheFirstImages) {
  write_six("m/train");
  write_six("m/t10k");
  DatasetSpec spec = spec_of("mnist", "m");
  spec.train_size = 3;
  spec.test_size = 2;
  const Dataset train = load_dataset(spec, Split::Train), test = load_dataset(spec, Split::Test);
  EXPECT_EQ(train.images, from_hex("000102"));
  EXPECT_EQ(train.labels, (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(train.description, "MNIST training set, 6 images, first 3 of 6");
  EXPECT_EQ(test.images, from_hex("0001"));
  EXPECT_EQ(test.description, "MNIST test set, 6 images, first 2 of 6");
  spec.holdout = 2;  // cut off before: the same images whatever train_size says
  EXPECT_EQ(load_dataset(spec, Split::Holdout).images, from_hex("0405"));
  EXPECT_EQ(load_dataset(spec, Split::Train).images, from_hex("000102"));
  EXPECT_EQ(load_dataset(spec, Split::Test).count(), 2);
  spec.train_size = 4;
  EXPECT_EQ(load_dataset(spec, Split::Train).images, from_hex("00010203"));
}

TEST_F(DataFiles, SizesBeyondWhatIsThere) {
  write_six("m/train");
  write_six("m/t10k");
  DatasetSpec spec = spec_of("mnist", "m");
  spec.train_size = spec.test_size = 7;
  EXPECT_EQ(error_of([&] { load_dataset(spec, Split::Train); }),
            "dataset.train_size: found 7, allowed 1 to 6, the train images of mnist");
  EXPECT_EQ(error_of([&] { load_dataset(spec, Split::Test); }),
            "dataset.test_size: found 7, allowed 1 to 6, the test images of mnist");
  spec.holdout = 2;
  spec.train_size = 5;
  EXPECT_EQ(error_of([&] { load_dataset(spec, Split::Train); }),
            "dataset.train_size: found 5, allowed 1 to 4, the train images of mnist without holdout");
}

std::filesystem::path real_data(const std::string& name) {
  const char* data = std::getenv("GUARDBIT_DATA");
  return std::filesystem::path(data != nullptr ? data : "../shared/data") / name;
}

TEST(RealData, Mnist) {
  const auto path = real_data("mnist");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there; set GUARDBIT_DATA";
  const Dataset train = load_dataset(spec_of("mnist", path), Split::Train);
  EXPECT_EQ(train.count(), 60000);
  EXPECT_EQ(std::vector<int>(train.labels.begin(), train.labels.begin() + 5), (std::vector<int>{5, 0, 4, 1, 9}));
  EXPECT_EQ(train.image_size(), 784);
  const Dataset test = load_dataset(spec_of("mnist", path), Split::Test);
  EXPECT_EQ(test.count(), 10000);
  EXPECT_EQ(std::vector<int>(test.labels.begin(), test.labels.begin() + 5), (std::vector<int>{7, 2, 1, 0, 4}));
}

TEST(RealData, Cifar10TestImages) {
  const auto path = real_data("cifar10");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there; set GUARDBIT_DATA";
  const Dataset test = load_dataset(spec_of("cifar10", path), Split::Test);
  EXPECT_EQ(test.count(), 1000);
  EXPECT_EQ(std::vector<int>(test.labels.begin(), test.labels.begin() + 5), (std::vector<int>{3, 8, 8, 0, 6}));
  // The first test image (a cat) begins with red 158, green 112, blue 49.
  EXPECT_EQ(Bytes(test.images.begin(), test.images.begin() + 3), (Bytes{158, 112, 49}));
  // Labels counted, and all pixels interleaved and hashed, by a Python script of its own.
  std::vector<int> counts(10);
  for (const int label : test.labels) ++counts[static_cast<std::size_t>(label)];
  EXPECT_EQ(counts, (std::vector<int>{103, 89, 100, 103, 90, 86, 112, 102, 106, 109}));
  EXPECT_EQ(sha256_hex(test.images), "da362006b99671213d1a5d856cab2bedf64d40bad4501630ee60f4ceb2d3ec7f");
}

}  // namespace
}  // namespace guardbit::nets
