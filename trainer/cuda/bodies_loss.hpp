// Bodies of softmax and cross-entropy: one per row of scores, in double.
#pragma once

#include <cmath>

#include "trainer/cuda/bodies_sums.hpp"

namespace guardbit::trainer::cuda {

/// Largest of a row; a first score that is not a number stays, later ones never win.
[[nodiscard]] GUARDBIT_HD inline float largest(const float* row, int classes) {
  float top = row[0];
  for (int c = 1; c < classes; ++c)
    if (top < row[c]) top = row[c];
  return top;
}

struct Softmax {
  int classes;
  const float* x;
  float* y;
  GUARDBIT_HD void operator()(Count row) const {
    const float* in = x + row * classes;
    float* out = y + row * classes;
    const float top = largest(in, classes);
    double sum = 0;
    for (int c = 0; c < classes; ++c) sum += std::exp(static_cast<double>(in[c] - top));
    for (int c = 0; c < classes; ++c)
      out[c] = static_cast<float>(std::exp(static_cast<double>(in[c] - top)) / sum);
  }
};

/// partial [rows, 3]: loss, top-1, top-5 of each row. dlogits may be null.
struct CrossEntropy {
  int classes;
  Count rows;
  double smoothing;
  const float* logits;
  const std::int32_t* labels;
  double* partial;
  float* dlogits;

  [[nodiscard]] GUARDBIT_HD double target(int c, int label) const {
    return (c == label ? 1 - smoothing : 0) + smoothing / classes;
  }
  GUARDBIT_HD void operator()(Count row) const {
    const float* in = logits + row * classes;
    const int label = labels[row];
    const auto top = static_cast<double>(largest(in, classes));
    double sum = 0, linear = 0;
    int better = 0;
    for (int c = 0; c < classes; ++c) {
      const double value = static_cast<double>(in[c]) - top;
      sum += std::exp(value);
      linear += target(c, label) * value;
      better += in[c] < in[label] || (in[c] == in[label] && c >= label) ? 0 : 1;
    }
    partial[3 * row] = std::log(sum) - linear;
    partial[3 * row + 1] = better < 1 ? 1 : 0;
    partial[3 * row + 2] = better < 5 && in[label] == in[label] ? 1 : 0;
    if (dlogits == nullptr) return;
    for (int c = 0; c < classes; ++c) {
      const double probability = std::exp(static_cast<double>(in[c]) - top) / sum;
      dlogits[row * classes + c] = static_cast<float>((probability - target(c, label)) / static_cast<double>(rows));
    }
  }
};

/// Four bodies: the metrics grow by the totals and by the number of rows.
struct GrowMetrics {
  Partial partial;
  double rows;
  double* metrics;
  GUARDBIT_HD void operator()(Count i) const { metrics[i] += i < 3 ? partial.total(i) : rows; }
};

}  // namespace guardbit::trainer::cuda
