// Depthwise convolution 3x3 of one image, channels innermost: a block of channels is one vector, the nine weights stay
// in registers, and where the stride is 1 four outputs share what they read.
//
// Each output adds its taps row by row, left to right, then the bias it began with: the same on every instruction set.
#include <algorithm>
#include <cstring>

#include "trainer/cpu/clones.hpp"
#include "trainer/cpu/kernels.hpp"

#define GUARDBIT_INLINE __attribute__((always_inline)) inline

namespace guardbit::trainer::kernels {

namespace {

constexpr int kTaps = 3;  // of one axis

template <int N>
struct Vector {
  typedef float Type __attribute__((vector_size(4 * N)));  // g++ 12 drops the attribute in a dependent alias
};
template <int N>
using V = typename Vector<N>::Type;

template <int N>
GUARDBIT_INLINE void load(const float* from, V<N>& to) {
  std::memcpy(&to, from, sizeof(to));
}
template <int N>
GUARDBIT_INLINE void store(const V<N>& from, float* to) {
  std::memcpy(to, &from, sizeof(from));
}

// Where the taps of one output position fall: input position of tap 0, and the taps [first, last) inside the input.
struct Taps {
  int start, first, last;
};
GUARDBIT_INLINE Taps taps_at(int position, int stride, int before, int size) {
  const int start = position * stride - before;
  return {start, start < 0 ? -start : 0, start + kTaps > size ? size - start : kTaps};
}

struct Image {
  int width, channels;           // of the input
  int stride, left;
  Count row;                     // floats of an input row
};

// The block of channels [.., N) of output q from `rows` rows of the input that begin at x; only valid columns.
template <int N, int Rows>
GUARDBIT_INLINE void edge_output(const Image& m, int q, const float* x, const V<N>* w, const V<N>& start, float* y) {
  const Taps columns = taps_at(q, m.stride, m.left, m.width);
  V<N> sum = start, pixel;
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int s = 0; s < kTaps; ++s) {
      if (s < columns.first || s >= columns.last) continue;
      load<N>(x + r * m.row + static_cast<Count>(columns.start + s) * m.channels, pixel);
      sum += pixel * w[r * kTaps + s];
    }
  store<N>(sum, y + static_cast<Count>(q) * m.channels);
}

// Outputs [begin, end) of one row, all of whose columns are inside.
template <int N, int Rows, int Group>
GUARDBIT_INLINE void inner_outputs(const Image& m, int begin, int end, const float* x, const V<N>* w,
                                   const V<N>& start, float* y) {
  V<N> weights[Rows * kTaps];
  for (int i = 0; i < Rows * kTaps; ++i) weights[i] = w[i];
  const int stride = Group > 1 ? 1 : m.stride;
  for (int q = begin; q + Group <= end; q += Group) {
    V<N> sum[Group], pixel;
    for (int i = 0; i < Group; ++i) sum[i] = start;
    const float* from = x + static_cast<Count>(q * stride - m.left) * m.channels;
#pragma GCC unroll 8
    for (int j = 0; j < Group; ++j)  // what the next row of outputs reads
      __builtin_prefetch(from + Rows * m.row + static_cast<Count>(j + 1) * m.channels);
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 8
      for (int j = 0; j < kTaps + Group - 1; ++j) {
        load<N>(from + r * m.row + static_cast<Count>(j) * m.channels, pixel);
#pragma GCC unroll 8
        for (int i = 0; i < Group; ++i)
          if (j >= i && j < i + kTaps) sum[i] += pixel * weights[r * kTaps + j - i];
      }
    }
    for (int i = 0; i < Group; ++i) store<N>(sum[i], y + static_cast<Count>(q + i) * m.channels);
  }
}

template <int N, int Rows>
GUARDBIT_INLINE void output_row(const Image& m, int columns, const float* x, const V<N>* w, const V<N>& start,
                                float* y) {
  // The first output whose window begins inside, and the first whose window ends outside.
  const int begin = std::min(columns, (m.left + m.stride - 1) / m.stride);
  const int end = std::max(begin, std::min(columns, (m.width - kTaps + m.left + m.stride) / m.stride));
  for (int q = 0; q < begin; ++q) edge_output<N, Rows>(m, q, x, w, start, y);
  int q = begin;
  if (m.stride == 1) {
    q += (end - begin) / 4 * 4;
    inner_outputs<N, Rows, 4>(m, begin, q, x, w, start, y);
    if (end - q >= 2) {
      inner_outputs<N, Rows, 2>(m, q, q + 2, x, w, start, y);
      q += 2;
    }
  }
  inner_outputs<N, Rows, 1>(m, q, end, x, w, start, y);
  for (q = end; q < columns; ++q) edge_output<N, Rows>(m, q, x, w, start, y);
}

