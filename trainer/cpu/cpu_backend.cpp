// Everything of the CPU back end but convolution and batch normalization.
#include "trainer/cpu/cpu_backend.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "trainer/cpu/kernels.hpp"
#include "trainer/sample_loader.hpp"

namespace guardbit::trainer {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
float cap(Activation activation) { return activation == Activation::Relu6 ? 6.0F : kInfinity; }

}  // namespace

CpuBackend::CpuBackend(int threads) : pool_(std::max(1, threads)), plans_(pool_.threads()) {}

std::size_t CpuBackend::element_bytes(Element element) const {
  switch (element) {
    case Element::Byte: return 1;
    case Element::Real:
    case Element::Int32: return 4;
    case Element::Float64: return 8;
  }
  check(false, "unknown element");
  return 0;
}

void CpuBackend::fill(const TensorView& y, double value) {
  if (y.element == Element::Float64) std::fill_n(elements<double>(y), y.count(), value);
  else std::fill_n(elements<float>(y), y.count(), static_cast<float>(value));
}

void CpuBackend::load_batch(const TensorView& images, const TensorView& labels,
                            std::span<const SampleTransform> transforms, const nets::Preprocess& preprocess,
                            const TensorView& x, const TensorView& y) {
  const SampleLoader<float> loader(preprocess, images.shape.c);
  for_chunks(static_cast<std::int64_t>(transforms.size()), [&](int, std::int64_t first, std::int64_t count, int) {
    for (std::int64_t i = first; i < first + count; ++i) {
      const SampleTransform& transform = transforms[static_cast<std::size_t>(i)];
      loader.load(images, transform, elements<float>(x) + i * images.shape.count());
      elements<std::int32_t>(y)[i] = elements<std::int32_t>(labels)[transform.sample];
    }
  });
}

void CpuBackend::activation_forward(Activation activation, const TensorView& x, const TensorView& y) {
  if (activation == Activation::None) return copy(x, y);
  for_elements(y.count(), [&](std::int64_t first, std::int64_t count) {
    kernels::clamp(count, 0, cap(activation), elements<float>(x) + first, elements<float>(y) + first);
  });
}
void CpuBackend::activation_backward(Activation activation, const TensorView& y, const TensorView& dy,
                                     const TensorView& dx) {
  if (activation == Activation::None) return copy(dy, dx);
  for_elements(y.count(), [&](std::int64_t first, std::int64_t count) {
    kernels::clamp_backward(count, 0, cap(activation), elements<float>(y) + first, elements<float>(dy) + first,
                            elements<float>(dx) + first);
  });
}

void CpuBackend::max_pool_forward(const nets::Window& window, const TensorView& x, const TensorView& y,
                                  const TensorView& index) {
  for_chunks(y.n, [&](int, std::int64_t first, std::int64_t count, int) {
    for (std::int64_t i = first; i < first + count; ++i)
      kernels::max_pool(window, x.shape, y.shape, elements<float>(x) + i * x.shape.count(),
                        elements<float>(y) + i * y.shape.count(),
                        elements<std::int32_t>(index) + i * y.shape.count());
  });
}
void CpuBackend::max_pool_backward(const nets::Window& window, const TensorView& dy, const TensorView& index,
                                   const TensorView& dx) {
  for_chunks(dy.n, [&](int, std::int64_t first, std::int64_t count, int) {
    for (std::int64_t i = first; i < first + count; ++i)
      kernels::max_pool_backward(window, dx.shape, dy.shape, elements<float>(dy) + i * dy.shape.count(),
                                 elements<std::int32_t>(index) + i * dy.shape.count(),
                                 elements<float>(dx) + i * dx.shape.count());
  });
}
void CpuBackend::average_pool_forward(const nets::Window& window, const TensorView& x, const TensorView& y) {
  for_chunks(y.n, [&](int, std::int64_t first, std::int64_t count, int) {
    for (std::int64_t i = first; i < first + count; ++i)
      kernels::average_pool(window, x.shape, y.shape, elements<float>(x) + i * x.shape.count(),
                            elements<float>(y) + i * y.shape.count());
  });
}
void CpuBackend::average_pool_backward(const nets::Window& window, const TensorView& dy, const TensorView& dx) {
  for_chunks(dy.n, [&](int, std::int64_t first, std::int64_t count, int) {
    for (std::int64_t i = first; i < first + count; ++i)
      kernels::average_pool_backward(window, dx.shape, dy.shape, elements<float>(dy) + i * dy.shape.count(),
                                     elements<float>(dx) + i * dx.shape.count());
  });
}

