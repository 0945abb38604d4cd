// ResNet-20 on CIFAR-10, from float weights to integers: accuracy of the int8 conversion. Needs the real data.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "nets/data/dataset.hpp"
#include "nets/engines/engine.hpp"
#include "nets/graph/load.hpp"
#include "nets/quantize/quantize.hpp"

namespace guardbit::nets {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kCalibration = 100;
constexpr std::int64_t kImages = 1000;
constexpr std::int64_t kBatch = 50;

fs::path data_folder() {
  const char* data = std::getenv("GUARDBIT_DATA");
  return data != nullptr ? data : "../shared/data";
}

TEST(ResNet20, Int8LosesAtMostOnePoint) {
  const fs::path weights = data_folder() / "cifar10_resnets/resnet20.npz";
  if (!fs::exists(weights)) GTEST_SKIP() << "no " << weights << " (set GUARDBIT_DATA)";
  const std::vector<std::string> arguments{"nets/zoo/resnet20.yaml", "weights=" + weights.string()};
  const Network network = load_any(arguments).network;
  DatasetSpec spec;
  spec.name = "cifar10";
  spec.path = data_folder() / "cifar10";
  const Dataset train = load_dataset(spec, Split::Train);
  FloatTensor images({kCalibration, 32, 32, 3});
  images.data = train.to_float(network.preprocess, 0, kCalibration);
  const Quantized q = quantize(network, images, {}, 2);

  const Dataset test = load_dataset(spec, Split::Test);
  ASSERT_GE(test.count(), kImages);
  const auto engine = make_fast_engine();
  int correct = 0;
  for (std::int64_t first = 0; first < kImages; first += kBatch) {
    const IntTensor input = quantize_input(q.network, test.image(first).data(), kBatch);
    const RunResult run = engine->run(q.network, uniform(q.network, {}), input, {.threads = 2});
    const auto& codes = run.layers[static_cast<std::size_t>(q.network.output)].codes.data;
    for (std::int64_t i = 0; i < kBatch; ++i) {
      const auto begin = codes.begin() + i * 10;
      correct += std::max_element(begin, begin + 10) - begin == test.labels[static_cast<std::size_t>(first + i)];
    }
  }
  EXPECT_GE(correct, 905);  // float: 915
  RecordProperty("correct", correct);
}

}  // namespace
}  // namespace guardbit::nets
