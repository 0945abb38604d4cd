// Bodies of the update rules, in the form of the CPU back end. What changes from step to step is read from device
// memory, so that a launch means the same when it is repeated in a later step.
#pragma once

#include <cmath>

#include "trainer/backend.hpp"
#include "trainer/cuda/device_code.hpp"

namespace guardbit::trainer::cuda {

/// base^exponent by squaring: the same bits on every device.
[[nodiscard]] GUARDBIT_HD inline double power(double base, std::uint64_t exponent) {
  double result = 1;
  for (; exponent != 0; exponent >>= 1, base *= base)
    if ((exponent & 1) != 0) result *= base;
  return result;
}

struct Sgd {
  const StepScalars* step;
  double lr_scale;
  float decay, momentum;
  bool nesterov;
  const float* gradient;
  float* m;  // null: no momentum
  float* w;
  GUARDBIT_HD void operator()(Count i) const {
    const auto rate = static_cast<float>(step->learning_rate * lr_scale);
    const float g = gradient[i] + decay * w[i];
    if (m == nullptr) {
      w[i] -= rate * g;
      return;
    }
    m[i] = momentum * m[i] + g;
    w[i] -= rate * (nesterov ? g + momentum * m[i] : m[i]);
  }
};

struct Adam {
  const StepScalars* step;
  double lr_scale, weight_decay;
  double beta1, beta2;
  float epsilon;
  bool decoupled;  // AdamW: the decay is no part of the gradient
  const float* gradient;
  float *m, *v, *w;
  GUARDBIT_HD void operator()(Count i) const {
    const double rate = step->learning_rate * lr_scale;
    const std::uint64_t t = step->step + 1;
    const auto correction1 = static_cast<float>(1 / (1 - power(beta1, t)));
    const auto correction2 = static_cast<float>(1 / (1 - power(beta2, t)));
    const float keep = decoupled ? 1.0F - static_cast<float>(rate * weight_decay) : 1.0F;
    const float g = gradient[i] + (decoupled ? 0.0F : static_cast<float>(weight_decay)) * w[i];
    m[i] = static_cast<float>(beta1) * m[i] + static_cast<float>(1 - beta1) * g;
    v[i] = static_cast<float>(beta2) * v[i] + static_cast<float>(1 - beta2) * g * g;
    const float first = m[i] * correction1, second = v[i] * correction2;
    w[i] = w[i] * keep - static_cast<float>(rate) * first / (std::sqrt(second) + epsilon);
  }
};

struct RmsProp {
  const StepScalars* step;
  double lr_scale;
  float weight_decay, keep, take, momentum, epsilon;
  const float* gradient;
  float* square;
  float* m;  // null: no momentum
  float* w;
  GUARDBIT_HD void operator()(Count i) const {
    const auto rate = static_cast<float>(step->learning_rate * lr_scale);
    const float g = gradient[i] + weight_decay * w[i];
    square[i] = keep * square[i] + take * g * g;
    float change = rate * g / std::sqrt(square[i] + epsilon);
    if (m != nullptr) change = m[i] = momentum * m[i] + change;
    w[i] -= change;
  }
};

}  // namespace guardbit::trainer::cuda
