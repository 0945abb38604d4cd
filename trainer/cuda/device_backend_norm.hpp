// Batch normalization, loss and other sums of DeviceBackend.
#pragma once

#include "trainer/cuda/device_backend.hpp"

namespace guardbit::trainer::cuda {

template <class Queue>
Partial DeviceBackend<Queue>::fold(Count pieces, Count width) {
  int from = 0;
  for (; pieces > kFold; from = 1 - from) {
    const Count groups = (pieces + kFold - 1) / kFold;
    auto* to = sums_[1 - from].template take<double>(queue_, groups * width);
    queue_.each(numbered(groups * width),
                Fold{pieces, width, Divider(width), sums_[from].template take<double>(queue_, pieces * width), to});
    pieces = groups;
  }
  return {sums_[from].template take<double>(queue_, pieces * width), static_cast<int>(pieces), width};
}

template <class Queue>
template <int N, class Term>
Partial DeviceBackend<Queue>::sum_channels(const Term& term, Count pixels, Count channels) {
  const int pieces = strips(pixels, channels);
  auto* partial = sums_[0].template take<double>(queue_, pieces * N * channels);
  queue_.each(numbered(pieces * channels),
              Strips<N, Term>{term, pixels, pieces, static_cast<int>(channels), Divider(channels), partial});
  return fold(pieces, N * channels);
}

template <class Queue>
void DeviceBackend<Queue>::batch_norm_train(const nets::BatchNormAttributes& norm, Activation activation,
                                            const TensorView& x, const BatchNormTensors& t, const TensorView& y) {
  const Count channels = x.shape.c, pixels = x.count() / channels;
  auto* factor = factors_.template take<float>(queue_, 2 * channels);
  const Partial sums = sum_channels<2>(Moments{data(x), data(t.mean)}, pixels, channels);
  queue_.each(channels, NormFactors{sums, channels, static_cast<double>(pixels), norm.epsilon, norm.momentum,
                                    data(t.gamma), data(t.beta), data(t.mean), data(t.variance), data(t.batch_mean),
                                    data(t.batch_inverse), factor, factor + channels});
  queue_.each(numbered(x.count()), NormApply{Divider(channels), factor, factor + channels, range_of(activation),
                                             data(x), data(y)});
}

template <class Queue>
void DeviceBackend<Queue>::batch_norm_infer(const nets::BatchNormAttributes& norm, Activation activation,
                                            const TensorView& x, const BatchNormTensors& t, const TensorView& y) {
  const Count channels = x.shape.c;
  auto* factor = factors_.template take<float>(queue_, 2 * channels);
  queue_.each(channels, InferFactors{norm.epsilon, data(t.gamma), data(t.beta), data(t.mean), data(t.variance),
                                     factor, factor + channels});
  queue_.each(numbered(x.count()), NormApply{Divider(channels), factor, factor + channels, range_of(activation),
                                             data(x), data(y)});
}

template <class Queue>
void DeviceBackend<Queue>::batch_norm_backward(Activation activation, const TensorView& x, const TensorView& y,
                                               const TensorView& dy, const BatchNormTensors& t, const TensorView& dx,
                                               const TensorView& dgamma, const TensorView& dbeta) {
  const Count channels = x.shape.c, pixels = x.count() / channels;
  const float* output = activation == Activation::None ? nullptr : data(y);
  const Range range = range_of(activation);
  auto* a = factors_.template take<float>(queue_, 3 * channels);
  float *b = a + channels, *d = b + channels;
  const Partial sums = sum_channels<2>(
      NormGradients{data(x), output, data(dy), data(t.batch_mean), data(t.batch_inverse), range}, pixels, channels);
  queue_.each(channels, NormBackwardFactors{sums, channels, static_cast<double>(pixels), data(t.gamma),
                                            data(t.batch_mean), data(t.batch_inverse), a, b, d, data(dgamma),
                                            data(dbeta)});
  queue_.each(numbered(x.count()),
              NormBackwardApply{Divider(channels), a, b, d, data(x), output, range, data(dy), data(dx)});
}

template <class Queue>
void DeviceBackend<Queue>::softmax(const TensorView& x, const TensorView& y) {
  queue_.each(x.count() / x.shape.c, Softmax{x.shape.c, data(x), data(y)});
}

template <class Queue>
void DeviceBackend<Queue>::cross_entropy(double smoothing, const TensorView& logits, const TensorView& labels,
                                         const TensorView& metrics, const TensorView& dlogits) {
  require(metrics.element == Element::Float64 && metrics.count() == 4, "cross_entropy: metrics are Float64 [4]");
  auto* partial = sums_[0].template take<double>(queue_, 3 * logits.n);
  queue_.each(logits.n, CrossEntropy{logits.shape.c, logits.n, smoothing, data(logits), data<std::int32_t>(labels),
                                     partial, data(dlogits)});
  queue_.each(4, GrowMetrics{fold(logits.n, 3), static_cast<double>(logits.n), data<double>(metrics)});
}

}  // namespace guardbit::trainer::cuda
