// Depthwise 3x3 convolutions of the CPU back end: weights are turned to [9][C] and back once per call.
#include <algorithm>

#include "trainer/cpu/cpu_backend.hpp"
#include "trainer/cpu/kernels.hpp"

namespace guardbit::trainer {

namespace {

constexpr int kTaps = 9;

// [C][9] -> [9][C]; flipped: the taps in the opposite order.
void taps_first(const TensorView& weight, bool flipped, std::int64_t channels, float* to) {
  for (std::int64_t c = 0; c < channels; ++c)
    for (int i = 0; i < kTaps; ++i)
      to[(flipped ? kTaps - 1 - i : i) * channels + c] = elements<const float>(weight)[c * kTaps + i];
}

kernels::DepthwiseShape shape_of(const nets::ConvAttributes& conv, const nets::Shape& in, const nets::Shape& out) {
  return {in, out, conv.window.stride_h, conv.window.padding.top, conv.window.padding.left};
}

}  // namespace

bool CpuBackend::is_depthwise(const nets::ConvAttributes& conv, const nets::Shape& in) {
  const nets::Window& w = conv.window;
  return conv.groups == in.c && conv.channels == in.c && w.kernel_h == 3 && w.kernel_w == 3 && w.dilation_h == 1 &&
         w.dilation_w == 1 && w.stride_h == w.stride_w && w.stride_h <= 2 &&
         std::max(w.padding.top, w.padding.left) <= 2;
}

void CpuBackend::depthwise_forward(const nets::ConvAttributes& conv, const TensorView& x, const TensorView& weight,
                                   const TensorView& bias, const TensorView& y) {
  const std::int64_t channels = x.shape.c;
  channels_.resize(static_cast<std::size_t>(kTaps * channels));
  taps_first(weight, false, channels, channels_.data());
  const kernels::DepthwiseShape shape = shape_of(conv, x.shape, y.shape);
  for_chunks(x.n, [&](int, std::int64_t first, std::int64_t count, int) {
    for (std::int64_t i = first; i < first + count; ++i)
      kernels::depthwise_forward(shape, elements<float>(x) + i * x.shape.count(), channels_.data(),
                                 elements<float>(bias), elements<float>(y) + i * y.shape.count());
  });
}

// With stride 1 the gradient is the same convolution of dy with the taps turned round.
void CpuBackend::depthwise_backward_data(const nets::ConvAttributes& conv, const TensorView& dy,
                                         const TensorView& weight, const TensorView& dx) {
  const std::int64_t channels = dx.shape.c;
  const bool unit = conv.window.stride_h == 1;
  channels_.resize(static_cast<std::size_t>(kTaps * channels));
  taps_first(weight, unit, channels, channels_.data());
  kernels::DepthwiseShape shape = shape_of(conv, dx.shape, dy.shape);
  if (unit) shape = {dy.shape, dx.shape, 1, 2 - shape.top, 2 - shape.left};
  for_chunks(dy.n, [&](int, std::int64_t first, std::int64_t count, int) {
    for (std::int64_t i = first; i < first + count; ++i) {
      const float* from = elements<float>(dy) + i * dy.shape.count();
      float* to = elements<float>(dx) + i * dx.shape.count();
      if (unit) kernels::depthwise_forward(shape, from, channels_.data(), nullptr, to);
      else kernels::depthwise_gather(shape, from, channels_.data(), to);
    }
  });
}

void CpuBackend::depthwise_backward_weights(const nets::ConvAttributes& conv, const TensorView& x,
                                            const TensorView& dy, const TensorView& dweight) {
  const std::int64_t channels = x.shape.c, size = kTaps * channels;
  channels_.assign(static_cast<std::size_t>((kChunks + 1) * size), 0.0F);
  float *partial = channels_.data(), *total = partial + kChunks * size;
  const kernels::DepthwiseShape shape = shape_of(conv, x.shape, dy.shape);
  const int pieces = for_chunks(x.n, [&](int piece, std::int64_t first, std::int64_t count, int) {
    for (std::int64_t i = first; i < first + count; ++i)
      kernels::depthwise_weights(shape, elements<float>(x) + i * x.shape.count(),
                                 elements<float>(dy) + i * dy.shape.count(), partial + piece * size);
  });
  add_pieces(pieces, size, partial, total);
  for (std::int64_t c = 0; c < channels; ++c)
    for (int i = 0; i < kTaps; ++i) elements<float>(dweight)[c * kTaps + i] = total[i * channels + c];
}

}  // namespace guardbit::trainer