// Channels [c, c + N). weights: [9][C].
template <int N>
GUARDBIT_INLINE void forward_block(const DepthwiseShape& d, Count c, const float* x, const float* weights,
                                   const float* bias, float* y) {
  const Image m{d.in.w, d.in.c, d.stride, d.left, Count{1} * d.in.w * d.in.c};
  V<N> w[kTaps * kTaps], start = {};
  for (int i = 0; i < kTaps * kTaps; ++i) load<N>(weights + i * d.in.c + c, w[i]);
  if (bias != nullptr) load<N>(bias + c, start);
  for (int p = 0; p < d.out.h; ++p) {
    const Taps rows = taps_at(p, d.stride, d.top, d.in.h);
    const float* from = x + (rows.start + rows.first) * m.row + c;
    const V<N>* taps = w + rows.first * kTaps;
    float* to = y + Count{p} * d.out.w * d.out.c + c;
    switch (rows.last - rows.first) {
      case 3: output_row<N, 3>(m, d.out.w, from, taps, start, to); break;
      case 2: output_row<N, 2>(m, d.out.w, from, taps, start, to); break;
      case 1: output_row<N, 1>(m, d.out.w, from, taps, start, to); break;
      default:
        for (int q = 0; q < d.out.w; ++q) store<N>(start, to + Count{q} * d.out.c);
    }
  }
}

// One row of dx under stride 2: what `Rows` rows of dy give back to it, the upper one first, each from left to right.
// Column 2q - left takes taps 2 and 0 of outputs q - 1 and q, the column behind it tap 1 of output q.
template <int N, int Rows>
GUARDBIT_INLINE void gather_row(const DepthwiseShape& d, const float* const* dy, const V<N>* const* w, float* dx) {
  const Count channels = d.in.c;
  V<N> before[Rows + 1], now[Rows + 1];
  for (int i = 0; i < Rows; ++i) before[i] = V<N>{};
  for (int q = 0; 2 * q - d.left < d.in.w; ++q) {
    V<N> even = {}, odd = {};
    for (int i = 0; i < Rows; ++i) {
      now[i] = V<N>{};
      if (q < d.out.w) load<N>(dy[i] + q * channels, now[i]);
      even += before[i] * w[i][2];
      even += now[i] * w[i][0];
      odd += now[i] * w[i][1];
      before[i] = now[i];
    }
    const int x = 2 * q - d.left;
    if (x >= 0) store<N>(even, dx + x * channels);
    if (x + 1 >= 0 && x + 1 < d.in.w) store<N>(odd, dx + (x + 1) * channels);
  }
}

// dx of one block of channels under stride 2.
template <int N>
GUARDBIT_INLINE void gather_block(const DepthwiseShape& d, Count c, const float* dy, const float* weights, float* dx) {
  V<N> w[kTaps * kTaps];
  for (int i = 0; i < kTaps * kTaps; ++i) load<N>(weights + i * d.in.c + c, w[i]);
  for (int y = 0; y < d.in.h; ++y) {
    const int at = y + d.top, last = at / 2;
    const float* from[2];
    const V<N>* taps[2];
    int rows = 0;
    for (int p = at % 2 == 0 ? last - 1 : last; p <= last; ++p) {
      if (p < 0 || p >= d.out.h) continue;
      from[rows] = dy + Count{p} * d.out.w * d.out.c + c;
      taps[rows++] = w + (at - 2 * p) * kTaps;
    }
    float* to = dx + Count{y} * d.in.w * d.in.c + c;
    if (rows == 2) gather_row<N, 2>(d, from, taps, to);
    else if (rows == 1) gather_row<N, 1>(d, from, taps, to);
    else gather_row<N, 0>(d, from, taps, to);
  }
}

