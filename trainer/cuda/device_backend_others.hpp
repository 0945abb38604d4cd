// Memory, data, element-wise operators and pooling of DeviceBackend.
#pragma once

#include <cmath>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "trainer/cuda/device_backend.hpp"

namespace guardbit::trainer::cuda {

template <class Queue>
DeviceBackend<Queue>::DeviceBackend(Queue queue, Count workspace_bytes)
    : queue_(std::move(queue)), workspace_bytes_(workspace_bytes), step_(queue_.allocate(sizeof(StepScalars))) {
  const char* record = std::getenv("GUARDBIT_CUDA_RECORD");
  records_ = record == nullptr || std::string_view(record) != "0";
}

template <class Queue>
std::size_t DeviceBackend<Queue>::element_bytes(Element element) const {
  switch (element) {
    case Element::Byte: return 1;
    case Element::Real:
    case Element::Int32: return 4;
    case Element::Float64: return 8;
  }
  require(false, "unknown element");
  return 0;
}

template <class Queue>
Count DeviceBackend<Queue>::numbered(Count count) {
  if (count > kLargestIndex)
    throw Error("cuda: found an operator with " + std::to_string(count) + " elements, allowed at most " +
                std::to_string(kLargestIndex) + "; lower trainer.batch_size");
  return count;
}

template <class Queue>
void DeviceBackend<Queue>::copy_in(const TensorView& to, const void* from) {
  queue_.stage(to.data, from, static_cast<std::size_t>(to.count()) * element_bytes(to.element));
}
template <class Queue>
void DeviceBackend<Queue>::copy_out(void* to, const TensorView& from) {
  queue_.download(to, from.data, static_cast<std::size_t>(from.count()) * element_bytes(from.element));
}

template <class Queue>
void DeviceBackend<Queue>::begin_step(const StepScalars& scalars) {
  queue_.stage(step_->address(), &scalars, sizeof scalars);
}

template <class Queue>
void DeviceBackend<Queue>::fill(const TensorView& y, double value) {
  if (y.element == Element::Float64) queue_.each(y.count(), Fill<double>{data<double>(y), value});
  else queue_.each(y.count(), Fill<float>{data(y), static_cast<float>(value)});
}

template <class Queue>
void DeviceBackend<Queue>::set_table(const nets::Preprocess& preprocess, int channels) {
  if (table_channels_ == channels && table_of_ == preprocess) return;
  std::vector<double> statistics;
  for (const std::vector<double>* values : {&preprocess.mean, &preprocess.std})
    for (int c = 0; c < channels; ++c)
      statistics.push_back((*values)[values->size() == 1 ? 0 : static_cast<std::size_t>(c)]);
  auto* on_device = statistics_.template take<double>(queue_, 2 * channels);
  queue_.stage(on_device, statistics.data(), statistics.size() * sizeof(double));
  queue_.each(256 * channels, PixelTable{preprocess.scale, on_device, channels,
                                         table_.template take<float>(queue_, 256 * channels)});
  table_of_ = preprocess;
  table_channels_ = channels;
}

template <class Queue>
void DeviceBackend<Queue>::load_batch(const TensorView& images, const TensorView& labels,
                                      std::span<const SampleTransform> transforms, const nets::Preprocess& preprocess,
                                      const TensorView& x, const TensorView& y) {
  const nets::Shape& shape = images.shape;
  const auto n = static_cast<Count>(transforms.size());
  require(n <= x.n && n <= y.n && x.shape == shape, "load_batch: shapes do not fit");
  for (const SampleTransform& t : transforms)
    require(t.sample >= 0 && t.sample < images.n, "load_batch: no such sample");
  set_table(preprocess, shape.c);
  auto* changes = transforms_.template take<SampleTransform>(queue_, n);
  queue_.stage(changes, transforms.data(), transforms.size_bytes());
  queue_.each(numbered(n * shape.h * shape.w),
              LoadPixel{shape, Unflatten(shape.h, shape.w, 1), data<std::uint8_t>(images), changes,
                        table_.template take<float>(queue_, 256 * shape.c), data(x)});
  finish_images(transforms, changes, preprocess, x);
  queue_.each(n, LoadLabel{data<std::int32_t>(labels), changes, data<std::int32_t>(y)});
}

template <class Queue>
void DeviceBackend<Queue>::activation_forward(Activation activation, const TensorView& x, const TensorView& y) {
  if (activation == Activation::None) return copy(x, y);
  queue_.each(y.count(), Clamp{range_of(activation), data(x), data(y)});
}
template <class Queue>
void DeviceBackend<Queue>::activation_backward(Activation activation, const TensorView& y, const TensorView& dy,
                                               const TensorView& dx) {
  if (activation == Activation::None) return copy(dy, dx);
  queue_.each(y.count(), ClampBackward{range_of(activation), data(y), data(dy), data(dx)});
}

namespace detail {

[[nodiscard]] inline PoolWindow pool(const nets::Window& w, const TensorView& in, const TensorView& out) {
  require(in.n == out.n && in.shape.c == out.shape.c, "pool: shapes do not fit");
  return {rows_of(w, in.shape, out.shape), columns_of(w, in.shape, out.shape), in.shape.c};
}

}  // namespace detail

template <class Queue>
void DeviceBackend<Queue>::max_pool_forward(const nets::Window& window, const TensorView& x, const TensorView& y,
                                            const TensorView& index) {
  queue_.each(numbered(y.count()), MaxPool{detail::pool(window, x, y), positions(y), data(x), data(y),
                                           data<std::int32_t>(index)});
}
template <class Queue>
void DeviceBackend<Queue>::max_pool_backward(const nets::Window& window, const TensorView& dy,
                                             const TensorView& index, const TensorView& dx) {
  queue_.each(numbered(dx.count()), MaxPoolBackward{detail::pool(window, dx, dy), positions(dx), data(dy),
                                                    data<std::int32_t>(index), data(dx)});
}
template <class Queue>
void DeviceBackend<Queue>::average_pool_forward(const nets::Window& window, const TensorView& x,
                                                const TensorView& y) {
  queue_.each(numbered(y.count()), AveragePool{detail::pool(window, x, y), positions(y), data(x), data(y)});
}
template <class Queue>
void DeviceBackend<Queue>::average_pool_backward(const nets::Window& window, const TensorView& dy,
                                                 const TensorView& dx) {
  queue_.each(numbered(dx.count()), AveragePoolBackward{detail::pool(window, dx, dy), positions(dx), data(dy),
                                                        data(dx)});
}

template <class Queue>
void DeviceBackend<Queue>::add(const TensorView& a, const TensorView& b, const TensorView& y) {
  queue_.each(y.count(), Add{data(a), data(b), data(y)});
}
template <class Queue>
void DeviceBackend<Queue>::accumulate(const TensorView& x, const TensorView& y) {
  add(y, x, y);
}
template <class Queue>
void DeviceBackend<Queue>::copy_region(const Region& region, const TensorView& x, const TensorView& y) {
  queue_.each(numbered(x.n * region.height * region.width * region.channels),
              CopyRegion{region, x.shape, y.shape, Unflatten(region.height, region.width, region.channels), data(x),
                         data(y)});
}

template <class Queue>
void DeviceBackend<Queue>::dropout(double rate, std::uint32_t stream, const TensorView& x, const TensorView& y) {
  const Count n = x.count();
  queue_.each((n + 3) / 4, Dropout{step(), stream, static_cast<std::uint64_t>(std::ceil(rate * 0x1p32)),
                                   static_cast<float>(1 / (1 - rate)), n, data(x), data(y)});
}

template <class Queue>
std::unique_ptr<CodeOperators> DeviceBackend<Queue>::make_code_operators(const nets::IntegerNetwork& network,
                                                                         const InputCodes& input, Count batch) {
  return std::make_unique<DeviceCodes<Queue>>(queue_, network, input, batch);
}

}  // namespace guardbit::trainer::cuda
