// The trained networks of nets/zoo/trained: their size, their integers on images that are drawn, and, where the data are,
// exactly the accuracy that their README states.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "nets/data/dataset.hpp"
#include "nets/engines/engine.hpp"
#include "nets/io/sha256.hpp"
#include "nets/quantize/bundle.hpp"
#include "nets/quantize/quantize.hpp"

namespace guardbit::nets {
namespace {

namespace fs = std::filesystem;

struct Trained {
  std::string name, data;
  std::string scores;  // SHA-256 of the score codes of 20 random images
  int right;           // of the first 1,000 test images
  friend void PrintTo(const Trained& trained, std::ostream* out) { *out << trained.name; }
};

class ZooTrained : public testing::TestWithParam<Trained> {
 protected:
  void SetUp() override { bundle_ = load_bundle("nets/zoo/trained/" + GetParam().name); }

  [[nodiscard]] DatasetSpec spec(const std::string& name) const {
    DatasetSpec spec;
    spec.name = name;
    spec.preprocess = bundle_.folded.preprocess;
    const Shape& input = bundle_.network.layer(0).shape;
    if (name == "random") spec.height = input.h, spec.width = input.w, spec.channels = input.c;
    spec.test_size = 20;
    return spec;
  }
  [[nodiscard]] IntTensor scores(Engine& engine, const Dataset& images, std::int64_t begin, std::int64_t count) const {
    const IntTensor input = quantize_input(bundle_.network, images.image(begin).data(), count);
    return engine.run(bundle_.network, uniform(bundle_.network, {}), input, {}).layers.back().codes;
  }
  Bundle bundle_;
};

TEST_P(ZooTrained, GivesTheSameScoresEverywhere) {
  const Dataset images = load_dataset(spec("random"), Split::Test);
  const IntTensor fast = scores(*make_fast_engine(), images, 0, images.count());
  std::string text;
  for (const auto code : fast.data) text += std::to_string(code) + ' ';
  EXPECT_EQ(sha256_hex(text), GetParam().scores);
  const IntTensor reference = scores(*make_reference_engine(), images, 0, 2);
  EXPECT_TRUE(std::equal(reference.data.begin(), reference.data.end(), fast.data.begin()));
}

TEST_P(ZooTrained, HasTheAccuracyThatIsStated) {
  const char* const found = std::getenv("GUARDBIT_DATA");
  DatasetSpec data = spec(GetParam().data);
  data.path = fs::path(found != nullptr ? found : "../shared/data") / GetParam().data;
  data.test_size = 1000;
  if (!fs::exists(data.path)) GTEST_SKIP() << "no " << data.path << "; set GUARDBIT_DATA";
  const Dataset images = load_dataset(data, Split::Test);
  ASSERT_EQ(images.count(), 1000);
  const std::unique_ptr<Engine> engine = make_fast_engine();
  int right = 0;
  for (std::int64_t begin = 0; begin < images.count(); begin += 100) {
    const IntTensor codes = scores(*engine, images, begin, 100);
    const std::int64_t classes = codes.count() / 100;
    for (std::int64_t i = 0; i < 100; ++i) {
      const auto first = codes.data.begin() + i * classes;
      right += std::max_element(first, first + classes) - first == images.labels[static_cast<std::size_t>(begin + i)];
    }
  }
  EXPECT_EQ(right, GetParam().right);
}

INSTANTIATE_TEST_SUITE_P(
    Networks, ZooTrained,
    testing::Values(Trained{"lenet5_mnist_int8", "mnist",
                            "78862e828bbeeb44ff9109aca8a49db75991bff8e6290b8545bfd7519b71d93a", 992},
                    Trained{"resnet8_cifar10_int8", "cifar10",
                            "f6bcfec384e277243f457c4f49962f6ad60e307bc594a545751653811f108729", 863}),
    [](const auto& test) { return test.param.name; });

TEST(ZooTrainedFolder, IsSmallerThanAMegabyte) {
  std::uintmax_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator("nets/zoo/trained"))
    if (entry.is_regular_file()) bytes += entry.file_size();
  EXPECT_GT(bytes, 100'000U);
  EXPECT_LT(bytes, 1'000'000U);
}

}  // namespace
}  // namespace guardbit::nets