// Sums of one row of outputs over columns that are all inside: nine running sums in registers.
template <int N, int Rows>
GUARDBIT_INLINE void inner_weights(const Image& m, int begin, int end, const float* x, const float* dy, V<N>* total) {
  V<N> sum[Rows * kTaps], gradient, pixel;
  for (int i = 0; i < Rows * kTaps; ++i) sum[i] = V<N>{};
  for (int q = begin; q < end; ++q) {
    load<N>(dy + static_cast<Count>(q) * m.channels, gradient);
    const float* from = x + static_cast<Count>(q * m.stride - m.left) * m.channels;
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
      for (int s = 0; s < kTaps; ++s) {
        load<N>(from + r * m.row + static_cast<Count>(s) * m.channels, pixel);
        sum[r * kTaps + s] += pixel * gradient;
      }
  }
  for (int i = 0; i < Rows * kTaps; ++i) total[i] += sum[i];
}

template <int N>
GUARDBIT_INLINE void edge_weights(const Image& m, int rows, int q, const float* x, const float* dy, V<N>* total) {
  const Taps columns = taps_at(q, m.stride, m.left, m.width);
  V<N> gradient, pixel;
  load<N>(dy + static_cast<Count>(q) * m.channels, gradient);
  for (int r = 0; r < rows; ++r)
    for (int s = columns.first; s < columns.last; ++s) {
      load<N>(x + r * m.row + static_cast<Count>(columns.start + s) * m.channels, pixel);
      total[r * kTaps + s] += pixel * gradient;
    }
}

template <int N>
GUARDBIT_INLINE void weights_block(const DepthwiseShape& d, Count c, const float* x, const float* dy,
                                   float* dweights) {
  const Image m{d.in.w, d.in.c, d.stride, d.left, Count{1} * d.in.w * d.in.c};
  const int begin = std::min(d.out.w, (m.left + m.stride - 1) / m.stride);
  const int end = std::max(begin, std::min(d.out.w, (m.width - kTaps + m.left + m.stride) / m.stride));
  V<N> total[kTaps * kTaps], before;
  for (V<N>& one : total) one = V<N>{};
  for (int p = 0; p < d.out.h; ++p) {
    const Taps rows = taps_at(p, d.stride, d.top, d.in.h);
    const int count = rows.last - rows.first;
    const float *from = x + (rows.start + rows.first) * m.row + c, *gradient = dy + Count{p} * d.out.w * d.out.c + c;
    V<N>* to = total + rows.first * kTaps;
    for (int q = 0; q < begin; ++q) edge_weights<N>(m, count, q, from, gradient, to);
    if (count == 3) inner_weights<N, 3>(m, begin, end, from, gradient, to);
    if (count == 2) inner_weights<N, 2>(m, begin, end, from, gradient, to);
    if (count == 1) inner_weights<N, 1>(m, begin, end, from, gradient, to);
    for (int q = end; q < d.out.w; ++q) edge_weights<N>(m, count, q, from, gradient, to);
  }
  for (int i = 0; i < kTaps * kTaps; ++i) {
    load<N>(dweights + i * d.in.c + c, before);
    before += total[i];
    store<N>(before, dweights + i * d.in.c + c);
  }
}

}  // namespace

#define GUARDBIT_EACH_BLOCK(call, ...)                          \
  Count c = 0;                                                  \
  for (; c + 16 <= d.in.c; c += 16) call<16>(d, c, __VA_ARGS__); \
  for (; c + 8 <= d.in.c; c += 8) call<8>(d, c, __VA_ARGS__);    \
  for (; c + 4 <= d.in.c; c += 4) call<4>(d, c, __VA_ARGS__);    \
  for (; c < d.in.c; ++c) call<1>(d, c, __VA_ARGS__);

GUARDBIT_CLONES void depthwise_forward(const DepthwiseShape& d, const float* x, const float* weights,
                                       const float* bias, float* y) {
  GUARDBIT_EACH_BLOCK(forward_block, x, weights, bias, y)
}
GUARDBIT_CLONES void depthwise_gather(const DepthwiseShape& d, const float* dy, const float* weights, float* dx) {
  GUARDBIT_EACH_BLOCK(gather_block, dy, weights, dx)
}
GUARDBIT_CLONES void depthwise_weights(const DepthwiseShape& d, const float* x, const float* dy, float* dweights) {
  GUARDBIT_EACH_BLOCK(weights_block, x, dy, dweights)
}

}  // namespace guardbit::trainer::kernels
