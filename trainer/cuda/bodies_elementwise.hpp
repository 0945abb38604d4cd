// Bodies that treat every element alone: moves, sums, activations, dropout.
#pragma once

#include "arith/philox.hpp"
#include "trainer/backend.hpp"
#include "trainer/cuda/device_code.hpp"

namespace guardbit::trainer::cuda {

/// A body that runs only where the loss is finite, or only where it is not. No loss counts as a finite one.
enum class When : unsigned char { Finite, NotFinite };
template <class Body>
struct Guarded {
  const double* loss;  // on the device; may be null
  When when;
  Body body;
  GUARDBIT_HD void operator()(Count i) const {
    const bool finite = loss == nullptr || *loss - *loss == 0;  // infinity - infinity is not a number
    if (finite == (when == When::Finite)) body(i);
  }
};

struct Copy {
  const float* x;
  float* y;
  GUARDBIT_HD void operator()(Count i) const { y[i] = x[i]; }
};

template <class T>
struct Fill {
  T* y;
  T value;
  GUARDBIT_HD void operator()(Count i) const { y[i] = value; }
};

struct Add {
  const float *a, *b;
  float* y;
  GUARDBIT_HD void operator()(Count i) const { y[i] = a[i] + b[i]; }
};

/// y = keep y + take x.
struct Blend {
  float keep, take;
  const float* x;
  float* y;
  GUARDBIT_HD void operator()(Count i) const { y[i] = keep * y[i] + take * x[i]; }
};

/// The open range in which an activation has slope 1; its output is the input clamped to it.
struct Range {
  float low, high;
  /// Keeps what is not a number.
  [[nodiscard]] GUARDBIT_HD float clamp(float x) const {
    const float above = x < low ? low : x;
    return above > high ? high : above;
  }
  [[nodiscard]] GUARDBIT_HD bool inside(float y) const { return y > low && y < high; }
};
[[nodiscard]] inline Range range_of(Activation activation) {
  constexpr float kInfinity = __builtin_huge_valf();
  return {activation == Activation::None ? -kInfinity : 0.0F, activation == Activation::Relu6 ? 6.0F : kInfinity};
}

struct Clamp {
  Range range;
  const float* x;
  float* y;
  GUARDBIT_HD void operator()(Count i) const { y[i] = range.clamp(x[i]); }
};
struct ClampBackward {
  Range range;
  const float *y, *dy;
  float* dx;
  GUARDBIT_HD void operator()(Count i) const { dx[i] = range.inside(y[i]) ? dy[i] : 0.0F; }
};

/// y[i] = row[i % width]: a bias in every pixel.
struct Repeat {
  const float* row;
  Divider width;
  float* y;
  GUARDBIT_HD void operator()(Count i) const { y[i] = row[width.remainder(static_cast<Index>(i))]; }
};

/// Elements of a region of all images, numbered [N, height, width, channels].
struct CopyRegion {
  Region region;
  nets::Shape from, to;
  Unflatten position;
  const float* x;
  float* y;
  GUARDBIT_HD void operator()(Count i) const {
    const Position at = position(i);
    const auto place = [&](const nets::Shape& shape, int top, int left, int channel) {
      const Count row = Count{at.n} * shape.h + at.y + top;
      return (row * shape.w + at.x + left) * shape.c + at.c + channel;
    };
    y[place(to, region.to_y, region.to_x, region.to_c)] = x[place(from, region.from_y, region.from_x, region.from_c)];
  }
};

/// Body i does elements 4 i to 4 i + 3: one block of random words. Kept when word / 2^32 >= rate.
struct Dropout {
  const StepScalars* step;  // on the device
  std::uint32_t stream;
  std::uint64_t threshold;  // ceil(rate 2^32)
  float factor;             // 1 / (1 - rate)
  Count n;
  const float* x;
  float* y;
  GUARDBIT_HD void operator()(Count block) const {
    const auto words = arith::philox4x32({static_cast<std::uint32_t>(block), stream,
                                          static_cast<std::uint32_t>(step->step),
                                          static_cast<std::uint32_t>(step->step >> 32)},
                                         {static_cast<std::uint32_t>(step->seed),
                                          static_cast<std::uint32_t>(step->seed >> 32)});
    for (unsigned j = 0; j < 4; ++j) {
      const Count i = 4 * block + j;
      if (i < n) y[i] = words[j] >= threshold ? x[i] * factor : 0.0F;
    }
  }
};

}  // namespace guardbit::trainer::cuda
