// Splits, preprocessing and the `dataset` section.
#include "io_support.hpp"
#include "nets/data/dataset.hpp"

namespace guardbit::nets {
namespace {

DatasetSpec small_glyphs() {
  DatasetSpec spec;
  spec.name = "glyphs";
  spec.train_size = 50;
  spec.test_size = 20;
  return spec;
}

TEST(Splits, HoldoutTakesTheLastTrainingImages) {
  DatasetSpec spec = small_glyphs();
  const Dataset all = load_dataset(spec, Split::Train);
  spec.holdout = 15;
  const Dataset train = load_dataset(spec, Split::Train);
  const Dataset holdout = load_dataset(spec, Split::Holdout);
  EXPECT_EQ(train.count(), 35);
  EXPECT_EQ(holdout.count(), 15);
  EXPECT_EQ(load_dataset(spec, Split::Test).count(), 20);  // not touched
  Bytes joined(train.images.begin(), train.images.end());
  joined.insert(joined.end(), holdout.images.begin(), holdout.images.end());
  EXPECT_EQ(joined, all.images);
  EXPECT_EQ(holdout.labels, std::vector<int>(all.labels.begin() + 35, all.labels.end()));
  EXPECT_EQ(train.description, "glyphs training set, 50 images, seed 1, first 35 of 50");
  EXPECT_EQ(holdout.description, "glyphs training set, 50 images, seed 1, last 15 of 50");
}

TEST(Splits, HoldoutMistakes) {
  DatasetSpec spec = small_glyphs();
  EXPECT_EQ(error_of([&] { load_dataset(spec, Split::Holdout); }),
            "dataset.holdout: found 0, allowed 1 or more to use the holdout split");
  spec.holdout = 50;
  EXPECT_EQ(error_of([&] { load_dataset(spec, Split::Train); }), "dataset.holdout: found 50, allowed 0 to 49");
}

TEST(Preprocess, ScalesThenNormalises) {
  Dataset data;
  data.name = "two";
  data.height = data.width = 1;
  data.channels = 3;
  data.images = Bytes{0, 255, 51, 10, 20, 30};
  data.labels = {0, 1};
  EXPECT_EQ(data.to_float({}, 0, 1), (std::vector<float>{0.0f, 1.0f, 0.2f}));
  const Preprocess preprocess{1.0, {10, 20, 31}, {1, 2, 4}};
  EXPECT_EQ(data.to_float(preprocess, 1, 1), (std::vector<float>{0.0f, 0.0f, -0.25f}));
  EXPECT_EQ(preprocess.apply(255, 1), 117.5f);
  EXPECT_EQ(error_of([&] {
              data.to_float({1.0, {0, 0}, {1}}, 0, 1);
            }),
            "dataset.preprocess: found 2 numbers, allowed 1 or 3 (channels of two)");
  EXPECT_EQ(error_of([&] { data.to_float({}, 1, 2); }), "two: found images 1 to 2, allowed 0 to 1");
}

TEST(Preprocess, StandardizingIsForFloatNetworks) {
  EXPECT_FALSE(read_preprocess(Section::parse("scale: 1")).standardize);
  EXPECT_FALSE(read_preprocess(Section::parse("standardize: none")).standardize);
  const Preprocess preprocess = read_preprocess(Section::parse("standardize: image"));
  EXPECT_TRUE(preprocess.standardize);
  EXPECT_EQ(error_of([] { read_preprocess(Section::parse("standardize: batch", "d.yaml")); }),
            "d.yaml:1: standardize: found batch, allowed none, image");
  EXPECT_EQ(error_of([&] { load_dataset(small_glyphs(), Split::Test).to_float(preprocess, 0, 1); }),
            "dataset.preprocess.standardize: found image, allowed none here: only `train` and `eval` of float networks "
            "standardize images");
}

TEST(DatasetSection, ReadsAllKeys) {
  const Section root = Section::parse(
      "name: mnist\npath: data/mnist\nseed: 7\ntrain_size: 10\ntest_size: 5\nholdout: 100\n"
      "preprocess: {scale: 1, mean: [1, 2, 3], std: 2}\n");
  const DatasetSpec spec = read_dataset_spec(root);
  root.done();
  EXPECT_EQ(spec.name, "mnist");
  EXPECT_EQ(spec.path, "data/mnist");
  EXPECT_EQ(spec.seed, 7u);
  EXPECT_EQ(spec.train_size, 10);
  EXPECT_EQ(spec.test_size, 5);
  EXPECT_EQ(spec.holdout, 100);
  EXPECT_EQ(spec.preprocess, (Preprocess{1.0, {1, 2, 3}, {2}}));
}

TEST(DatasetSection, DefaultsAndMistakes) {
  const DatasetSpec spec = read_dataset_spec(Section::parse("name: glyphs"));
  EXPECT_FALSE(spec.train_size);  // glyphs draws 12000 and 2000 then
  EXPECT_FALSE(spec.test_size);
  EXPECT_EQ(spec.preprocess.scale, 1.0 / 255.0);
  const auto error = [](const std::string& yaml) {
    return error_of([&] {
      const Section section = Section::parse(yaml, "d.yaml");
      read_dataset_spec(section);
      section.done();
    });
  };
  EXPECT_EQ(error("name: minst"), "d.yaml:1: name: found minst, allowed mnist, cifar10, cifar100, folder, glyphs, random");
  EXPECT_EQ(error("name: mnist"), "d.yaml:1: path: missing, allowed a folder");
  EXPECT_EQ(error("{name: glyphs, holdout: -1}"), "d.yaml:1: holdout: found -1, allowed 0 to 10000000");
  EXPECT_EQ(error("{name: mnist, path: m, train_size: 0}"), "d.yaml:1: train_size: found 0, allowed 1 to 10000000");
  EXPECT_EQ(error("{name: mnist, path: m, test_size: 0}"), "d.yaml:1: test_size: found 0, allowed 1 to 10000000");
  EXPECT_EQ(error("{name: glyphs, preprocess: {std: 0}}"),
            "d.yaml:1: preprocess.std: found 0, allowed 1e-06 to 1000000");
  EXPECT_EQ(error("{name: glyphs, preprocess: {mena: 0}}"),
            "d.yaml:1: preprocess.mena: unknown key, did you mean mean? allowed: mean, scale, standardize, std");
  EXPECT_EQ(error("{name: glyphs, preprocess: {mean: []}}"),
            "d.yaml:1: preprocess.mean: found an empty list, allowed one number, or one per channel");
}

}  // namespace
}  // namespace guardbit::nets
