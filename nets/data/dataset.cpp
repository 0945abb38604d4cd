#include "nets/data/dataset.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "nets/data/loaders.hpp"
#include "nets/data/pixel_cache.hpp"
#include "nets/io/compress.hpp"

namespace guardbit::nets {
namespace {

constexpr std::int64_t kMaxImages = 10'000'000;

bool is_drawn(const DatasetSpec& spec) { return spec.name == "glyphs" || spec.name == "random"; }

std::int64_t drawn_count(const DatasetSpec& spec, bool train) {
  const bool glyphs = spec.name == "glyphs";
  return train ? spec.train_size.value_or(glyphs ? 12000 : 500) : spec.test_size.value_or(glyphs ? 2000 : 100);
}

Dataset load_official(const DatasetSpec& spec, bool train) {
  if (spec.name == "mnist") return load_mnist(spec.path, train);
  if (spec.name == "cifar10") return load_cifar10(spec.path, train);
  if (spec.name == "cifar100") return load_cifar100(spec.path, train);
  if (spec.name == "folder") return load_folder(spec.path, train);
  if (spec.name == "glyphs") return draw_glyphs(spec.seed, drawn_count(spec, train), train);
  if (spec.name == "random") return draw_random(spec, drawn_count(spec, train), train);
  throw Error(fmt::format("dataset.name: found {}, allowed mnist, cifar10, cifar100, folder, glyphs, random", spec.name));
}

std::vector<SourceFile> source_files(const DatasetSpec& spec, bool train) {
  if (spec.name == "folder") return folder_files(spec.path, train);
  std::vector<SourceFile> sources;
  for (const std::string& name : spec.name == "mnist"     ? mnist_files(train)
                                 : spec.name == "cifar10" ? cifar10_files(spec.path, train)
                                                          : cifar100_files(train)) {
    sources.push_back({name, require_plain_or_compressed(spec.path / name)});
  }
  return sources;
}

void read_random(const Section& section, DatasetSpec& spec) {
  constexpr std::int64_t kMaxSide = 1 << 14;
  const std::vector<std::int64_t> shape = section.integers("shape", 1, kMaxSide);
  if (shape.size() != 3) section.fail("shape", fmt::format("{} numbers", shape.size()), "[height, width, channels]");
  spec.height = static_cast<int>(shape[0]);
  spec.width = static_cast<int>(shape[1]);
  spec.channels = static_cast<int>(shape[2]);
  spec.classes = static_cast<int>(section.integer("classes", 1, 1 << 20, spec.classes));
  constexpr std::int64_t kMaxBytes = std::int64_t{1} << 34;
  const std::int64_t images = std::max(drawn_count(spec, true), drawn_count(spec, false));
  if (shape[0] * shape[1] * shape[2] > kMaxBytes / images) {
    section.fail("shape", fmt::format("{} images of {} x {} x {}", images, shape[0], shape[1], shape[2]),
                 "up to 16 GiB of pixels (train_size, test_size)");
  }
}

}  // namespace

const char* name_of(Split split) {
  switch (split) {
    case Split::Train:
      return "train";
    case Split::Test:
      return "test";
    case Split::Holdout:
      return "holdout";
  }
  std::abort();
}

float Preprocess::apply(std::uint8_t pixel, int channel) const {
  const auto of_channel = [&](const std::vector<double>& values) {
    return values.size() == 1 ? values[0] : values.at(static_cast<std::size_t>(channel));
  };
  return static_cast<float>((pixel * scale - of_channel(mean)) / of_channel(std));
}

Preprocess read_preprocess(const Section& section) {
  constexpr double kLarge = 1e6;
  constexpr double kSmall = 1e-6;
  Preprocess result;
  result.scale = section.number("scale", kSmall, kLarge, result.scale);
  result.mean = section.numbers("mean", -kLarge, kLarge, result.mean);
  result.std = section.numbers("std", kSmall, kLarge, result.std);
  for (const auto& [key, count] : {std::pair("mean", result.mean.size()), std::pair("std", result.std.size())}) {
    if (count == 0) section.fail(key, "an empty list", "one number, or one per channel");
  }
  result.standardize = section.choice("standardize", {"none", "image"}, "none") == "image";
  return result;
}

std::span<const std::uint8_t> Dataset::image(std::int64_t index) const {
  return std::span(images).subspan(static_cast<std::size_t>(index * image_size()),
                                   static_cast<std::size_t>(image_size()));
}

std::vector<float> Dataset::to_float(const Preprocess& preprocess, std::int64_t begin, std::int64_t count_) const {
  for (const auto* values : {&preprocess.mean, &preprocess.std}) {
    if (values->size() != 1 && values->size() != static_cast<std::size_t>(channels)) {
      throw Error(fmt::format("dataset.preprocess: found {} numbers, allowed 1 or {} (channels of {})", values->size(),
                              channels, name));
    }
  }
  if (begin < 0 || count_ < 0 || begin > count() - count_) {
    throw Error(
        fmt::format("{}: found images {} to {}, allowed 0 to {}", name, begin, begin + count_ - 1, count() - 1));
  }
  if (preprocess.standardize)
    throw Error("dataset.preprocess.standardize: found image, allowed none here: only `train` and `eval` of float "
                "networks standardize images");
  // One table of 256 entries per channel instead of a division per pixel.
  std::vector<float> table;
  for (int c = 0; c < channels; ++c) {
    for (int pixel = 0; pixel < 256; ++pixel) table.push_back(preprocess.apply(static_cast<std::uint8_t>(pixel), c));
  }
  const auto first = static_cast<std::size_t>(begin * image_size());
  std::vector<float> result(static_cast<std::size_t>(count_ * image_size()));
  const auto channel_count = static_cast<std::size_t>(channels);
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = table[i % channel_count * 256 + images[first + i]];
  return result;
}

Dataset Dataset::slice(std::int64_t begin, std::int64_t count_) const {
  if (begin < 0 || count_ < 0 || begin > count() - count_) {
    throw Error(
        fmt::format("{}: found images {} to {}, allowed 0 to {}", name, begin, begin + count_ - 1, count() - 1));
  }
  Dataset part{name, description, height, width, channels, classes, {}, {}};
  part.images = images.part(static_cast<std::size_t>(begin * image_size()),
                            static_cast<std::size_t>(count_ * image_size()));
  part.labels.assign(labels.begin() + begin, labels.begin() + begin + count_);
  return part;
}

DatasetSpec read_dataset_spec(const Section& section) {
  DatasetSpec spec;
  spec.name = section.choice("name", {"mnist", "cifar10", "cifar100", "folder", "glyphs", "random"});
  // Drawn data need no files; a path left over from another data set is accepted.
  spec.path = is_drawn(spec) ? section.text("path", "") : section.text("path", {}, "a folder");
  spec.seed = static_cast<std::uint64_t>(section.integer("seed", 0, std::numeric_limits<std::int64_t>::max(), 1));
  if (section.has("train_size")) spec.train_size = section.integer("train_size", 1, kMaxImages);
  if (section.has("test_size")) spec.test_size = section.integer("test_size", 1, kMaxImages);
  if (spec.name == "random") read_random(section, spec);
  spec.holdout = section.integer("holdout", 0, kMaxImages, spec.holdout);
  spec.cache = section.text("cache", "");
  spec.preprocess = read_preprocess(section.section_or_empty("preprocess"));
  return spec;
}

namespace {

/// Where a split lies in the images that belong to it.
struct Part {
  std::int64_t begin = 0, count = 0;
};

// Of files, `train_size` and `test_size` take the first images; what is drawn was drawn in that number.
Part part_of(const DatasetSpec& spec, Split split, std::int64_t available) {
  Part part{0, available};
  if (split != Split::Test) {
    const std::int64_t kept = available - spec.holdout;
    if (kept < 1) throw Error(fmt::format("dataset.holdout: found {}, allowed 0 to {}", spec.holdout, available - 1));
    part = split == Split::Train ? Part{0, kept} : Part{kept, spec.holdout};
  }
  const auto& wanted = split == Split::Train ? spec.train_size : spec.test_size;
  if (split == Split::Holdout || is_drawn(spec) || !wanted) return part;
  if (*wanted < 1 || *wanted > part.count) {
    throw Error(fmt::format("dataset.{}_size: found {}, allowed 1 to {}, the {} images of {}{}", name_of(split),
                            *wanted, part.count, name_of(split), spec.name,
                            split == Split::Train && spec.holdout > 0 ? " without holdout" : ""));
  }
  return {0, *wanted};
}

}  // namespace

Dataset load_dataset(const DatasetSpec& spec, Split split) {
  if (split == Split::Holdout && spec.holdout == 0) {
    throw Error("dataset.holdout: found 0, allowed 1 or more to use the holdout split");
  }
  const bool train = split != Split::Test;
  Dataset all = spec.cache.empty() || is_drawn(spec)
                    ? load_official(spec, train)
                    : load_cached(spec.cache, spec.name + (train ? "-train" : "-test"), source_files(spec, train),
                                  [&] { return load_official(spec, train); });
  const Part chosen = part_of(spec, split, all.count());
  if (chosen.count == all.count()) return all;
  Dataset part = all.slice(chosen.begin, chosen.count);
  const char* where = split == Split::Holdout ? "last" : "first";
  part.description += fmt::format(", {} {} of {}", where, part.count(), all.count());
  return part;
}

}  // namespace guardbit::nets
