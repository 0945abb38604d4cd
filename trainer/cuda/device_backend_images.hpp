// Changes of colour and standardization of loaded images of DeviceBackend: what trainer/sample_loader.cpp does on the
// host, in the same order of additions.
#pragma once

#include <algorithm>

#include "trainer/cuda/device_backend.hpp"

namespace guardbit::trainer::cuda {

/// transforms and, on the device, changes: the same.
template <class Queue>
void DeviceBackend<Queue>::finish_images(std::span<const SampleTransform> transforms, const SampleTransform* changes,
                                         const nets::Preprocess& preprocess, const TensorView& x) {
  const auto n = static_cast<Count>(transforms.size());
  if (std::any_of(transforms.begin(), transforms.end(), [](const SampleTransform& t) { return t.colour.wanted; }))
    change_colour(changes, preprocess, n, x);
  if (preprocess.standardize) standardize(n, x);
}

template <class Queue>
void DeviceBackend<Queue>::change_colour(const SampleTransform* changes, const nets::Preprocess& preprocess, Count n,
                                         const TensorView& x) {
  const nets::Shape& shape = x.shape;
  const Count rows = n * shape.h * shape.c, pixels = Count{shape.h} * shape.w;
  auto* sums = image_sums_.template take<double>(queue_, rows + n * shape.c);
  auto* statistics = statistics_.template take<double>(queue_, 2 * shape.c);  // set_table filled it
  queue_.each(n * pixels, BeginColour{pixels, shape.c, changes, data(x)});
  queue_.each(rows, ChannelRows{shape.w, shape.c, data(x), sums});
  queue_.each(n * shape.c, ChannelMeans{shape.h, shape.w, shape.c, sums, sums + rows});
  queue_.each(n * shape.count(), FinishColour{shape.count(), shape.c, changes, sums + rows, preprocess.scale,
                                              statistics, data(x)});
}

template <class Queue>
void DeviceBackend<Queue>::standardize(Count n, const TensorView& x) {
  const nets::Shape& shape = x.shape;
  const int width = shape.w * shape.c;
  auto* rows = image_sums_.template take<double>(queue_, n * shape.h + 2 * n);
  double *means = rows + n * shape.h, *squares = means + n;
  queue_.each(n * shape.h, ImageRows{shape.h, width, data(x), nullptr, rows});
  queue_.each(n, ImageSums{shape.h, static_cast<double>(shape.count()), rows, means});
  queue_.each(n * shape.h, ImageRows{shape.h, width, data(x), means, rows});
  queue_.each(n, ImageSums{shape.h, 1, rows, squares});
  queue_.each(n * shape.count(), StandardizeImage{shape.count(), means, squares, data(x)});
}

}  // namespace guardbit::trainer::cuda
