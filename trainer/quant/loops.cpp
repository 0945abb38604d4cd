#include "trainer/quant/loops.hpp"

#include "trainer/cpu/clones.hpp"

namespace guardbit::trainer::loops {

namespace {

GUARDBIT_CLONES void backward_within(Count n, double low, double high, const double* x, const double* dy, double* dx) {
  for (Count i = 0; i < n; ++i) dx[i] = pass_within(x[i], dy[i], low, high);
}

}  // namespace

double backward(const Slope& rule, Count n, const double* x, const double* dy, double* dx) {
  const Slope slope = rule;  // which writing to dx cannot change
  double sum = 0;
  switch (slope.kind) {
    case Slope::Kind::Within: backward_within(n, slope.low, slope.high, x, dy, dx); break;
    case Slope::Kind::Step:
      for (Count i = 0; i < n; ++i) dx[i] = pass_step(slope, x[i], dy[i], sum);
      break;
    case Slope::Kind::Clip:
      for (Count i = 0; i < n; ++i) dx[i] = pass_clip(slope, x[i], dy[i], sum);
      break;
  }
  return slope.scale * sum;
}

// The same loops for both types of Real.
#define GUARDBIT_LOOPS(Real)                                                                                         \
  GUARDBIT_CLONES void clamp(Count n, Real low, Real high, const Real* x, double* y) {                              \
    for (Count i = 0; i < n; ++i) {                                                                                  \
      const Real above = x[i] < low ? low : x[i];                                                                    \
      y[i] = above > high ? high : above;                                                                            \
    }                                                                                                                \
  }                                                                                                                  \
  GUARDBIT_CLONES void mask(Count n, Real low, Real high, const Real* y, Real* d) {                                  \
    for (Count i = 0; i < n; ++i) {                                                                                  \
      const Real kept = y[i] > low ? d[i] : Real{0};                                                                 \
      d[i] = y[i] < high ? kept : Real{0};                                                                           \
    }                                                                                                                \
  }                                                                                                                  \
  GUARDBIT_CLONES void dequantize(Count n, double scale, std::int32_t zero, const std::int32_t* codes, Real* y) {    \
    for (Count i = 0; i < n; ++i) y[i] = static_cast<Real>(scale * (codes[i] - zero));                               \
  }                                                                                                                  \
  GUARDBIT_CLONES void scale_channels(Count pixels, Count channels, const std::int64_t* x, const double* scale,      \
                                      Real* y) {                                                                     \
    for (Count p = 0; p < pixels; ++p, x += channels, y += channels)                                                 \
      for (Count c = 0; c < channels; ++c) y[c] = static_cast<Real>(static_cast<double>(x[c]) * scale[c]);           \
  }                                                                                                                  \
  GUARDBIT_CLONES void channel_sums(Count pixels, Count channels, const Real* x, double* sum, double* square) {      \
    for (Count p = 0; p < pixels; ++p, x += channels) {                                                              \
      for (Count c = 0; c < channels; ++c) {                                                                         \
        const double v = x[c];                                                                                       \
        sum[c] += v;                                                                                                 \
        square[c] += v * v;                                                                                          \
      }                                                                                                              \
    }                                                                                                                \
  }
GUARDBIT_LOOPS(float)
GUARDBIT_LOOPS(double)
#undef GUARDBIT_LOOPS

}  // namespace guardbit::trainer::loops
