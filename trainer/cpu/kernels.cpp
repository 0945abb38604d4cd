// Element-wise loops and batch normalization.
#include "trainer/cpu/kernels.hpp"

#include <cmath>

#include "trainer/cpu/clones.hpp"

namespace guardbit::trainer::kernels {

GUARDBIT_CLONES void add(Count n, const float* a, const float* b, float* y) {
  for (Count i = 0; i < n; ++i) y[i] = a[i] + b[i];
}
GUARDBIT_CLONES void accumulate(Count n, const float* x, float* y) {
  for (Count i = 0; i < n; ++i) y[i] += x[i];
}
GUARDBIT_CLONES void scale(Count n, float factor, float* y) {
  for (Count i = 0; i < n; ++i) y[i] *= factor;
}
double sum_of_squares(Count n, const float* x) {
  double sum = 0;
  for (Count i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return sum;
}
GUARDBIT_CLONES void clamp(Count n, float low, float high, const float* x, float* y) {
  for (Count i = 0; i < n; ++i) {
    const float v = x[i] < low ? low : x[i];
    y[i] = v > high ? high : v;
  }
}
GUARDBIT_CLONES void clamp_backward(Count n, float low, float high, const float* y, const float* dy, float* dx) {
  for (Count i = 0; i < n; ++i) {
    const bool inside = (y[i] > low) & (y[i] < high);
    dx[i] = inside ? dy[i] : 0.0F;
  }
}
GUARDBIT_CLONES void column_sums(Count rows, Count width, const float* x, float* sum) {
  for (Count r = 0; r < rows; ++r, x += width)
    for (Count i = 0; i < width; ++i) sum[i] += x[i];
}
GUARDBIT_CLONES void moving_average(Count n, float keep, float take, const float* x, float* y) {
  for (Count i = 0; i < n; ++i) y[i] = keep * y[i] + take * x[i];
}

GUARDBIT_CLONES void sgd(Count n, const SgdFactors& f, const float* gradient, float* m, float* w) {
  const float rate = f.rate, decay = f.decay, momentum = f.momentum;
  if (m == nullptr) {
    for (Count i = 0; i < n; ++i) w[i] -= rate * (gradient[i] + decay * w[i]);
    return;
  }
  const float from_gradient = f.nesterov ? 1.0F : 0.0F, from_momentum = f.nesterov ? momentum : 1.0F;
  for (Count i = 0; i < n; ++i) {
    const float g = gradient[i] + decay * w[i];
    m[i] = momentum * m[i] + g;
    w[i] -= rate * (from_gradient * g + from_momentum * m[i]);
  }
}

GUARDBIT_CLONES void adam(Count n, const AdamFactors& f, const float* gradient, float* m, float* v, float* w) {
  const float keep = 1.0F - f.decay_weight;
  const AdamFactors k = f;
  for (Count i = 0; i < n; ++i) {
    const float g = gradient[i] + k.decay_gradient * w[i];
    m[i] = k.beta1 * m[i] + k.take1 * g;
    v[i] = k.beta2 * v[i] + k.take2 * g * g;
    const float first = m[i] * k.correction1, second = v[i] * k.correction2;
    w[i] = w[i] * keep - k.rate * first / (__builtin_sqrtf(second) + k.epsilon);
  }
}

GUARDBIT_CLONES void rms_prop(Count n, const RmsPropFactors& f, const float* gradient, float* square, float* m,
                              float* w) {
  const RmsPropFactors k = f;
  for (Count i = 0; i < n; ++i) {
    const float g = gradient[i] + k.decay * w[i];
    square[i] = k.keep * square[i] + k.take * g * g;
    const float change = k.rate * g / __builtin_sqrtf(square[i] + k.epsilon);
    if (m != nullptr) w[i] -= m[i] = k.momentum * m[i] + change;
    else w[i] -= change;
  }
}

namespace {

// Sums of a block of pixels are kept in float, those of blocks in double: 16 terms lose nothing that matters, and the
// inner loop has no conversions.
constexpr Count kBlock = 16;
constexpr Count kColumns = 64;

// One block of at most kBlock pixels and `columns` <= kColumns of `width`.
__attribute__((always_inline)) inline void sums_block(Count pixels, Count width, Count columns, const float* x,
                                                      const float* shift, double* sum, double* squares) {
  float s[kColumns], q[kColumns];
  for (Count i = 0; i < columns; ++i) s[i] = q[i] = 0;
  for (Count p = 0; p < pixels; ++p) {
    for (Count i = 0; i < columns; ++i) {
      const float d = x[p * width + i] - shift[i];
      s[i] += d;
      q[i] += d * d;
    }
  }
  for (Count i = 0; i < columns; ++i) {
    sum[i] += static_cast<double>(s[i]);
    squares[i] += static_cast<double>(q[i]);
  }
}

struct BackwardBlock {
  const float *x, *dy, *mean, *inverse;
  NormRange range;
  double *sum, *product;
};
__attribute__((always_inline)) inline void backward_block(Count pixels, Count width, Count columns,
                                                          const BackwardBlock& b) {
  float s[kColumns], q[kColumns];
  const float *x = b.x, *dy = b.dy, *mean = b.mean, *inverse = b.inverse;
  const float *factor = b.range.factor, *offset = b.range.offset, low = b.range.low, high = b.range.high;
  for (Count i = 0; i < columns; ++i) s[i] = q[i] = 0;
  for (Count p = 0; p < pixels; ++p) {
    for (Count i = 0; i < columns; ++i) {
      const Count at = p * width + i;
      const float value = x[at] * factor[i] + offset[i];
      const bool inside = (value > low) & (value < high);
      const float g = inside ? dy[at] : 0.0F;
      s[i] += g;
      q[i] += g * ((x[at] - mean[i]) * inverse[i]);
    }
  }
  for (Count i = 0; i < columns; ++i) {
    b.sum[i] += static_cast<double>(s[i]);
    b.product[i] += static_cast<double>(q[i]);
  }
}

}  // namespace

GUARDBIT_CLONES void norm_sums(Count pixels, Count width, const float* x, const float* shift, double* sum,
                               double* squares) {
  for (Count p = 0; p < pixels; p += kBlock) {
    const Count rows = pixels - p < kBlock ? pixels - p : kBlock;
    Count i = 0;
    for (; i + kColumns <= width; i += kColumns)
      sums_block(rows, width, kColumns, x + p * width + i, shift + i, sum + i, squares + i);
    if (i < width) sums_block(rows, width, width - i, x + p * width + i, shift + i, sum + i, squares + i);
  }
}

GUARDBIT_CLONES void norm_apply(Count pixels, Count width, const float* x, const float* factor, const float* offset,
                                float low, float high, float* y) {
  for (Count p = 0; p < pixels; ++p, x += width, y += width) {
    for (Count i = 0; i < width; ++i) {
      const float value = x[i] * factor[i] + offset[i];
      const float above = value < low ? low : value;
      y[i] = above > high ? high : above;
    }
  }
}

GUARDBIT_CLONES void norm_backward_sums(Count pixels, Count width, const float* x, const float* dy, const float* mean,
                                        const float* inverse, const NormRange& range, double* sum, double* product) {
  for (Count p = 0; p < pixels; p += kBlock) {
    const Count rows = pixels - p < kBlock ? pixels - p : kBlock;
    Count i = 0;
    while (i < width) {
      const Count at = p * width + i;
      const BackwardBlock block{x + at, dy + at, mean + i, inverse + i,
                                {range.factor + i, range.offset + i, range.low, range.high}, sum + i, product + i};
      if (i + kColumns <= width) {
        backward_block(rows, width, kColumns, block);
        i += kColumns;
      } else {
        backward_block(rows, width, width - i, block);
        i = width;
      }
    }
  }
}

GUARDBIT_CLONES void norm_backward_apply(Count pixels, Count width, const float* x, const float* dy, const float* a,
                                         const float* b, const float* c, const NormRange& range, float* dx) {
  const float *factor = range.factor, *offset = range.offset, low = range.low, high = range.high;
  for (Count p = 0; p < pixels; ++p, x += width, dy += width, dx += width) {
#pragma GCC ivdep  // dx is dy or apart from everything
    for (Count i = 0; i < width; ++i) {
      const float value = x[i] * factor[i] + offset[i];
      const bool inside = (value > low) & (value < high);
      const float g = inside ? dy[i] : 0.0F;
      dx[i] = a[i] * g + b[i] * x[i] + c[i];
    }
  }
}

}  // namespace guardbit::trainer::kernels
