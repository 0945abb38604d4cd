// Weights in both naming schemes, run folders, initial values, and every mismatch between a file and a network.
#include "nets/graph/load.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "nets/graph/weights.hpp"
#include "nets/io/npy.hpp"
#include "nets/io/safetensors.hpp"

namespace guardbit::nets {
namespace {

constexpr const char* kModel = R"(
model:
  name: tiny
  input: [4, 8, 2]
  layers:
    block/0/conv: {type: convolution, channels: 3, kernel: [2, 1], stride: 2, padding: valid, batch_norm: true}
    fc: {type: fully_connected, channels: 2}
  graph: {from: input, with: [block/0/conv, fc], to: output}
dataset: {preprocess: {mean: [0.5, 0.25]}}
)";

std::filesystem::path fresh_folder() {
  const testing::TestInfo* const test = testing::UnitTest::GetInstance()->current_test_info();
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "guardbit_graph_load" / test->name();
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

Network tiny() { return load_network(parse_yaml(kModel)); }

Array counted(std::vector<std::int64_t> shape, float first) {
  Array array = Array::zeros(shape, DType::F32);
  std::vector<float> values(static_cast<std::size_t>(array.count()));
  std::iota(values.begin(), values.end(), first);
  return Array::from(std::move(shape), values);
}

NamedArrays pytorch_arrays() {
  return {{"block.0.conv.weight", counted({3, 2, 2, 1}, 0)},   {"block.0.conv.bn.weight", counted({3}, 100)},
          {"block.0.conv.bn.bias", counted({3}, 200)},         {"block.0.conv.bn.running_mean", counted({3}, 300)},
          {"block.0.conv.bn.running_var", counted({3}, 400)},  {"block.0.conv.bn.num_batches_tracked", counted({}, 1)},
          {"fc.weight", counted({2, 24}, 0)},                  {"fc.bias", counted({2}, 500)}};
}

std::string error_of(const NamedArrays& arrays) {
  const std::filesystem::path file = fresh_folder() / "w.npz";
  write_npz(file, arrays);
  Network network = tiny();
  try {
    load_weights(network, file);
  } catch (const Error& error) {
    const std::string text = error.what();
    return text.substr(text.find("w.npz"));
  }
  return "no error";
}

TEST(LoadWeights, PytorchNamesAndLayouts) {
  const std::filesystem::path file = fresh_folder() / "w.npz";
  write_npz(file, pytorch_arrays());
  Network network = tiny();
  load_weights(network, file);
  check_parameters(network);
  using Values = std::vector<float>;
  // [K][C][R][S]: 0 1 (c0: r0 r1) 2 3 (c1) ... becomes [K][R][S][C].
  EXPECT_EQ(network.parameter("block/0/conv.weight").data, (Values{0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11}));
  EXPECT_EQ(network.parameter("block/0/conv/bn.gamma").data, (Values{100, 101, 102}));
  EXPECT_EQ(network.parameter("block/0/conv/bn.beta").data, (Values{200, 201, 202}));
  EXPECT_EQ(network.parameter("block/0/conv/bn.mean").data, (Values{300, 301, 302}));
  EXPECT_EQ(network.parameter("block/0/conv/bn.variance").data, (Values{400, 401, 402}));
  EXPECT_EQ(network.parameter("fc.bias").data, (Values{500, 501}));
  // The input of fc is [2, 4, 3] here; PyTorch counted channel, row, column: c * 8 + h * 4 + w.
  const FloatTensor& weight = network.parameter("fc.weight");
  for (std::size_t k = 0; k < 2; ++k) {
    for (std::size_t h = 0; h < 2; ++h) {
      for (std::size_t w = 0; w < 4; ++w) {
        for (std::size_t c = 0; c < 3; ++c) {
          EXPECT_EQ(weight.data[k * 24 + (h * 4 + w) * 3 + c], static_cast<float>(k * 24 + c * 8 + h * 4 + w));
        }
      }
    }
  }
}

TEST(LoadWeights, MismatchesAreListedInOneLine) {
  NamedArrays arrays = pytorch_arrays();
  arrays[0].first = "block.0.cnov.weight";
  arrays[6].second = counted({2, 23}, 0);
  EXPECT_EQ(error_of(arrays),
            "w.npz: found tensors that do not fit network tiny; 1 missing (block.0.conv.weight); 1 left over "
            "(block.0.cnov.weight); 1 of the wrong shape (fc.weight is [2, 23], not [2, 24]); allowed: exactly its "
            "parameters");
  arrays = pytorch_arrays();
  arrays[7].second = Array::zeros({2}, DType::I32);
  EXPECT_TRUE(error_of(arrays).starts_with("w.npz: fc.bias")) << error_of(arrays);
}

TEST(LoadWeights, UnknownExtensionAndMissingFile) {
  Network network = tiny();
  EXPECT_THROW(load_weights(network, "weights.pt"), Error);
  EXPECT_THROW(load_weights(network, fresh_folder() / "absent.safetensors"), Error);
}

TEST(Initialise, IsHeNormalAndDependsOnTheSeedAlone) {
  const std::string arguments[] = {"nets/zoo/resnet8.yaml"};
  Network network = load_any(arguments).network;
  initialise(network, 1);
  check_parameters(network);
  const std::vector<float>& weight = network.parameter("stack3/conv2.weight").data;  // fan-in 576
  double sum = 0.0, squares = 0.0;
  for (const float w : weight) sum += double{w}, squares += double{w} * double{w};
  const auto count = static_cast<double>(weight.size());
  EXPECT_NEAR(sum / count, 0.0, 0.001);
  EXPECT_NEAR(squares / count, 2.0 / 576.0, 2.0 / 576.0 * 0.03);
  EXPECT_EQ(network.parameter("conv0/bn.gamma").data, std::vector<float>(16, 1.0F));
  EXPECT_EQ(network.parameter("conv0/bn.variance").data, std::vector<float>(16, 1.0F));
  EXPECT_EQ(network.parameter("conv0/bn.mean").data, std::vector<float>(16, 0.0F));
  EXPECT_EQ(network.parameter("dense.bias").data, std::vector<float>(10, 0.0F));
  Network again = network;
  initialise(again, 1);
  EXPECT_EQ(again.parameters, network.parameters);
  initialise(again, 2);
  EXPECT_NE(again.parameter("dense.weight"), network.parameter("dense.weight"));
  EXPECT_NE(network.parameter("stack1/conv1.weight").data, network.parameter("stack1/conv2.weight").data);
}

TEST(RunFolder, KeepsConfigurationAndWeightsAndTakesOverrides) {
  const std::filesystem::path folder = fresh_folder() / "run";
  const Value config = parse_yaml(std::string(kModel) + "depth: 3\nwidth: $(depth)\n");
  Network network = load_network(config);
  initialise(network, 5);
  save_run(folder, config, network);
  const LoadedNetwork loaded = load_run(folder);
  EXPECT_EQ(loaded.network.parameters, network.parameters);
  EXPECT_EQ(loaded.network.preprocess.mean, (std::vector<double>{0.5, 0.25}));
  EXPECT_EQ(loaded.network.preprocess.std, std::vector<double>{1.0});
  EXPECT_EQ(loaded.config.at("width")->integer(), 3);  // resolved
  EXPECT_EQ(loaded.config.at("weights")->text(), "weights.safetensors");

  const std::filesystem::path moved = folder.parent_path() / "moved";
  std::filesystem::rename(folder, moved);
  const std::string arguments[] = {moved.string(), "width=4"};
  const LoadedNetwork again = load_any(arguments);
  EXPECT_EQ(again.network.parameters, network.parameters);
  EXPECT_EQ(again.config.at("width")->integer(), 4);
}

TEST(RunFolder, TwiceTheSameRunGivesTheSameBytes) {
  const std::filesystem::path folder = fresh_folder();
  const Value config = parse_yaml(kModel);
  Network network = load_network(config);
  initialise(network, 5);
  save_run(folder / "a", config, network);
  save_run(folder / "b", load_run(folder / "a").config, load_run(folder / "a").network);
  for (const char* name : {"config.yaml", "weights.safetensors"}) {
    EXPECT_EQ(read_file(folder / "a" / name), read_file(folder / "b" / name)) << name;
  }
}

TEST(LoadErrors, FoldersWithoutConfigurationAndBadPreprocessing) {
  const std::string folder = fresh_folder().string();
  try {
    (void)load_any(std::span(&folder, 1));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), folder + ": found a folder without config.yaml, allowed: a YAML file, a run folder or "
                                     "key.path=value");
  }
  Value config = parse_yaml(kModel);
  merge_at(config, "dataset.preprocess", parse_yaml("mean: [1, 2, 3]"));
  EXPECT_THROW((void)load_network(config), Error);
}

}  // namespace
}  // namespace guardbit::nets