void CpuBackend::add(const TensorView& a, const TensorView& b, const TensorView& y) {
  for_elements(y.count(), [&](std::int64_t first, std::int64_t count) {
    kernels::add(count, elements<float>(a) + first, elements<float>(b) + first, elements<float>(y) + first);
  });
}
void CpuBackend::accumulate(const TensorView& x, const TensorView& y) {
  for_elements(y.count(), [&](std::int64_t first, std::int64_t count) {
    kernels::accumulate(count, elements<float>(x) + first, elements<float>(y) + first);
  });
}
void CpuBackend::copy(const TensorView& x, const TensorView& y) {
  for_elements(y.count(), [&](std::int64_t first, std::int64_t count) {
    std::copy_n(elements<float>(x) + first, count, elements<float>(y) + first);
  });
}

void CpuBackend::copy_region(const Region& r, const TensorView& x, const TensorView& y) {
  const auto at = [](const TensorView& v, std::int64_t n, int h, int w, int c) {
    return elements<float>(v) + ((n * v.shape.h + h) * v.shape.w + w) * v.shape.c + c;
  };
  for_chunks(x.n, [&](int, std::int64_t first, std::int64_t count, int) {
    for (std::int64_t n = first; n < first + count; ++n)
      for (int h = 0; h < r.height; ++h)
        for (int w = 0; w < r.width; ++w)
          std::copy_n(at(x, n, h + r.from_y, w + r.from_x, r.from_c), r.channels,
                      at(y, n, h + r.to_y, w + r.to_x, r.to_c));
  });
}

void CpuBackend::dropout(double rate, std::uint32_t stream, const TensorView& x, const TensorView& y) {
  const DropoutKey key{.seed = step_.seed, .step = step_.step, .stream = stream, .rate = rate};
  const auto factor = static_cast<float>(1 / (1 - rate));
  const std::int64_t n = x.count(), blocks = (n + 3) / 4;
  for_elements(blocks, [&](std::int64_t first, std::int64_t count) {
    for (std::int64_t block = first; block < first + count; ++block) {
      const unsigned kept = key.kept(static_cast<std::uint64_t>(block));
      for (std::int64_t i = 4 * block; i < std::min(n, 4 * block + 4); ++i)
        elements<float>(y)[i] = (kept >> (i % 4) & 1U) != 0 ? elements<float>(x)[i] * factor : 0.0F;
    }
  });
}

void CpuBackend::softmax(const TensorView& x, const TensorView& y) {
  const int classes = x.shape.c;
  for (std::int64_t row = 0; row < x.count() / classes; ++row) {
    const float* in = elements<float>(x) + row * classes;
    float* out = elements<float>(y) + row * classes;
    const float top = *std::max_element(in, in + classes);
    double sum = 0;
    for (int c = 0; c < classes; ++c) sum += std::exp(static_cast<double>(in[c] - top));
    for (int c = 0; c < classes; ++c)
      out[c] = static_cast<float>(std::exp(static_cast<double>(in[c] - top)) / sum);
  }
}

