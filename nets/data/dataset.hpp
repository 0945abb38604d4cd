// Labelled image sets: MNIST, CIFAR-10, CIFAR-100, folders of images, and what the program draws itself: glyphs
// (digits to learn) and random (uniform pixels, for timing and for networks without data).
// Pixels of plain MNIST files and of a cache are mapped: read where they lie, never copied as a whole.
//
//   dataset:
//     name: mnist               # cifar10, cifar100, folder, glyphs, random
//     path: data/mnist          # a folder; not for glyphs and random
//     seed: 1                   # glyphs, random: what is drawn
//     train_size: 12000         # the first N training images (without it all of the files; glyphs 12000, random 500)
//     test_size: 2000           # the first N test images (without it all of the files; glyphs 2000, random 100)
//     shape: [224, 224, 3]      # random only; classes: 10
//     holdout: 0                # the last N training images become the split `holdout`; train_size counts without
//                               # them, but for what is drawn, where it counts all that are drawn
//     cache: DIR                # decoded pixels of files are kept there and mapped by later runs (pixel_cache.hpp)
//     preprocess: {scale: 0.00392156862745098, mean: [0], std: [1]}   # real = (pixel * scale - mean) / std
//                 # standardize: image: each image to mean 0 and deviation 1 then (preprocess.hpp); float networks only
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nets/config/section.hpp"
#include "nets/data/preprocess.hpp"
#include "nets/io/shared_bytes.hpp"

namespace guardbit::nets {

enum class Split { Train, Test, Holdout };
const char* name_of(Split split);  ///< "train", "test", "holdout"

struct Dataset {
  std::string name;         ///< "mnist"
  std::string description;  ///< one line for reports: which files, which part
  int height = 0, width = 0, channels = 0, classes = 0;
  SharedBytes images;       ///< [N, H, W, C]; of a mapped file where it lies there like this
  std::vector<int> labels;  ///< [N], 0 .. classes-1

  std::int64_t count() const { return static_cast<std::int64_t>(labels.size()); }
  std::int64_t image_size() const { return std::int64_t{height} * width * channels; }
  std::span<const std::uint8_t> image(std::int64_t index) const;
  /// Images [begin, begin + count) as the network sees them, [count, H, W, C].
  std::vector<float> to_float(const Preprocess& preprocess, std::int64_t begin, std::int64_t count) const;
  /// A part of it, for example the first N images. Pixels are shared.
  Dataset slice(std::int64_t begin, std::int64_t count) const;
};

struct DatasetSpec {
  std::string name;
  std::filesystem::path path;
  std::uint64_t seed = 1;
  std::optional<std::int64_t> train_size;  ///< absent: all that the files hold; glyphs 12000, random 500
  std::optional<std::int64_t> test_size;   ///< absent: all that the files hold; glyphs 2000, random 100
  int height = 0, width = 0, channels = 0, classes = 10;  ///< random only
  std::int64_t holdout = 0;
  std::filesystem::path cache;  ///< empty: none
  Preprocess preprocess;
};
/// Reads a `dataset` section (keys above).
DatasetSpec read_dataset_spec(const Section& section);

/// Missing or damaged files throw Error naming what was looked for.
Dataset load_dataset(const DatasetSpec& spec, Split split);

}  // namespace guardbit::nets
