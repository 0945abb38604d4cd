// Bodies of batch normalization: terms of the sums, factors per channel, application.
#pragma once

#include <cmath>

#include "trainer/cuda/bodies_elementwise.hpp"
#include "trainer/cuda/bodies_sums.hpp"

namespace guardbit::trainer::cuda {

/// x - shift and its square; around the running mean few bits are lost.
struct Moments {
  const float *x, *shift;
  GUARDBIT_HD Sums<2> operator()(Count i, Index c) const {
    const double d = static_cast<double>(x[i]) - static_cast<double>(shift[c]);
    return {{d, d * d}};
  }
};

/// Per channel: statistics of the batch, running statistics, and y = x factor + offset. Partial [.., 2, C].
struct NormFactors {
  Partial sums;
  Count channels;
  double pixels, epsilon, momentum;
  const float *gamma, *beta;
  float *mean, *variance, *batch_mean, *batch_inverse;
  float *factor, *offset;
  GUARDBIT_HD void operator()(Count c) const {
    const double relative = sums.total(c) / pixels, centre = static_cast<double>(mean[c]) + relative;
    const double spread = sums.total(channels + c) / pixels - relative * relative;
    const double now = spread < 0 ? 0 : spread;
    const double unbiased = pixels > 1 ? now * pixels / (pixels - 1) : now;
    const double inverse = 1 / std::sqrt(now + epsilon), scale = static_cast<double>(gamma[c]) * inverse;
    batch_mean[c] = static_cast<float>(centre);
    batch_inverse[c] = static_cast<float>(inverse);
    factor[c] = static_cast<float>(scale);
    offset[c] = static_cast<float>(static_cast<double>(beta[c]) - scale * centre);
    mean[c] = static_cast<float>(momentum * static_cast<double>(mean[c]) + (1 - momentum) * centre);
    variance[c] = static_cast<float>(momentum * static_cast<double>(variance[c]) + (1 - momentum) * unbiased);
  }
};

/// The same factors from the running statistics.
struct InferFactors {
  double epsilon;
  const float *gamma, *beta, *mean, *variance;
  float *factor, *offset;
  GUARDBIT_HD void operator()(Count c) const {
    const double scale = static_cast<double>(gamma[c]) / std::sqrt(static_cast<double>(variance[c]) + epsilon);
    factor[c] = static_cast<float>(scale);
    offset[c] = static_cast<float>(static_cast<double>(beta[c]) - scale * static_cast<double>(mean[c]));
  }
};

struct NormApply {
  Divider by_channel;
  const float *factor, *offset;
  Range range;
  const float* x;
  float* y;
  GUARDBIT_HD void operator()(Count i) const {
    const Index c = by_channel.remainder(static_cast<Index>(i));
    y[i] = range.clamp(x[i] * factor[c] + offset[c]);
  }
};

/// g = dy behind the activation, and g times the normalized input. `output` null: no activation.
struct NormGradients {
  const float *x, *output, *dy, *mean, *inverse;
  Range range;
  GUARDBIT_HD Sums<2> operator()(Count i, Index c) const {
    const double g = output == nullptr || range.inside(output[i]) ? static_cast<double>(dy[i]) : 0.0;
    const double normal =
        (static_cast<double>(x[i]) - static_cast<double>(mean[c])) * static_cast<double>(inverse[c]);
    return {{g, g * normal}};
  }
};

/// dx = gamma inverse (g - mean(g) - normal mean(g normal)) as a g + b x + d, per channel. (Ioffe and Szegedy, 2015)
struct NormBackwardFactors {
  Partial sums;
  Count channels;
  double pixels;
  const float *gamma, *mean, *inverse;
  float *a, *b, *d;
  float *dgamma, *dbeta;
  GUARDBIT_HD void operator()(Count c) const {
    const double sum = sums.total(c), product = sums.total(channels + c);
    const auto one = static_cast<double>(inverse[c]);
    const double scale = static_cast<double>(gamma[c]) * one, slope = -scale * one * product / pixels;
    a[c] = static_cast<float>(scale);
    b[c] = static_cast<float>(slope);
    d[c] = static_cast<float>(-scale * sum / pixels - slope * static_cast<double>(mean[c]));
    dgamma[c] = static_cast<float>(product);
    dbeta[c] = static_cast<float>(sum);
  }
};

struct NormBackwardApply {
  Divider by_channel;
  const float *a, *b, *d;
  const float *x, *output;
  Range range;
  const float* dy;
  float* dx;  // may be dy
  GUARDBIT_HD void operator()(Count i) const {
    const Index c = by_channel.remainder(static_cast<Index>(i));
    const float g = output == nullptr || range.inside(output[i]) ? dy[i] : 0.0F;
    dx[i] = a[c] * g + b[c] * x[i] + d[c];
  }
};

}  // namespace guardbit::trainer::cuda
