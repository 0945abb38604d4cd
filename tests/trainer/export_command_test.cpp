// export-values, update and info --plumbing as a user runs them.
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "nets/config/config.hpp"
#include "nets/io/npy.hpp"
#include "tests/cli/guardbit.hpp"

namespace guardbit {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using tests::Outcome;
using tests::read_text;
using tests::source;
using tests::Workplace;

// CifarNet in 16-bit dynamic fixed point, after one step on two random images: rows and costs do not depend on more.
void train_cifarnet(const Workplace& place) {
  const Outcome trained = place.guardbit(
      {"train", source("trainer/recipes/cifarnet_cifar10_dfp16.yaml"), "-o", place / "run", "dataset.name=random",
       "dataset.shape=[32, 32, 3]", "dataset.train_size=2", "dataset.test_size=1", "trainer.epochs=1",
       "trainer.batch_size=2", "trainer.optimizer=null", "trainer.optimizer={type: rmsprop, momentum: 0.9}",
       "quantizer.quant_delay=0"});
  ASSERT_EQ(trained.code, 0) << trained.err;
}

const nets::Value* row_of(const nets::Value& items, const char* key, const std::string& name) {
  for (const nets::Value& item : items.items())
    if (item.find(key) != nullptr && item.find(key)->text() == name) return &item;
  return nullptr;
}

std::set<std::string> columns(const nets::Value& row) {
  std::set<std::string> names;
  for (const auto& [key, value] : row.entries()) names.insert(key);
  return names;
}

TEST(Plumbing, CifarNetIn16BitsHasTheRowsOfMayosFile) {
  const char* const data = std::getenv("GUARDBIT_DATA");
  const fs::path golden = fs::path(data != nullptr ? data : "../shared/data") / "mayo/info.yaml";
  if (!fs::exists(golden)) GTEST_SKIP() << "no " << golden << "; set GUARDBIT_DATA";
  const Workplace place("plumbing");
  ASSERT_NO_FATAL_FAILURE(train_cifarnet(place));
  const Outcome info = place.guardbit({"info", place / "run", "--plumbing"});
  ASSERT_EQ(info.code, 0) << info.err;
  const nets::Value theirs = nets::load_yaml(golden), ours = nets::load_yaml(place / "run/info.yaml");

  // Layers, in their order, every column; we have no layer that squeezes.
  std::vector<nets::Value> expected;
  for (const nets::Value& row : theirs.at("layers.items")->items())
    if (row.find("layer")->text() != "cifarnet/squeeze") expected.push_back(row);
  const std::vector<nets::Value>& layers = ours.at("layers.items")->items();
  ASSERT_EQ(layers.size(), expected.size());
  for (std::size_t i = 0; i < layers.size(); ++i) {
    EXPECT_EQ(layers[i].find("layer")->text(), expected[i].find("layer")->text());
    EXPECT_EQ(columns(layers[i]), columns(expected[i]));
    EXPECT_EQ(*layers[i].find("shape"), *expected[i].find("shape")) << i;
    for (const char* cost : {"macs", "bitops", "memory"}) {
      ASSERT_EQ(layers[i].find(cost)->is_null(), expected[i].find(cost)->is_null()) << i << cost;
      if (!layers[i].find(cost)->is_null()) {
        EXPECT_EQ(layers[i].find(cost)->number(), expected[i].find(cost)->number()) << i << cost;
      }
    }
  }
  EXPECT_EQ(ours.at("layers.footer.macs")->integer(), 174301824);
  EXPECT_EQ(ours.at("trainables.footer.count")->integer(), 1296074);
  EXPECT_EQ(*ours.at("trainables"), *theirs.at("trainables"));  // names, shapes, counts, order

  // Variables: all of theirs but their configuration, and those of the scores' quantizer, where they have none.
  for (const nets::Value& row : theirs.at("nontrainables.items")->items()) {
    const std::string name = row.find("nontrainable")->text();
    if (name == "mayo/config:0") continue;
    const nets::Value* mine = row_of(*ours.at("nontrainables.items"), "nontrainable", name);
    ASSERT_NE(mine, nullptr) << name;
    EXPECT_TRUE(*mine == row) << name;
  }
  EXPECT_EQ(ours.at("nontrainables.items")->items().size(), theirs.at("nontrainables.items")->items().size() - 1 + 3);

  // Quantizers: 35, and that of the scores. Points are those of one step from random weights: any that a search allows.
  const std::vector<nets::Value>& rules = ours.at("overriders.DGQuantizer.items")->items();
  ASSERT_EQ(theirs.at("overriders.DGQuantizer.items")->items().size(), 35U);
  ASSERT_EQ(rules.size(), 36U);
  for (const nets::Value& row : rules) {
    EXPECT_EQ(columns(row), (std::set<std::string>{"name", "point", "width"}));
    EXPECT_EQ(row.find("width")->integer(), 16);
    EXPECT_LE(std::abs(row.find("point")->integer()), 16);
  }
  EXPECT_EQ(rules[0].find("name")->text(), "cifarnet/conv0/weights");
  EXPECT_EQ(rules[1].find("name")->text(), "cifarnet/conv0/activations");
  EXPECT_EQ(rules[2].find("name")->text(), "cifarnet/conv0/weights/gradient");
  EXPECT_EQ(rules[3].find("name")->text(), "cifarnet/conv0/errors/gradient");
  EXPECT_FALSE(ours.find("accuracies")->find("top1")->is_null());
}

TEST(Plumbing, ANetworkWithoutTrainingHasTheCostsOfTheWidthThatIsNamed) {
  const Workplace place("costs");
  const std::vector<std::string> call{"info", source("nets/zoo/cifarnet.yaml")};
  EXPECT_EQ(place.guardbit({call[0], call[1], "--plumbing"}).code, 2);
  EXPECT_NE(read_text(place / ".err").find("allowed a run folder, or output=DIR"), std::string::npos);
  ASSERT_EQ(place.guardbit({call[0], call[1], "info.width=4", "system.info.plumbing=true", "-o", place / "out"}).code,
            0);
  const nets::Value ours = nets::load_yaml(place / "out/info.yaml");
  const nets::Value* row = row_of(*ours.at("layers.items"), "layer", "cifarnet/conv1");
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->find("bitops")->number(), 33177600.0 * 4);
  EXPECT_EQ(row->find("memory")->number(), 36864.0 * 4);
  EXPECT_TRUE(ours.find("accuracies")->is_null());
  EXPECT_EQ(place.guardbit({call[0], call[1], "system.info.plumbin=true"}).code, 2);
  EXPECT_FALSE(fs::exists(source("nets/zoo/info.yaml")));

