// Batch normalization of the CPU back end.
//
// Narrow channels are widened: pixels are taken in groups so that a row of the loops has about kWidth numbers. Sums are
// kept per piece of the batch in double and added in the order of the pieces.
#include <algorithm>
#include <cmath>
#include <limits>

#include "trainer/cpu/cpu_backend.hpp"
#include "trainer/cpu/kernels.hpp"

namespace guardbit::trainer {

namespace {

constexpr std::int64_t kWidth = 64;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Range {
  float low = -kInfinity, high = kInfinity;
};
Range forward_range(Activation activation) {
  switch (activation) {
    case Activation::None: return {};
    case Activation::Relu: return {0, kInfinity};
    case Activation::Relu6: return {0, 6};
  }
  return {};
}

// How many pixels make one row: a divisor of the pixels of one image, so that every piece holds whole rows.
std::int64_t group_of(const nets::Shape& shape) {
  const std::int64_t pixels = std::int64_t{shape.h} * shape.w;
  std::int64_t group = std::max<std::int64_t>(1, kWidth / shape.c);
  while (pixels % group != 0) --group;
  return group;
}

// Repeats [C] `group` times at `to`, which may be where it already stands.
void widen(std::int64_t group, std::int64_t channels, const float* from, float* to) {
  for (std::int64_t i = from == to ? 1 : 0; i < group; ++i) std::copy_n(from, channels, to + i * channels);
}

// y = x * factor + offset from the statistics of the batch, as the forward pass keeps them: the backward pass comes to
// the same numbers and so to the same side of the activation.
void find_factors(const BatchNormTensors& t, std::int64_t group, std::int64_t channels, float* factor, float* offset) {
  for (std::int64_t c = 0; c < channels; ++c) {
    const double scale = static_cast<double>(elements<float>(t.gamma)[c]) *
                         static_cast<double>(elements<float>(t.batch_inverse)[c]);
    factor[c] = static_cast<float>(scale);
    offset[c] = static_cast<float>(static_cast<double>(elements<float>(t.beta)[c]) -
                                   scale * static_cast<double>(elements<float>(t.batch_mean)[c]));
  }
  widen(group, channels, factor, factor);
  widen(group, channels, offset, offset);
}

// Adds pieces and groups in order: partial [pieces][2][group][C] -> totals for one channel.
struct Totals {
  double first = 0, second = 0;
};
Totals total(const std::vector<double>& partial, int pieces, std::int64_t width, std::int64_t channels,
             std::int64_t c) {
  Totals t;
  for (std::int64_t piece = 0; piece < pieces; ++piece) {
    for (std::int64_t i = c; i < width; i += channels) {
      t.first += partial[static_cast<std::size_t>(2 * piece * width + i)];
      t.second += partial[static_cast<std::size_t>((2 * piece + 1) * width + i)];
    }
  }
  return t;
}

}  // namespace

void CpuBackend::batch_norm_train(const nets::BatchNormAttributes& norm, Activation activation, const TensorView& x,
                                  const BatchNormTensors& t, const TensorView& y) {
  const std::int64_t channels = x.shape.c, group = group_of(x.shape), width = group * channels;
  const std::int64_t rows = x.shape.count() / width;
  partial_.assign(static_cast<std::size_t>(2 * kChunks * width), 0.0);
  channels_.resize(static_cast<std::size_t>(3 * width));
  float *shift = channels_.data(), *factor = shift + width, *offset = factor + width;
  widen(group, channels, elements<float>(t.mean), shift);  // sums around the running mean lose fewer bits
  const int pieces = for_chunks(x.n, [&](int piece, std::int64_t first, std::int64_t count, int) {
    double* sums = partial_.data() + 2 * piece * width;
    kernels::norm_sums(count * rows, width, elements<float>(x) + first * x.shape.count(), shift, sums, sums + width);
  });
  const auto pixels = static_cast<double>(x.count() / channels);
  for (std::int64_t c = 0; c < channels; ++c) {
    const Totals sums = total(partial_, pieces, width, channels, c);
    const double relative = sums.first / pixels, mean = static_cast<double>(shift[c]) + relative;
    const double variance = std::max(0.0, sums.second / pixels - relative * relative);
    const double unbiased = pixels > 1 ? variance * pixels / (pixels - 1) : variance;
    elements<float>(t.batch_mean)[c] = static_cast<float>(mean);
    elements<float>(t.batch_inverse)[c] = static_cast<float>(1 / std::sqrt(variance + norm.epsilon));
    const auto blend = [&](float& running, double now) {
      running = static_cast<float>(norm.momentum * static_cast<double>(running) + (1 - norm.momentum) * now);
    };
    blend(elements<float>(t.mean)[c], mean);
    blend(elements<float>(t.variance)[c], unbiased);
  }
  find_factors(t, group, channels, factor, offset);
  const Range range = forward_range(activation);
  for_chunks(x.n, [&](int, std::int64_t first, std::int64_t count, int) {
    const std::int64_t at = first * x.shape.count();
    kernels::norm_apply(count * rows, width, elements<float>(x) + at, factor, offset, range.low, range.high,
                        elements<float>(y) + at);
  });
}

void CpuBackend::batch_norm_infer(const nets::BatchNormAttributes& norm, Activation activation, const TensorView& x,
                                  const BatchNormTensors& t, const TensorView& y) {
  const std::int64_t channels = x.shape.c, group = group_of(x.shape), width = group * channels;
  const std::int64_t rows = x.shape.count() / width;
  channels_.resize(static_cast<std::size_t>(2 * width));
  float *factor = channels_.data(), *offset = factor + width;
  for (std::int64_t c = 0; c < channels; ++c) {
    const double variance = static_cast<double>(elements<float>(t.variance)[c]);
    const double scale = static_cast<double>(elements<float>(t.gamma)[c]) / std::sqrt(variance + norm.epsilon);
    factor[c] = static_cast<float>(scale);
    offset[c] = static_cast<float>(static_cast<double>(elements<float>(t.beta)[c]) -
                                   scale * static_cast<double>(elements<float>(t.mean)[c]));
  }
  widen(group, channels, factor, factor);
  widen(group, channels, offset, offset);
  const Range range = forward_range(activation);
  for_chunks(x.n, [&](int, std::int64_t first, std::int64_t count, int) {
    const std::int64_t at = first * x.shape.count();
    kernels::norm_apply(count * rows, width, elements<float>(x) + at, factor, offset, range.low, range.high,
                        elements<float>(y) + at);
  });
}

// dx = gamma inverse (g - mean(g) - normal mean(g normal)) written as a g + b x + c per channel.
void CpuBackend::batch_norm_backward(Activation activation, const TensorView& x, const TensorView&,
                                     const TensorView& dy, const BatchNormTensors& t, const TensorView& dx,
                                     const TensorView& dgamma, const TensorView& dbeta) {
  const std::int64_t channels = x.shape.c, group = group_of(x.shape), width = group * channels;
  const std::int64_t rows = x.shape.count() / width;
  partial_.assign(static_cast<std::size_t>(2 * kChunks * width), 0.0);
  channels_.resize(static_cast<std::size_t>(7 * width));
  float *mean = channels_.data(), *inverse = mean + width, *a = inverse + width, *b = a + width, *c = b + width;
  float *factor = c + width, *offset = factor + width;
  widen(group, channels, elements<float>(t.batch_mean), mean);
  widen(group, channels, elements<float>(t.batch_inverse), inverse);
  find_factors(t, group, channels, factor, offset);
  const Range limits = forward_range(activation);
  const kernels::NormRange range{factor, offset, limits.low, limits.high};
  const int pieces = for_chunks(x.n, [&](int piece, std::int64_t first, std::int64_t count, int) {
    const std::int64_t at = first * x.shape.count();
    double* sums = partial_.data() + 2 * piece * width;
    kernels::norm_backward_sums(count * rows, width, elements<float>(x) + at, elements<float>(dy) + at, mean, inverse,
                                range, sums, sums + width);
  });
  const auto pixels = static_cast<double>(x.count() / channels);
  for (std::int64_t i = 0; i < channels; ++i) {
    const Totals sums = total(partial_, pieces, width, channels, i);
    const double centre = static_cast<double>(mean[i]), one = static_cast<double>(inverse[i]);
    const double scale = static_cast<double>(elements<float>(t.gamma)[i]) * one;
    const double slope = -scale * one * sums.second / pixels;
    a[i] = static_cast<float>(scale);
    b[i] = static_cast<float>(slope);
    c[i] = static_cast<float>(-scale * sums.first / pixels - slope * centre);
    elements<float>(dgamma)[i] = static_cast<float>(sums.second);
    elements<float>(dbeta)[i] = static_cast<float>(sums.first);
  }
  for (float* factors : {a, b, c}) widen(group, channels, factors, factors);
  for_chunks(x.n, [&](int, std::int64_t first, std::int64_t count, int) {
    const std::int64_t at = first * x.shape.count();
    kernels::norm_backward_apply(count * rows, width, elements<float>(x) + at, elements<float>(dy) + at, a, b, c,
                                 range, elements<float>(dx) + at);
  });
}

}  // namespace guardbit::trainer
