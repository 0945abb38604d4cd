// Convolution of DeviceBackend. K output channels, depth = R S C.
#pragma once

#include <algorithm>

#include "trainer/cuda/device_backend.hpp"

namespace guardbit::trainer::cuda {

template <class Queue>
void DeviceBackend<Queue>::require_fit(const nets::ConvAttributes& conv, const TensorView& x,
                                       const TensorView& weight, const TensorView& y) const {
  const nets::Window& w = conv.window;
  require(x.n == y.n && y.shape.c == conv.channels && weight.n == conv.channels &&
              weight.shape == nets::Shape{w.kernel_h, w.kernel_w, x.shape.c / conv.groups} &&
              x.shape.c % conv.groups == 0 && conv.channels % conv.groups == 0,
          "convolution: shapes do not fit");
}

/// True when the patches are the pixels themselves.
template <class Queue>
bool DeviceBackend<Queue>::reads_pixels(const nets::ConvAttributes& conv) {
  const nets::Window& w = conv.window;
  return w.kernel_h == 1 && w.kernel_w == 1 && w.stride_h == 1 && w.stride_w == 1 && w.padding == nets::Padding{};
}

template <class Queue>
Count DeviceBackend<Queue>::images_at_once(const nets::ConvAttributes& conv, const nets::Shape& in,
                                           const nets::Shape& out) const {
  const nets::Window& w = conv.window;
  const Count pixels = Count{out.h} * out.w, depth = Count{w.kernel_h} * w.kernel_w * in.c;
  const Count bound = std::min<Count>(workspace_bytes_ / 4, kLargestIndex);
  // Rows and elements of the matrices are numbered with int.
  const Count elements = reads_pixels(conv) ? pixels : pixels * depth;
  return std::max<Count>(1, (reads_pixels(conv) ? kLargestIndex : bound) / elements);
}

/// The matrix [count P Q, depth] of images first ... first + count - 1.
template <class Queue>
const float* DeviceBackend<Queue>::patches(const nets::ConvAttributes& conv, const TensorView& x,
                                           const nets::Shape& out, Count first, Count count) {
  const float* images = data(x) + first * x.shape.count();
  if (reads_pixels(conv)) return images;
  const nets::Window& w = conv.window;
  const Axis rows = rows_of(w, x.shape, out), columns = columns_of(w, x.shape, out);
  const Count elements = numbered(count * out.h * out.w * w.kernel_h * w.kernel_w * x.shape.c);
  auto* to = columns_.template take<float>(queue_, elements);
  if (x.shape.c % 4 == 0)
    queue_.each(elements / 4, PatchesToRows<Quad>(rows, columns, x.shape.c / 4, reinterpret_cast<const Quad*>(images),
                                                  reinterpret_cast<Quad*>(to)));
  else
    queue_.each(elements, PatchesToRows<float>(rows, columns, x.shape.c, images, to));
  return to;
}

namespace detail {

[[nodiscard]] inline Grouped grouped(const nets::ConvAttributes& conv, const nets::Shape& in,
                                     const nets::Shape& out) {
  return {rows_of(conv.window, in, out), columns_of(conv.window, in, out), in.c, out.c, in.c / conv.groups,
          out.c / conv.groups};
}

}  // namespace detail

template <class Queue>
void DeviceBackend<Queue>::conv_forward(const nets::ConvAttributes& conv, const TensorView& x,
                                        const TensorView& weight, const TensorView& bias, const TensorView& y) {
  require_fit(conv, x, weight, y);
  if (conv.groups > 1) {
    queue_.each(numbered(y.count()), GroupedForward{detail::grouped(conv, x.shape, y.shape), positions(y), data(x),
                                                    data(weight), data(bias), data(y)});
    return;
  }
  if (bias) queue_.each(numbered(y.count()), Repeat{data(bias), Divider(conv.channels), data(y)});
  const Count step = images_at_once(conv, x.shape, y.shape), pixels = Count{y.shape.h} * y.shape.w;
  for (Count first = 0; first < x.n; first += step) {
    const Count count = std::min(step, x.n - first);
    const float* rows = patches(conv, x, y.shape, first, count);
    queue_.multiply(row_major(false, true, count * pixels, conv.channels, weight.shape.count(), rows, data(weight),
                              bias ? 1.0F : 0.0F, data(y) + first * y.shape.count()));
  }
}

template <class Queue>
void DeviceBackend<Queue>::conv_backward_data(const nets::ConvAttributes& conv, const TensorView& dy,
                                              const TensorView& weight, const TensorView& dx) {
  require_fit(conv, dx, weight, dy);
  if (conv.groups > 1) {
    queue_.each(numbered(dx.count()), GroupedBackwardData{detail::grouped(conv, dx.shape, dy.shape), positions(dx),
                                                          data(dy), data(weight), data(dx)});
    return;
  }
  const Axis rows = rows_of(conv.window, dx.shape, dy.shape), columns = columns_of(conv.window, dx.shape, dy.shape);
  const Count step = images_at_once(conv, dx.shape, dy.shape), pixels = Count{dy.shape.h} * dy.shape.w;
  const Count depth = weight.shape.count();
  for (Count first = 0; first < dy.n; first += step) {
    const Count count = std::min(step, dy.n - first), elements = count * dx.shape.count();
    float* images = data(dx) + first * dx.shape.count();
    float* to = reads_pixels(conv) ? images
                                   : columns_.template take<float>(queue_, numbered(count * pixels * depth));
    queue_.multiply(row_major(false, false, count * pixels, depth, conv.channels,
                              data(dy) + first * dy.shape.count(), data(weight), 0.0F, to));
    if (to != images)
      queue_.each(numbered(elements), RowsToPatches{rows, columns, dx.shape.c, positions(dx), to, images});
  }
}

template <class Queue>
void DeviceBackend<Queue>::conv_backward_weights(const nets::ConvAttributes& conv, const TensorView& x,
                                                 const TensorView& dy, const TensorView& dweight,
                                                 const TensorView& dbias) {
  require_fit(conv, x, dweight, dy);
  if (conv.groups > 1) grouped_backward_weights(conv, x, dy, dweight);
  const Count step = images_at_once(conv, x.shape, dy.shape), pixels = Count{dy.shape.h} * dy.shape.w;
  for (Count first = 0; conv.groups == 1 && first < x.n; first += step) {
    const Count count = std::min(step, x.n - first);
    const float* rows = patches(conv, x, dy.shape, first, count);
    queue_.multiply(row_major(true, false, conv.channels, dweight.shape.count(), count * pixels,
                              data(dy) + first * dy.shape.count(), rows, first == 0 ? 0.0F : 1.0F, data(dweight)));
  }
  if (!dbias) return;
  const Partial sums = sum_channels<1>(Value{data(dy)}, dy.n * pixels, conv.channels);
  queue_.each(conv.channels, Totals{sums, data(dbias)});
}

template <class Queue>
void DeviceBackend<Queue>::grouped_backward_weights(const nets::ConvAttributes& conv, const TensorView& x,
                                                    const TensorView& dy, const TensorView& dweight) {
  const nets::Window& w = conv.window;
  const Grouped g = detail::grouped(conv, x.shape, dy.shape);
  const Count pixels = numbered(dy.n * dy.shape.h * dy.shape.w), weights = dweight.count();
  const int pieces = strips(pixels, weights);
  auto* partial = sums_[0].template take<double>(queue_, pieces * weights);
  queue_.each(numbered(pieces * weights),
              GroupedBackwardWeights{g, pieces, pixels, Divider(conv.channels), Divider(g.group_in),
                                     Divider(w.kernel_w), Divider(w.kernel_h), Divider(dy.shape.w),
                                     Divider(dy.shape.h), data(x), data(dy), partial});
  queue_.each(weights, Totals{fold(pieces, weights), data(dweight)});
}

}  // namespace guardbit::trainer::cuda
