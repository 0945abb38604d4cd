// Convolution and pooling of the reference back end.
#include <limits>

#include "trainer/reference/reference_backend.hpp"

namespace guardbit::trainer {

namespace {

// Calls visit(input index without channel, r, s) for each valid tap of output position (n, p, q).
template <class Visit>
void for_each_tap(const nets::Window& w, const TensorView& x, std::int64_t n, int p, int q, Visit visit) {
  for (int r = 0; r < w.kernel_h; ++r) {
    for (int s = 0; s < w.kernel_w; ++s) {
      const int iy = p * w.stride_h - w.padding.top + r * w.dilation_h;
      const int ix = q * w.stride_w - w.padding.left + s * w.dilation_w;
      if (iy < 0 || ix < 0 || iy >= x.shape.h || ix >= x.shape.w) continue;
      visit(((n * x.shape.h + iy) * x.shape.w + ix) * x.shape.c, r, s);
    }
  }
}

// Calls visit(x index, weight index, y index) for each multiply-accumulate of a convolution.
template <class Visit>
void for_each_product(const nets::ConvAttributes& conv, const TensorView& x, const TensorView& y, Visit visit) {
  const int group_in = x.shape.c / conv.groups, group_out = conv.channels / conv.groups;
  const nets::Window& w = conv.window;
  std::int64_t output = 0;
  for (std::int64_t n = 0; n < y.n; ++n)
    for (int p = 0; p < y.shape.h; ++p)
      for (int q = 0; q < y.shape.w; ++q, output += conv.channels)
        for_each_tap(w, x, n, p, q, [&](std::int64_t input, int r, int s) {
          for (int k = 0; k < conv.channels; ++k)
            for (int c = 0; c < group_in; ++c)
              visit(input + k / group_out * group_in + c, ((std::int64_t{k} * w.kernel_h + r) * w.kernel_w + s) *
                    group_in + c, output + k);
        });
}

}  // namespace

void ReferenceBackend::conv_forward(const nets::ConvAttributes& conv, const TensorView& x, const TensorView& weight,
                                    const TensorView& bias, const TensorView& y) {
  const double *in = elements<double>(x), *wt = elements<double>(weight), *b = elements<double>(bias);
  double* out = elements<double>(y);
  for (std::int64_t i = 0; i < y.count(); ++i) out[i] = bias ? b[i % conv.channels] : 0;
  for_each_product(conv, x, y, [&](std::int64_t i, std::int64_t j, std::int64_t o) { out[o] += in[i] * wt[j]; });
}

void ReferenceBackend::conv_backward_data(const nets::ConvAttributes& conv, const TensorView& dy,
                                          const TensorView& weight, const TensorView& dx) {
  const double *gradient = elements<double>(dy), *wt = elements<double>(weight);
  double* out = elements<double>(dx);
  fill(dx, 0);
  for_each_product(conv, dx, dy,
                   [&](std::int64_t i, std::int64_t j, std::int64_t o) { out[i] += gradient[o] * wt[j]; });
}

void ReferenceBackend::conv_backward_weights(const nets::ConvAttributes& conv, const TensorView& x,
                                             const TensorView& dy, const TensorView& dweight,
                                             const TensorView& dbias) {
  const double *in = elements<double>(x), *gradient = elements<double>(dy);
  double *dw = elements<double>(dweight), *db = elements<double>(dbias);
  fill(dweight, 0);
  for_each_product(conv, x, dy,
                   [&](std::int64_t i, std::int64_t j, std::int64_t o) { dw[j] += gradient[o] * in[i]; });
  if (!dbias) return;
  fill(dbias, 0);
  for (std::int64_t i = 0; i < dy.count(); ++i) db[i % conv.channels] += gradient[i];
}

void ReferenceBackend::max_pool_forward(const nets::Window& w, const TensorView& x, const TensorView& y,
                                        const TensorView& index) {
  const double* in = elements<double>(x);
  double* out = elements<double>(y);
  auto* place = elements<std::int32_t>(index);
  std::int64_t o = 0;
  for (std::int64_t n = 0; n < y.n; ++n)
    for (int p = 0; p < y.shape.h; ++p)
      for (int q = 0; q < y.shape.w; ++q)
        for (int c = 0; c < y.shape.c; ++c, ++o) {
          bool first = true;
          for_each_tap(w, x, n, p, q, [&](std::int64_t input, int r, int s) {
            if (!first && !(in[input + c] > out[o])) return;
            out[o] = in[input + c];
            place[o] = w.kernel_w * r + s;
            first = false;
          });
          check(!first, "max_pool: a window without pixels");
        }
}

void ReferenceBackend::max_pool_backward(const nets::Window& w, const TensorView& dy, const TensorView& index,
                                         const TensorView& dx) {
  const double* gradient = elements<double>(dy);
  const auto* place = elements<const std::int32_t>(index);
  double* out = elements<double>(dx);
  fill(dx, 0);
  std::int64_t o = 0;
  for (std::int64_t n = 0; n < dy.n; ++n)
    for (int p = 0; p < dy.shape.h; ++p)
      for (int q = 0; q < dy.shape.w; ++q)
        for (int c = 0; c < dy.shape.c; ++c, ++o)
          for_each_tap(w, dx, n, p, q, [&](std::int64_t input, int r, int s) {
            if (w.kernel_w * r + s == place[o]) out[input + c] += gradient[o];
          });
}

void ReferenceBackend::average_pool_forward(const nets::Window& w, const TensorView& x, const TensorView& y) {
  const double* in = elements<double>(x);
  double* out = elements<double>(y);
  std::int64_t o = 0;
  for (std::int64_t n = 0; n < y.n; ++n)
    for (int p = 0; p < y.shape.h; ++p)
      for (int q = 0; q < y.shape.w; ++q)
        for (int c = 0; c < y.shape.c; ++c, ++o) {
          double sum = 0;
          int taps = 0;
          for_each_tap(w, x, n, p, q, [&](std::int64_t input, int, int) { sum += in[input + c], ++taps; });
          out[o] = sum / taps;
        }
}

void ReferenceBackend::average_pool_backward(const nets::Window& w, const TensorView& dy, const TensorView& dx) {
  const double* gradient = elements<double>(dy);
  double* out = elements<double>(dx);
  fill(dx, 0);
  std::int64_t o = 0;
  for (std::int64_t n = 0; n < dy.n; ++n)
    for (int p = 0; p < dy.shape.h; ++p)
      for (int q = 0; q < dy.shape.w; ++q)
        for (int c = 0; c < dy.shape.c; ++c, ++o) {
          int taps = 0;
          for_each_tap(w, dx, n, p, q, [&](std::int64_t, int, int) { ++taps; });
          for_each_tap(w, dx, n, p, q, [&](std::int64_t input, int, int) { out[input + c] += gradient[o] / taps; });
        }
}

}  // namespace guardbit::trainer
