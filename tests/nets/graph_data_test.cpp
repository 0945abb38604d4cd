// Networks on real data: ResNet-20 of CIFAR-10 in PyTorch names, and Mayo's golden file of CifarNet.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "nets/config/config.hpp"
#include "nets/graph/float_engine.hpp"
#include "nets/graph/fold_batch_norm.hpp"
#include "nets/graph/info.hpp"
#include "nets/graph/load.hpp"
#include "nets/graph/strip_inference.hpp"
#include "nets/io/compress.hpp"

namespace guardbit::nets {
namespace {

std::filesystem::path data_folder() {
  const char* const folder = std::getenv("GUARDBIT_DATA");
  return folder != nullptr ? folder : "../shared/data";
}

constexpr std::int64_t kImages = 1000;
constexpr std::int64_t kPixels = 32 * 32;

struct Labelled {
  FloatTensor images;
  std::vector<int> labels;
};

// Records of the CIFAR-10 binary files: a label, then three planes of 32 x 32.
Labelled read_cifar(const std::filesystem::path& file, const Preprocess& preprocess) {
  const Bytes bytes = read_decompressed(file, 1 << 24);
  const std::int64_t record = 1 + 3 * kPixels;
  Labelled set{FloatTensor({kImages, 32, 32, 3}), {}};
  EXPECT_EQ(static_cast<std::int64_t>(bytes.size()), kImages * record);
  for (std::int64_t image = 0; image < kImages; ++image) {
    const std::uint8_t* const from = bytes.data() + image * record;
    set.labels.push_back(from[0]);
    for (std::int64_t pixel = 0; pixel < kPixels; ++pixel) {
      for (std::int64_t c = 0; c < 3; ++c) {
        const auto channel = static_cast<std::size_t>(c);
        const double real = (from[1 + c * kPixels + pixel] * preprocess.scale - preprocess.mean[channel]) /
                            preprocess.std[channel];
        set.images.data[static_cast<std::size_t>((image * kPixels + pixel) * 3 + c)] = static_cast<float>(real);
      }
    }
  }
  return set;
}

int count_right(const FloatTensor& logits, const std::vector<int>& labels) {
  int right = 0;
  for (std::size_t image = 0; image < labels.size(); ++image) {
    const auto row = logits.data.begin() + static_cast<std::ptrdiff_t>(image * 10);
    right += std::max_element(row, row + 10) - row == labels[image] ? 1 : 0;
  }
  return right;
}

TEST(ResNet20, FloatTop1Is915Of1000OnTheFirstCifar10TestImages) {
  const std::filesystem::path weights = data_folder() / "cifar10_resnets/resnet20.npz";
  const std::filesystem::path images = data_folder() / "cifar10/test_batch_first1000.bin";
  if (!std::filesystem::exists(weights)) GTEST_SKIP() << "no " << weights << "; set GUARDBIT_DATA";
  const std::string arguments[] = {"nets/zoo/resnet20.yaml", "weights=" + weights.string()};
  const Network network = load_any(arguments).network;
  const Labelled set = read_cifar(images, network.preprocess);
  const FloatTensor logits = run_float_output(network, set.images, 2);
  EXPECT_EQ(count_right(logits, set.labels), 915);

  const Network folded = fold_batch_norm(strip_inference(network).network);
  for (const Node& node : folded.nodes) EXPECT_NE(node.op, Op::BatchNorm) << node.name;
  EXPECT_EQ(count_right(run_float_output(folded, set.images, 2), set.labels), 915);
}

TEST(CifarNet, InfoEqualsMayosGoldenFile) {
  const std::filesystem::path golden = data_folder() / "mayo/info.yaml";
  if (!std::filesystem::exists(golden)) GTEST_SKIP() << "no " << golden << "; set GUARDBIT_DATA";
  const Value file = load_yaml(golden);
  const std::string arguments[] = {"nets/zoo/cifarnet.yaml"};
  const LoadedNetwork loaded = load_any(arguments);
  const NetworkInfo info = network_info(loaded.network, read_info_widths(Section(loaded.config).section("info")));

  std::map<std::string, LayerInfo> rows;
  for (const LayerInfo& row : info.layers) rows["cifarnet/" + row.name] = row;
  std::size_t compared = 0;
  for (const Value& item : file.at("layers.items")->items()) {
    const std::string name = item.find("layer")->text();
    if (name == "/input" || name == "/output" || name == "cifarnet/squeeze") continue;
    ASSERT_TRUE(rows.contains(name)) << name;
    const LayerInfo& row = rows.at(name);
    const std::vector<Value>& shape = item.find("shape")->items();
    EXPECT_EQ(row.shape, (Shape{static_cast<int>(shape[1].integer()), static_cast<int>(shape[2].integer()),
                                static_cast<int>(shape[3].integer())})) << name;
    ++compared;
    if (item.find("macs")->is_null()) {
      EXPECT_EQ(row.macs, 0) << name;
      continue;
    }
    EXPECT_EQ(row.macs, item.find("macs")->integer()) << name;
    EXPECT_EQ(double(row.bitops_mayo.value()), item.find("bitops")->number()) << name;
    EXPECT_EQ(double(row.memory_mayo.value()), item.find("memory")->number()) << name;
  }
  EXPECT_EQ(compared, rows.size());
  EXPECT_EQ(info.totals.macs, file.at("layers.footer.macs")->integer());
  EXPECT_EQ(info.totals.trainables, file.at("trainables.footer.count")->integer());
}

}  // namespace
}  // namespace guardbit::nets
