// Bodies that change the colours of loaded images and standardize them (trainer/colour.hpp).
#pragma once

#include "trainer/colour.hpp"
#include "trainer/cuda/device_code.hpp"

namespace guardbit::trainer::cuda {

/// One body per pixel [n, H, W]: what a change of colour does without other pixels.
struct BeginColour {
  Count pixels;  // of an image
  int channels;
  const SampleTransform* transforms;
  float* x;
  GUARDBIT_HD void operator()(Count i) const {
    const ColourChange& change = transforms[i / pixels].colour;
    if (change.wanted) colour::begin_pixel(change, channels, x + i * channels);
  }
};

/// One body per row and channel [n, H, C]: sums of rows.
struct ChannelRows {
  int width, channels;
  const float* x;
  double* rows;
  GUARDBIT_HD void operator()(Count i) const {
    rows[i] = colour::sum(x + i / channels * width * channels + i % channels, width, channels);
  }
};

/// One body per image and channel [n, C].
struct ChannelMeans {
  int height, width, channels;
  const double* rows;
  double* means;
  GUARDBIT_HD void operator()(Count i) const {
    const double* from = rows + i / channels * height * channels + i % channels;
    means[i] = colour::sum(from, height, channels) / static_cast<double>(Count{height} * width);
  }
};

/// One body per element [n, H, W, C]: contrast, and the preprocessing that PixelTable makes otherwise.
struct FinishColour {
  Count size;  // of an image
  int channels;
  const SampleTransform* transforms;
  const double* means;
  double scale;
  const double* statistics;  // mean [C], deviation [C]
  float* x;
  GUARDBIT_HD void operator()(Count i) const {
    const ColourChange& change = transforms[i / size].colour;
    if (!change.wanted) return;
    const Count c = i % channels;
    x[i] = colour::finish(change, means[i / size * channels + c], x[i], scale, statistics[c], statistics[channels + c]);
  }
};

/// One body per row [n, H]: sums of rows, and, with `means`, of squared distances from the image's mean.
struct ImageRows {
  int height, width;  // width: values of a row
  const float* x;
  const double* means;
  double* rows;
  GUARDBIT_HD void operator()(Count i) const {
    const float* from = x + i * width;
    rows[i] = means != nullptr ? colour::squares(from, width, means[i / height]) : colour::sum(from, width, 1);
  }
};

/// One body per image: rows are added in their order, then divided.
struct ImageSums {
  int height;
  double divisor;
  const double* rows;
  double* sums;
  GUARDBIT_HD void operator()(Count i) const { sums[i] = colour::sum(rows + i * height, height, 1) / divisor; }
};

/// One body per element.
struct StandardizeImage {
  Count size;  // of an image
  const double* means;
  const double* squares;
  float* x;
  GUARDBIT_HD void operator()(Count i) const {
    x[i] = colour::standardized(x[i], means[i / size], squares[i / size], static_cast<double>(size));
  }
};

}  // namespace guardbit::trainer::cuda
