// Inside nets/data only: one loader per kind of data set. Each returns the whole official split.
#pragma once

#include "nets/data/dataset.hpp"
#include "nets/data/pixel_cache.hpp"

namespace guardbit::nets {

/// Names of the files that a loader reads, without .gz and .xz.
std::vector<std::string> mnist_files(bool train);
std::vector<std::string> cifar10_files(const std::filesystem::path& folder, bool train);
std::vector<std::string> cifar100_files(bool train);
/// Classes and images in their order; a class has no file.
std::vector<SourceFile> folder_files(const std::filesystem::path& folder, bool train);

Dataset load_mnist(const std::filesystem::path& folder, bool train);
Dataset load_cifar10(const std::filesystem::path& folder, bool train);
Dataset load_cifar100(const std::filesystem::path& folder, bool train);
/// folder/train/CLASS/*.{npy,pgm,ppm} and folder/test/...; classes are numbered in the order of their names.
Dataset load_folder(const std::filesystem::path& folder, bool train);
/// `count` drawn images; training and test images never share random numbers.
Dataset draw_glyphs(std::uint64_t seed, std::int64_t count, bool train);

/// Uniform pixels and labels; every image is a stream of its own.
Dataset draw_random(const DatasetSpec& spec, std::int64_t count, bool train);

}  // namespace guardbit::nets