void CpuBackend::cross_entropy(double smoothing, const TensorView& logits, const TensorView& labels,
                               const TensorView& metrics, const TensorView& dlogits) {
  const int classes = logits.shape.c;
  double totals[kChunks][3] = {};
  const int pieces = for_chunks(logits.n, [&](int piece, std::int64_t first, std::int64_t count, int) {
    std::vector<double> exponential(static_cast<std::size_t>(classes));
    for (std::int64_t row = first; row < first + count; ++row) {
      const float* in = elements<float>(logits) + row * classes;
      const int label = elements<std::int32_t>(labels)[row];
      const double top = static_cast<double>(*std::max_element(in, in + classes));
      double sum = 0, linear = 0;
      int better = 0;
      for (int c = 0; c < classes; ++c) {
        const double value = static_cast<double>(in[c]) - top;
        sum += exponential[static_cast<std::size_t>(c)] = std::exp(value);
        linear += ((c == label ? 1 - smoothing : 0) + smoothing / classes) * value;
        better += in[c] < in[label] || (in[c] == in[label] && c >= label) ? 0 : 1;
      }
      totals[piece][0] += std::log(sum) - linear;
      totals[piece][1] += better < 1 ? 1 : 0;
      totals[piece][2] += better < 5 && in[label] == in[label] ? 1 : 0;
      if (!dlogits) continue;
      for (int c = 0; c < classes; ++c) {
        const double target = (c == label ? 1 - smoothing : 0) + smoothing / classes;
        elements<float>(dlogits)[row * classes + c] = static_cast<float>(
            (exponential[static_cast<std::size_t>(c)] / sum - target) / static_cast<double>(logits.n));
      }
    }
  });
  double* total = elements<double>(metrics);
  for (int piece = 0; piece < pieces; ++piece)
    for (int i = 0; i < 3; ++i) total[i] += totals[piece][i];
  total[3] += static_cast<double>(logits.n);
}

void CpuBackend::update(const OptimizerSpec& spec, double weight_decay, double lr_scale, const TensorView& parameter,
                        const TensorView& gradient, const TensorView& state0, const TensorView& state1) {
  float *w = elements<float>(parameter), *m = elements<float>(state0), *v = elements<float>(state1);
  const float* g = elements<float>(gradient);
  const double rate = step_.learning_rate * lr_scale, t = static_cast<double>(step_.step + 1);
  const auto decay = static_cast<float>(weight_decay);
  const kernels::SgdFactors sgd{static_cast<float>(rate), decay, static_cast<float>(spec.momentum), spec.nesterov};
  const kernels::AdamFactors adam{
      .rate = static_cast<float>(rate),
      .beta1 = static_cast<float>(spec.beta1),
      .beta2 = static_cast<float>(spec.beta2),
      .take1 = static_cast<float>(1 - spec.beta1),
      .take2 = static_cast<float>(1 - spec.beta2),
      .correction1 = static_cast<float>(1 / (1 - std::pow(spec.beta1, t))),
      .correction2 = static_cast<float>(1 / (1 - std::pow(spec.beta2, t))),
      .epsilon = static_cast<float>(spec.epsilon),
      .decay_gradient = spec.rule == Rule::Adam ? decay : 0.0F,
      .decay_weight = spec.rule == Rule::AdamW ? static_cast<float>(rate * weight_decay) : 0.0F};
  const kernels::RmsPropFactors rms_prop{
      static_cast<float>(rate),          static_cast<float>(spec.decay),   static_cast<float>(1 - spec.decay),
      static_cast<float>(spec.momentum), static_cast<float>(spec.epsilon), decay};
  for_elements(parameter.count(), [&](std::int64_t first, std::int64_t count) {
    if (spec.rule == Rule::RmsProp)  // state 0: the mean square
      kernels::rms_prop(count, rms_prop, g + first, m + first, v == nullptr ? nullptr : v + first, w + first);
    else if (spec.rule == Rule::Sgd)
      kernels::sgd(count, sgd, g + first, m == nullptr ? nullptr : m + first, w + first);
    else
      kernels::adam(count, adam, g + first, m + first, v + first, w + first);
  });
}

void CpuBackend::moving_average(double keep, const TensorView& x, const TensorView& y) {
  for_elements(y.count(), [&](std::int64_t first, std::int64_t count) {
    kernels::moving_average(count, static_cast<float>(keep), static_cast<float>(1 - keep),
                            elements<float>(x) + first, elements<float>(y) + first);
  });
}

void CpuBackend::clip_norm(double max_norm, const TensorView& gradients) {
  double squares[kChunks] = {};
  const int pieces = for_chunks(gradients.count(), [&](int piece, std::int64_t first, std::int64_t count, int) {
    squares[piece] = kernels::sum_of_squares(count, elements<float>(gradients) + first);
  });
  double total = 0;
  for (int piece = 0; piece < pieces; ++piece) total += squares[piece];
  const double norm = std::sqrt(total);
  if (!(norm > max_norm)) return;
  for_elements(gradients.count(), [&](std::int64_t first, std::int64_t count) {
    kernels::scale(count, static_cast<float>(max_norm / norm), elements<float>(gradients) + first);
  });
}

}  // namespace guardbit::trainer
