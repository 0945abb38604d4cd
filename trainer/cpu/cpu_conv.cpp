// Convolution of the CPU back end: oneDNN per piece of the batch; layers that are matrix products by sgemm.
#include <algorithm>

#include "trainer/cpu/cpu_backend.hpp"
#include "trainer/cpu/kernels.hpp"

namespace guardbit::trainer {

namespace {

bool is_dense(const nets::ConvAttributes& conv, const TensorView& x) {
  const nets::Window& w = conv.window;
  return conv.groups == 1 && x.shape.h == 1 && x.shape.w == 1 && w.kernel_h == 1 && w.kernel_w == 1 &&
         w.padding == nets::Padding{};
}

// C [m, n] = A B + beta C, row by row; A or B transposed in memory when asked.
void multiply(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const float* a,
              std::int64_t lda, const float* b, std::int64_t ldb, float beta, float* c, std::int64_t ldc) {
  check(dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, 1.0F, a, lda, b, ldb, beta, c, ldc) ==
            dnnl_success, "sgemm failed");
}

}  // namespace

void CpuBackend::conv_forward(const nets::ConvAttributes& conv, const TensorView& x, const TensorView& weight,
                              const TensorView& bias, const TensorView& y) {
  float *in = elements<float>(x), *out = elements<float>(y), *b = elements<float>(bias);
  const std::int64_t in_size = x.shape.count(), out_size = y.shape.count();
  if (is_dense(conv, x)) {
    for_chunks(x.n, [&](int, std::int64_t first, std::int64_t count, int) {
      float* rows = out + first * out_size;
      if (bias)
        for (std::int64_t i = 0; i < count; ++i) std::copy_n(b, out_size, rows + i * out_size);
      multiply(false, true, count, out_size, in_size, in + first * in_size, in_size, elements<float>(weight), in_size,
               bias ? 1.0F : 0.0F, rows, out_size);
    });
    return;
  }
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
  float *gradient = elements<float>(dy), *out = elements<float>(dx);
  const std::int64_t in_size = dx.shape.count(), out_size = dy.shape.count();
  if (is_dense(conv, dx)) {
    for_chunks(dy.n, [&](int, std::int64_t first, std::int64_t count, int) {
      multiply(false, false, count, in_size, out_size, gradient + first * out_size, out_size, elements<float>(weight),
               in_size, 0.0F, out + first * in_size, in_size);
    });
    return;
  }
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

// Pieces are blocks of output channels here, each over the whole batch: there is nothing to add up afterwards.
void CpuBackend::dense_backward_weights(const TensorView& x, const TensorView& dy, const TensorView& dweight,
                                        const TensorView& dbias) {
  const std::int64_t in_size = x.shape.c, out_size = dy.shape.c;
  for_chunks(out_size, [&](int, std::int64_t first, std::int64_t count, int) {
    multiply(true, false, count, in_size, x.n, elements<float>(dy) + first, out_size, elements<float>(x), in_size,
             0.0F, elements<float>(dweight) + first * in_size, in_size);
  });
  if (!dbias) return;
  std::fill_n(elements<float>(dbias), out_size, 0.0F);
  for (std::int64_t i = 0; i < dy.n; ++i)
    kernels::accumulate(out_size, elements<float>(dy) + i * out_size, elements<float>(dbias));
}

void CpuBackend::conv_backward_weights(const nets::ConvAttributes& conv, const TensorView& x, const TensorView& dy,
                                       const TensorView& dweight, const TensorView& dbias) {
  if (is_dense(conv, x)) return dense_backward_weights(x, dy, dweight, dbias);
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
