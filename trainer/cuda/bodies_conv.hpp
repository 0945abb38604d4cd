// Bodies of convolution: patches to rows of a matrix and back, and direct loops for grouped convolution.
#pragma once

#include "trainer/cuda/device_code.hpp"

namespace guardbit::trainer::cuda {

/// Four neighbouring channels, moved at once.
struct alignas(16) Quad {
  float v[4];
};

/// columns [n, P, Q, R, S, C] = the input under each tap, zero in the padding. `channels` are numbers of Pack.
template <class Pack>
struct PatchesToRows {
  Axis rows, columns;
  Count channels;
  Divider by_channel, by_s, by_r, by_q, by_p;
  const Pack* x;  // [n, H, W, C]
  Pack* to;

  PatchesToRows(const Axis& rows_, const Axis& columns_, Count channels_, const Pack* x_, Pack* to_)
      : rows(rows_), columns(columns_), channels(channels_), by_channel(channels_), by_s(columns_.kernel),
        by_r(rows_.kernel), by_q(columns_.out), by_p(rows_.out), x(x_), to(to_) {}
  GUARDBIT_HD void operator()(Count i) const {
    auto rest = static_cast<Index>(i);
    const Index c = by_channel.take(rest);
    const auto s = static_cast<int>(by_s.take(rest)), r = static_cast<int>(by_r.take(rest));
    const auto q = static_cast<int>(by_q.take(rest)), p = static_cast<int>(by_p.take(rest));
    const int iy = rows.input(p, r), ix = columns.input(q, s);
    const bool inside = rows.inside(iy) && columns.inside(ix);
    to[i] = inside ? x[((Count{rest} * rows.in + iy) * columns.in + ix) * channels + c] : Pack{};
  }
};

/// dx [n, H, W, C] = the sum over all taps that read an element, in the order r, s.
struct RowsToPatches {
  Axis rows, columns;
  int channels;
  Unflatten position;  // of dx
  const float* from;   // [n, P, Q, R, S, C]
  float* dx;

  GUARDBIT_HD void operator()(Count i) const {
    const Position at = position(i);
    float sum = 0;
    for (int r = 0; r < rows.kernel; ++r) {
      const int p = rows.output(static_cast<int>(at.y), r);
      if (p < 0) continue;
      for (int s = 0; s < columns.kernel; ++s) {
        const int q = columns.output(static_cast<int>(at.x), s);
        if (q < 0) continue;
        const Count pixel = (Count{at.n} * rows.out + p) * columns.out + q;
        sum += from[((pixel * rows.kernel + r) * columns.kernel + s) * channels + at.c];
      }
    }
    dx[i] = sum;
  }
};

/// A convolution in groups, element by element. Weights [K, R, S, group_in].
struct Grouped {
  Axis rows, columns;
  int in_channels, out_channels, group_in, group_out;

  [[nodiscard]] GUARDBIT_HD Count weight_at(int k, int r, int s, int c) const {
    return ((Count{k} * rows.kernel + r) * columns.kernel + s) * group_in + c;
  }
  [[nodiscard]] GUARDBIT_HD Count in_at(Count n, int y, int x, int c) const {
    return ((n * rows.in + y) * columns.in + x) * in_channels + c;
  }
  [[nodiscard]] GUARDBIT_HD Count out_at(Count n, int p, int q, int k) const {
    return ((n * rows.out + p) * columns.out + q) * out_channels + k;
  }
};

struct GroupedForward {
  Grouped g;
  Unflatten position;  // of y
  const float *x, *weight, *bias;  // bias may be null
  float* y;
  GUARDBIT_HD void operator()(Count i) const {
    const Position at = position(i);
    const auto k = static_cast<int>(at.c);
    float sum = bias == nullptr ? 0.0F : bias[k];
    for (int r = 0; r < g.rows.kernel; ++r) {
      const int iy = g.rows.input(static_cast<int>(at.y), r);
      if (!g.rows.inside(iy)) continue;
      for (int s = 0; s < g.columns.kernel; ++s) {
        const int ix = g.columns.input(static_cast<int>(at.x), s);
        if (!g.columns.inside(ix)) continue;
        const float* in = x + g.in_at(at.n, iy, ix, k / g.group_out * g.group_in);
        const float* w = weight + g.weight_at(k, r, s, 0);
        for (int c = 0; c < g.group_in; ++c) sum += in[c] * w[c];
      }
    }
    y[i] = sum;
  }
};

struct GroupedBackwardData {
  Grouped g;
  Unflatten position;  // of dx
  const float *dy, *weight;
  float* dx;
  GUARDBIT_HD void operator()(Count i) const {
    const Position at = position(i);
    const auto channel = static_cast<int>(at.c);
    const int group = channel / g.group_in, c = channel % g.group_in;
    float sum = 0;
    for (int r = 0; r < g.rows.kernel; ++r) {
      const int p = g.rows.output(static_cast<int>(at.y), r);
      if (p < 0) continue;
      for (int s = 0; s < g.columns.kernel; ++s) {
        const int q = g.columns.output(static_cast<int>(at.x), s);
        if (q < 0) continue;
        for (int k = group * g.group_out; k < (group + 1) * g.group_out; ++k)
          sum += dy[g.out_at(at.n, p, q, k)] * weight[g.weight_at(k, r, s, c)];
      }
    }
    dx[i] = sum;
  }
};

/// Piece t of each weight: output pixels t, t + pieces, ... in this order. Bodies are numbered [piece, r, s, c, k], so
/// that neighbours read neighbouring channels; partial [pieces, K, R, S, group_in].
struct GroupedBackwardWeights {
  Grouped g;
  int pieces;
  Count pixels;  // n P Q
  Divider by_k, by_c, by_s, by_r, by_q, by_p;
  const float *x, *dy;
  double* partial;

  GUARDBIT_HD void operator()(Count i) const {
    auto rest = static_cast<Index>(i);
    const auto k = static_cast<int>(by_k.take(rest)), c = static_cast<int>(by_c.take(rest));
    const auto s = static_cast<int>(by_s.take(rest)), r = static_cast<int>(by_r.take(rest));
    const int channel = k / g.group_out * g.group_in + c;
    double sum = 0;
    for (Count pixel = rest; pixel < pixels; pixel += pieces) {
      auto image = static_cast<Index>(pixel);
      const auto q = static_cast<int>(by_q.take(image)), p = static_cast<int>(by_p.take(image));
      const int iy = g.rows.input(p, r), ix = g.columns.input(q, s);
      if (!g.rows.inside(iy) || !g.columns.inside(ix)) continue;
      const float gradient = dy[pixel * g.out_channels + k];
      sum += static_cast<double>(gradient) * static_cast<double>(x[g.in_at(image, iy, ix, channel)]);
    }
    const Count weights = g.weight_at(g.out_channels, 0, 0, 0);
    partial[rest * weights + g.weight_at(k, r, s, c)] = sum;
  }
};

}  // namespace guardbit::trainer::cuda
