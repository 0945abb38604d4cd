// Bodies that make a batch from the data set: the same pixels as load_sample() of host_backend.hpp.
#pragma once

#include <cmath>

#include "trainer/backend.hpp"
#include "trainer/cuda/device_code.hpp"

namespace guardbit::trainer::cuda {

/// table [C, 256]: the real input for every byte, computed in double and rounded once.
struct PixelTable {
  double scale;
  const double* statistics;  // mean [C], deviation [C]
  int channels;
  float* table;
  GUARDBIT_HD void operator()(Count i) const {
    const Count c = i / 256, pixel = i % 256;
    const double value = static_cast<double>(pixel) * scale;
    table[i] = static_cast<float>((value - statistics[c]) / statistics[channels + c]);
  }
};

/// One body per pixel [n, H, W].
struct LoadPixel {
  nets::Shape shape;
  Unflatten position;  // of x, without channels
  const std::uint8_t* images;
  const SampleTransform* transforms;
  const float* table;
  float* x;

  /// Bilinear, rounded; what lies outside is 0.
  [[nodiscard]] GUARDBIT_HD std::uint8_t interpolate(const std::uint8_t* image, double y, double at_x, int c) const {
    const double y0 = std::floor(y), x0 = std::floor(at_x);
    double sum = 0;
    for (int dy = 0; dy < 2; ++dy) {
      for (int dx = 0; dx < 2; ++dx) {
        const double sy = y0 + dy, sx = x0 + dx;
        if (sy < 0 || sx < 0 || sy > shape.h - 1 || sx > shape.w - 1) continue;
        const double weight = (dy == 0 ? 1 - (y - y0) : y - y0) * (dx == 0 ? 1 - (at_x - x0) : at_x - x0);
        sum += weight * image[(static_cast<Count>(sy) * shape.w + static_cast<Count>(sx)) * shape.c + c];
      }
    }
    return static_cast<std::uint8_t>(std::floor(sum + 0.5));
  }

  GUARDBIT_HD void operator()(Count i) const {
    const Position at = position(i);
    const SampleTransform& t = transforms[at.n];
    const auto y = static_cast<int>(at.y), column = static_cast<int>(at.x);
    const std::uint8_t* image = images + Count{t.sample} * shape.h * shape.w * shape.c;
    const bool cut = y >= t.cut_top && y < t.cut_top + t.cut_height && column >= t.cut_left &&
                     column < t.cut_left + t.cut_width;
    const int mirrored = t.flip ? shape.w - 1 - column : column;
    const int sy = y + t.shift_y, sx = mirrored + t.shift_x;
    const bool inside = !cut && sy >= 0 && sy < shape.h && sx >= 0 && sx < shape.w;
    const double centre_y = (shape.h - 1) / 2.0, centre_x = (shape.w - 1) / 2.0;
    const double ry = y - centre_y, rx = mirrored - centre_x;
    for (int c = 0; c < shape.c; ++c) {
      std::uint8_t pixel = 0;
      if (t.affine && !cut)
        pixel = interpolate(image, t.matrix[0] * ry + t.matrix[1] * rx + centre_y + t.shift_y,
                            t.matrix[2] * ry + t.matrix[3] * rx + centre_x + t.shift_x, c);
      else if (inside)
        pixel = image[(Count{sy} * shape.w + sx) * shape.c + c];
      x[i * shape.c + c] = t.colour.wanted ? static_cast<float>(pixel / 255.0) : table[c * 256 + pixel];
    }
  }
};

struct LoadLabel {
  const std::int32_t* labels;
  const SampleTransform* transforms;
  std::int32_t* y;
  GUARDBIT_HD void operator()(Count i) const { y[i] = labels[transforms[i].sample]; }
};

}  // namespace guardbit::trainer::cuda
