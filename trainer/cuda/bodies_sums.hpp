// Sums over many elements, in double, in an order that the shape alone decides: strips first, then groups of partial
// sums, then what uses the total adds the last ones. No order depends on the device.
#pragma once

#include <algorithm>
#include <cmath>

#include "trainer/cuda/device_code.hpp"

namespace guardbit::trainer::cuda {

inline constexpr int kFold = 32;  // partial sums that one body adds

template <int N>
struct Sums {
  double v[N] = {};
};

/// How many strips the sums over `pixels` are cut into, for each of `width` sums.
[[nodiscard]] inline int strips(Count pixels, Count width) {
  const Count wanted = std::min<Count>(65536 / std::max<Count>(1, width), pixels / 8);
  return static_cast<int>(std::clamp<Count>(wanted, 1, 4096));
}

/// Strip t of channel c: pixels t, t + strips, ... in this order. partial [strips, N, channels]. Term(i, c) gives the
/// N numbers of element i, which is of channel c.
template <int N, class Term>
struct Strips {
  Term term;
  Count pixels;
  int strips, channels;
  Divider by_channel;
  double* partial;
  GUARDBIT_HD void operator()(Count i) const {
    auto strip = static_cast<Index>(i);
    const Index c = by_channel.take(strip);
    Sums<N> sum;
    for (Count pixel = strip; pixel < pixels; pixel += strips) {
      const Sums<N> one = term(pixel * channels + c, c);
      for (int k = 0; k < N; ++k) sum.v[k] += one.v[k];
    }
    for (int k = 0; k < N; ++k) partial[(Count{strip} * N + k) * channels + c] = sum.v[k];
  }
};

/// to [ceil(pieces / kFold), width] from partial sums [pieces, width].
struct Fold {
  Count pieces, width;
  Divider by_width;
  const double* from;
  double* to;
  GUARDBIT_HD void operator()(Count i) const {
    auto group = static_cast<Index>(i);
    const Index column = by_width.take(group);
    const Count first = Count{group} * kFold, last = first + kFold < pieces ? first + kFold : pieces;
    double sum = 0;
    for (Count piece = first; piece < last; ++piece) sum += from[piece * width + column];
    to[i] = sum;
  }
};

/// The last partial sums [pieces, width], at most kFold of them.
struct Partial {
  const double* data = nullptr;
  int pieces = 0;
  Count width = 0;
  [[nodiscard]] GUARDBIT_HD double total(Count column) const {
    double sum = 0;
    for (int piece = 0; piece < pieces; ++piece) sum += data[piece * width + column];
    return sum;
  }
};

/// to[i] = the total of column i.
struct Totals {
  Partial partial;
  float* to;
  GUARDBIT_HD void operator()(Count i) const { to[i] = static_cast<float>(partial.total(i)); }
};

struct Value {
  const float* x;
  GUARDBIT_HD Sums<1> operator()(Count i, Index) const { return {{static_cast<double>(x[i])}}; }
};
struct Square {
  const float* x;
  GUARDBIT_HD Sums<1> operator()(Count i, Index) const {
    const auto value = static_cast<double>(x[i]);
    return {{value * value}};
  }
};

/// factor = max_norm / norm where the norm is larger, otherwise 1 (also when it is not a number).
struct ClipFactor {
  Partial squares;
  double max_norm;
  float* factor;
  GUARDBIT_HD void operator()(Count) const {
    const double norm = std::sqrt(squares.total(0));
    *factor = norm > max_norm ? static_cast<float>(max_norm / norm) : 1.0F;
  }
};
struct ScaleBy {
  const float* factor;
  float* y;
  GUARDBIT_HD void operator()(Count i) const {
    if (*factor != 1.0F) y[i] *= *factor;
  }
};

}  // namespace guardbit::trainer::cuda
