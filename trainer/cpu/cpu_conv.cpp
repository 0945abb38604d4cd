// Convolution of the CPU back end. Three ways, by shape: a 1x1 convolution is a matrix product over all pixels
// (cpu_product.cpp), a depthwise 3x3 one is an own loop (cpu_depthwise.cpp), everything else is oneDNN, piece by piece.
#include <algorithm>

#include "trainer/cpu/cpu_backend.hpp"
#include "trainer/cpu/kernels.hpp"

namespace guardbit::trainer {

void CpuBackend::conv_forward(const nets::ConvAttributes& conv, const TensorView& x, const TensorView& weight,
                              const TensorView& bias, const TensorView& y) {
  if (is_product(conv)) return product_forward(x, weight, bias, y);
  if (is_depthwise(conv, x.shape)) return depthwise_forward(conv, x, weight, bias, y);
  float *in = elements<float>(x), *out = elements<float>(y), *b = elements<float>(bias);
  const std::int64_t in_size = x.shape.count(), out_size = y.shape.count();
  const std::int64_t size = (x.n + kChunks - 1) / kChunks;
  ConvPlan* plans[2] = {};  // whole pieces, and the last one when it is smaller
  for (int last = 0; last < (x.n % size != 0 ? 2 : 1); ++last) {
    const std::int64_t images = last != 0 ? x.n % size : size;
    plans[last] = &plans_.get({ConvPass::Forward, conv, x.shape, y.shape, images, static_cast<bool>(bias)}, kChunks);
    plans[last]->set_weights(elements<float>(weight));
  }
  for_chunks(x.n, [&](int, std::int64_t first, std::int64_t count, int worker) {
    plans[count == size ? 0 : 1]->forward(worker, in + first * in_size, b, out + first * out_size);
  });
}

void CpuBackend::conv_backward_data(const nets::ConvAttributes& conv, const TensorView& dy, const TensorView& weight,
                                    const TensorView& dx) {
  if (is_product(conv)) return product_backward_data(dy, weight, dx);
  if (is_depthwise(conv, dx.shape)) return depthwise_backward_data(conv, dy, weight, dx);
  float *gradient = elements<float>(dy), *out = elements<float>(dx);
  const std::int64_t in_size = dx.shape.count(), out_size = dy.shape.count();
  const std::int64_t size = (dy.n + kChunks - 1) / kChunks;
  ConvPlan* plans[2] = {};
  for (int last = 0; last < (dy.n % size != 0 ? 2 : 1); ++last) {
    const std::int64_t images = last != 0 ? dy.n % size : size;
    plans[last] = &plans_.get({ConvPass::BackwardData, conv, dx.shape, dy.shape, images, false}, kChunks);
    plans[last]->set_weights(elements<float>(weight));
  }
  for_chunks(dy.n, [&](int, std::int64_t first, std::int64_t count, int worker) {
    plans[count == size ? 0 : 1]->backward_data(worker, gradient + first * out_size, out + first * in_size);
  });
}

void CpuBackend::conv_backward_weights(const nets::ConvAttributes& conv, const TensorView& x, const TensorView& dy,
                                       const TensorView& dweight, const TensorView& dbias) {
  if (dbias && (is_product(conv) || is_depthwise(conv, x.shape))) bias_gradient(dy, dbias);
  if (is_product(conv)) return product_backward_weights(x, dy, dweight);
  if (is_depthwise(conv, x.shape)) return depthwise_backward_weights(conv, x, dy, dweight);
  const std::int64_t size = (x.n + kChunks - 1) / kChunks;
  const bool bias = static_cast<bool>(dbias);
  ConvPlan& whole = plans_.get({ConvPass::BackwardWeights, conv, x.shape, dy.shape, size, bias}, kChunks);
  ConvPlan* rest = nullptr;
  if (x.n % size != 0)
    rest = &plans_.get({ConvPass::BackwardWeights, conv, x.shape, dy.shape, x.n % size, bias}, 1);
  const int pieces = for_chunks(x.n, [&](int piece, std::int64_t first, std::int64_t count, int worker) {
    float *in = elements<float>(x) + first * x.shape.count(), *gradient = elements<float>(dy) + first *
                dy.shape.count();
    if (count == size) whole.backward_weights(worker, piece, in, gradient);
    else rest->backward_weights(worker, 0, in, gradient);
  });
  const int full = rest != nullptr ? pieces - 1 : pieces;
  for_elements(whole.gradient_count(), [&](std::int64_t first, std::int64_t count) {
    for (int piece = 1; piece < full; ++piece)
      kernels::accumulate(count, whole.gradient(piece) + first, whole.gradient(0) + first);
  });
  whole.get_gradient(elements<float>(dweight));
  if (bias) {
    std::copy_n(whole.bias_gradient(0), conv.channels, elements<float>(dbias));
    for (int piece = 1; piece < full; ++piece)
      kernels::accumulate(conv.channels, whole.bias_gradient(piece), elements<float>(dbias));
  }
  if (rest == nullptr) return;  // otherwise the smaller last piece may have another layout: added in KRSC
  channels_.resize(static_cast<std::size_t>(dweight.count()));
  float* last = channels_.data();
  rest->get_gradient(last);
  kernels::accumulate(dweight.count(), last, elements<float>(dweight));
  if (bias) kernels::accumulate(conv.channels, rest->bias_gradient(0), elements<float>(dbias));
}

}  // namespace guardbit::trainer