  // TensorFlow's shapes of what CifarNet has not.
  const auto shape_of = [&](const char* network, const std::string& variable) {
    EXPECT_EQ(place.guardbit({"info", source(network), "--plumbing", "-o", place / "other"}).code, 0);
    const nets::Value other = nets::load_yaml(place / "other/info.yaml");
    const nets::Value* found = row_of(*other.at("trainables.items"), "trainable", variable);
    EXPECT_NE(found, nullptr) << variable;
    std::vector<std::int64_t> shape;
    for (const nets::Value& side : found->find("shape")->items()) shape.push_back(side.integer());
    return shape;
  };
  EXPECT_EQ(shape_of("nets/zoo/lenet5.yaml", "lenet5/fc1/weights:0"), (std::vector<std::int64_t>{400, 120}));
  EXPECT_EQ(shape_of("nets/zoo/ds_cnn.yaml", "ds_cnn/depthwise1/depthwise_weights:0"),
            (std::vector<std::int64_t>{3, 3, 64, 1}));
}

class ExportCommand : public testing::Test {
 protected:
  ExportCommand() : place_("export") {
    const Outcome trained = place_.guardbit(
        {"train", source("trainer/recipes/lenet5_glyphs.yaml"), "-o", place_ / "run", "dataset.train_size=128",
         "dataset.test_size=20", "trainer.epochs=1", "trainer.batch_size=32",
         "quantizer={weights: {type: dfp}, activation: {type: dfp}, gradient: {error: {type: dfp, width: 12}}}"});
    EXPECT_EQ(trained.code, 0) << trained.err;
  }
  testing::AssertionResult says(const std::vector<std::string>& arguments, const std::string& what) const {
    const Outcome outcome = place_.guardbit(arguments);
    if (outcome.code == 2 && outcome.err.find(what) != std::string::npos) return testing::AssertionSuccess();
    return testing::AssertionFailure() << outcome.code << " " << outcome.err;
  }
  Workplace place_;
};

