// 1x1 convolutions and fully connected layers as matrix products, by oneDNN's sgemm: for these shapes about twice as
// fast as its convolutions.
#include <algorithm>

#include "trainer/cpu/cpu_backend.hpp"
#include "trainer/cpu/kernels.hpp"

namespace guardbit::trainer {

namespace {

// C [m, n] = A B + beta C, row by row; A or B transposed in memory when asked.
void multiply(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const float* a,
              std::int64_t lda, const float* b, std::int64_t ldb, float beta, float* c, std::int64_t ldc) {
  check(dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, 1.0F, a, lda, b, ldb, beta, c, ldc) ==
            dnnl_success, "sgemm failed");
}

// Pieces of a product of few rows: every piece packs the whole matrix again, so they are not made small.
constexpr std::int64_t kFewestRows = 64;

std::int64_t rows_of(const TensorView& view) { return view.n * view.shape.h * view.shape.w; }

}  // namespace

bool CpuBackend::is_product(const nets::ConvAttributes& conv) {
  return conv.groups == 1 && conv.window == nets::Window{};
}

void CpuBackend::product_forward(const TensorView& x, const TensorView& weight, const TensorView& bias,
                                 const TensorView& y) {
  const std::int64_t in = x.shape.c, out = y.shape.c;
  const auto piece = [&](int, std::int64_t first, std::int64_t count, int) {
    float* to = elements<float>(y) + first * out;
    if (bias)
      for (std::int64_t i = 0; i < count; ++i) std::copy_n(elements<float>(bias), out, to + i * out);
    multiply(false, true, count, out, in, elements<float>(x) + first * in, in, elements<float>(weight), in,
             bias ? 1.0F : 0.0F, to, out);
  };
  for_chunks(rows_of(x), piece, kFewestRows);
}

void CpuBackend::product_backward_data(const TensorView& dy, const TensorView& weight, const TensorView& dx) {
  const std::int64_t in = dx.shape.c, out = dy.shape.c;
  const auto piece = [&](int, std::int64_t first, std::int64_t count, int) {
    multiply(false, false, count, in, out, elements<float>(dy) + first * out, out, elements<float>(weight), in, 0.0F,
             elements<float>(dx) + first * in, in);
  };
  for_chunks(rows_of(dy), piece, kFewestRows);
}

// Over many pixels, pieces of the batch that are added afterwards; over few, blocks of output channels, each over the
// whole batch, with nothing to add.
void CpuBackend::product_backward_weights(const TensorView& x, const TensorView& dy, const TensorView& dweight) {
  const std::int64_t in = x.shape.c, out = dy.shape.c, rows = rows_of(x);
  if (rows < 8 * out) {
    for_chunks(out, [&](int, std::int64_t first, std::int64_t count, int) {
      multiply(true, false, count, in, rows, elements<float>(dy) + first, out, elements<float>(x), in, 0.0F,
               elements<float>(dweight) + first * in, in);
    });
    return;
  }
  channels_.resize(static_cast<std::size_t>(kChunks * dweight.count()));
  float* partial = channels_.data();
  const auto part = [&](int piece, std::int64_t first, std::int64_t count, int) {
    multiply(true, false, out, in, count, elements<float>(dy) + first * out, out, elements<float>(x) + first * in, in,
             0.0F, partial + piece * dweight.count(), in);
  };
  const int pieces = for_chunks(rows, part, kFewestRows);
  add_pieces(pieces, dweight.count(), partial, elements<float>(dweight));
}

void CpuBackend::add_pieces(int pieces, std::int64_t count, const float* from, float* total) {
  for_elements(count, [&](std::int64_t first, std::int64_t n) {
    std::copy_n(from + first, n, total + first);
    for (int piece = 1; piece < pieces; ++piece) kernels::accumulate(n, from + piece * count + first, total + first);
  });
}

void CpuBackend::bias_gradient(const TensorView& dy, const TensorView& dbias) {
  const std::int64_t channels = dy.shape.c, rows = dy.shape.count() / channels;
  channels_.assign(static_cast<std::size_t>(kChunks * channels), 0.0F);
  const int pieces = for_chunks(dy.n, [&](int piece, std::int64_t first, std::int64_t count, int) {
    kernels::column_sums(count * rows, channels, elements<float>(dy) + first * dy.shape.count(),
                         channels_.data() + piece * channels);
  });
  add_pieces(pieces, channels, channels_.data(), elements<float>(dbias));
}

}  // namespace guardbit::trainer
