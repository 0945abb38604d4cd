// Bodies of pooling. Forward: one per output element; backward: one per input element, which gathers from the windows
// that it lies in.
#pragma once

#include "trainer/cuda/device_code.hpp"

namespace guardbit::trainer::cuda {

struct PoolWindow {
  Axis rows, columns;
  int channels;
  [[nodiscard]] GUARDBIT_HD Count in_at(Index n, int y, int x, Index c) const {
    return ((Count{n} * rows.in + y) * columns.in + x) * channels + c;
  }
  [[nodiscard]] GUARDBIT_HD Count out_at(Index n, int p, int q, Index c) const {
    return ((Count{n} * rows.out + p) * columns.out + q) * channels + c;
  }
};

struct MaxPool {
  PoolWindow w;
  Unflatten position;  // of y
  const float* x;
  float* y;
  std::int32_t* index;  // kernel_w r + s of the first maximum
  GUARDBIT_HD void operator()(Count i) const {
    const Position at = position(i);
    const auto p = static_cast<int>(at.y), q = static_cast<int>(at.x);
    const int top = w.rows.first_tap(p), left = w.columns.first_tap(q);
    const int bottom = top + w.rows.taps(p), right = left + w.columns.taps(q);
    float best = 0;
    std::int32_t place = -1;
    for (int r = top; r < bottom; ++r) {
      for (int s = left; s < right; ++s) {
        const float value = x[w.in_at(at.n, w.rows.input(p, r), w.columns.input(q, s), at.c)];
        if (place >= 0 && !(value > best)) continue;
        best = value;
        place = w.columns.kernel * r + s;
      }
    }
    y[i] = best;
    index[i] = place;
  }
};

struct MaxPoolBackward {
  PoolWindow w;
  Unflatten position;  // of dx
  const float* dy;
  const std::int32_t* index;
  float* dx;
  GUARDBIT_HD void operator()(Count i) const {
    const Position at = position(i);
    float sum = 0;
    for (int r = 0; r < w.rows.kernel; ++r) {
      const int p = w.rows.output(static_cast<int>(at.y), r);
      if (p < 0) continue;
      for (int s = 0; s < w.columns.kernel; ++s) {
        const int q = w.columns.output(static_cast<int>(at.x), s);
        if (q < 0) continue;
        const Count o = w.out_at(at.n, p, q, at.c);
        if (index[o] == w.columns.kernel * r + s) sum += dy[o];
      }
    }
    dx[i] = sum;
  }
};

/// Over the valid part of the window.
struct AveragePool {
  PoolWindow w;
  Unflatten position;  // of y
  const float* x;
  float* y;
  GUARDBIT_HD void operator()(Count i) const {
    const Position at = position(i);
    const auto p = static_cast<int>(at.y), q = static_cast<int>(at.x);
    const int top = w.rows.first_tap(p), left = w.columns.first_tap(q);
    const int height = w.rows.taps(p), width = w.columns.taps(q);
    float sum = 0;
    for (int r = top; r < top + height; ++r)
      for (int s = left; s < left + width; ++s)
        sum += x[w.in_at(at.n, w.rows.input(p, r), w.columns.input(q, s), at.c)];
    y[i] = sum / static_cast<float>(height * width);
  }
};

struct AveragePoolBackward {
  PoolWindow w;
  Unflatten position;  // of dx
  const float* dy;
  float* dx;
  GUARDBIT_HD void operator()(Count i) const {
    const Position at = position(i);
    float sum = 0;
    for (int r = 0; r < w.rows.kernel; ++r) {
      const int p = w.rows.output(static_cast<int>(at.y), r);
      if (p < 0) continue;
      for (int s = 0; s < w.columns.kernel; ++s) {
        const int q = w.columns.output(static_cast<int>(at.x), s);
        if (q < 0) continue;
        sum += dy[w.out_at(at.n, p, q, at.c)] / static_cast<float>(w.rows.taps(p) * w.columns.taps(q));
      }
    }
    dx[i] = sum;
  }
};

}  // namespace guardbit::trainer::cuda