TEST_F(ExportCommand, WritesArraysTableAndJsonTheSameEveryTime) {
  for (const std::string name : {"a", "b"}) {
    const Outcome out = place_.guardbit({"export-values", place_ / "run", "samples=4", "batches=2", "-o",
                                         place_ / (name + ".npz"), "--json", place_ / (name + ".json"),
                                         name == "a" ? "threads=1" : "threads=2"});
    ASSERT_EQ(out.code, 0) << out.err;
    EXPECT_NE(out.out.find("gradient.error"), std::string::npos);
    EXPECT_NE(out.out.find("Qm.n"), std::string::npos);
  }
  EXPECT_EQ(read_text(place_ / "a.npz"), read_text(place_ / "b.npz"));
  EXPECT_EQ(read_text(place_ / "a.json"), read_text(place_ / "b.json"));
  const nets::NamedArrays arrays = nets::read_npz(place_ / "a.npz");
  const json document = place_.json("a.json");
  EXPECT_EQ(document["dataset"]["batch"], 4);
  EXPECT_EQ(document["dataset"]["split"], "train");
  std::size_t rules = 0;
  for (const json& row : document["values"]) {
    const std::string stem = row["name"].get<std::string>() + "/";
    const nets::Array* point = nets::find_array(arrays, stem + "point");
    EXPECT_EQ(point != nullptr, row.contains("point")) << stem;
    if (point != nullptr) {
      EXPECT_EQ(point->to_int64("npz")[0], row["point"].get<std::int64_t>());
    }
    const nets::Array* overflows = nets::find_array(arrays, stem + "overflows");
    ASSERT_NE(overflows, nullptr) << stem;
    EXPECT_EQ(overflows->to_int64("npz")[0], row["overflows"].get<std::int64_t>());
    if (row["place"] == "activation") {
      const nets::Array* codes = nets::find_array(arrays, stem + "codes");
      ASSERT_NE(codes, nullptr);
      EXPECT_EQ(codes->shape[0], 8) << stem;
    }
    ++rules;
  }
  EXPECT_GT(rules, 12U);
}

TEST_F(ExportCommand, WhatIsWrongIsToldInOneLine) {
  EXPECT_TRUE(says({"export-values", place_ / "run", "-o", place_ / "values.txt"}, "ends in .npz"));
  EXPECT_TRUE(says({"export-values", source("nets/zoo/lenet5.yaml")}, "found no run folder"));
  EXPECT_TRUE(says({"export-values", place_ / "run", "quantizer.weights.width=4"}, "allowed no change"));
  EXPECT_TRUE(says({"export-values", place_ / "run", "samples=129"}, "allowed 1 to 128"));
  EXPECT_TRUE(says({"export-values", place_ / "run", "samples=64", "batches=3"}, "allowed 1 to 2"));
  EXPECT_TRUE(says({"export-values", place_ / "run", "sample=4"}, "sample"));
  EXPECT_TRUE(says({"export-values", place_ / "run", "load=9"}, "there is no file"));
  ASSERT_EQ(place_.guardbit({"train", source("trainer/recipes/lenet5_glyphs.yaml"), "-o", place_ / "float",
                             "dataset.train_size=64", "dataset.test_size=20", "trainer.epochs=1"}).code, 0);
  EXPECT_TRUE(says({"export-values", place_ / "float"}, "found a float training"));
  EXPECT_TRUE(says({"update", place_ / "float"}, "found a float training"));
}

TEST_F(ExportCommand, UpdateKeepsTheFolderWhole) {
  const std::string weights = read_text(place_ / "run/weights.safetensors");
  const Outcome updated = place_.guardbit({"update", place_ / "run", "batches=2"});
  ASSERT_EQ(updated.code, 0) << updated.err;
  EXPECT_EQ(weights, read_text(place_ / "run/weights.safetensors"));
  EXPECT_TRUE(says({"update", place_ / "run", "load=1"}, "update is of the last checkpoint"));
  EXPECT_EQ(place_.guardbit({"eval", place_ / "run", "samples=10"}).code, 0);
  EXPECT_EQ(place_.guardbit({"export-values", place_ / "run", "samples=2"}).code, 0);
  tests::write_text(place_ / "run/quantization.yaml", "{}");
  EXPECT_TRUE(says({"update", place_ / "run"}, "quantization.yaml"));
}

}  // namespace
}  // namespace guardbit
