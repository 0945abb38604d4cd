// Changes of colour and per-image standardization: what back ends compute for one image, for a host and for a GPU.
// Formulas of TensorFlow's image operators, on real pixels in [0, 1] (byte / 255), in this order:
//
//   brightness  p + b
//   saturation  to hue, saturation, value; saturation * factor, cut to [0, 1]
//   hue         hue + h, modulo 1; one conversion with saturation, back to red, green, blue
//   contrast    (p - m) * factor + m, m: mean of the channel over the image
//   then cut to [0, 1], and only then the network's preprocessing, as real = (p * 255 * scale - mean) / std
//
// Standardization: (real - m) / max(s, 1 / sqrt(N)), m and s of all N values of the image. Everything is computed in
// double and rounded once per step; sums go over each row of the image, then over the rows: the same everywhere.
#pragma once

#include <cmath>

#include "trainer/backend.hpp"
#include "trainer/cuda/device_code.hpp"

namespace guardbit::trainer::colour {

GUARDBIT_HD inline double cut(double value, double low, double high) {
  return value < low ? low : value > high ? high : value;
}

[[nodiscard]] GUARDBIT_HD inline bool turns(const ColourChange& change) {
  return change.saturation != 1 || change.hue != 0;
}

/// Saturation and hue of one pixel; TensorFlow's rgb_to_hsv and hsv_to_rgb.
template <class Real>
GUARDBIT_HD void turn(const ColourChange& change, Real* pixel) {
  const double r = pixel[0], g = pixel[1], b = pixel[2];
  const double high = r > g ? (r > b ? r : b) : (g > b ? g : b);
  const double low = r < g ? (r < b ? r : b) : (g < b ? g : b);
  const double range = high - low;
  double hue = 0;
  if (range > 0) {
    if (r == high) hue = (g - b) / (6 * range);
    else if (g == high) hue = (b - r) / (6 * range) + 2 / 6.0;
    else hue = (r - g) / (6 * range) + 4 / 6.0;
  }
  hue += change.hue;
  hue = 6 * (hue - std::floor(hue));
  const double saturation = cut((high > 0 ? range / high : 0) * change.saturation, 0, 1);
  const auto part = [&](double share) {
    return static_cast<Real>((1 - saturation + saturation * cut(share, 0, 1)) * high);
  };
  pixel[0] = part(std::fabs(hue - 3) - 1);
  pixel[1] = part(2 - std::fabs(hue - 2));
  pixel[2] = part(2 - std::fabs(hue - 4));
}

/// What needs no other pixel: brightness, saturation, hue. Saturation and hue are for three channels.
template <class Real>
GUARDBIT_HD void begin_pixel(const ColourChange& change, int channels, Real* pixel) {
  for (int c = 0; c < channels; ++c) pixel[c] = static_cast<Real>(pixel[c] + change.brightness);
  if (turns(change)) turn(change, pixel);
}

/// Contrast around the mean of the channel, the cut, the network's preprocessing.
template <class Real>
[[nodiscard]] GUARDBIT_HD Real finish(const ColourChange& change, double channel_mean, Real pixel, double scale,
                                      double mean, double deviation) {
  const double value = cut((static_cast<double>(pixel) - channel_mean) * change.contrast + channel_mean, 0, 1);
  return static_cast<Real>((value * 255 * scale - mean) / deviation);
}

/// Sum of `count` values `step` apart, or of their squared distances from `centre`.
template <class Real>
[[nodiscard]] GUARDBIT_HD double sum(const Real* from, int count, int step) {
  double total = 0;
  for (int i = 0; i < count; ++i, from += step) total += static_cast<double>(*from);
  return total;
}
template <class Real>
[[nodiscard]] GUARDBIT_HD double squares(const Real* from, int count, double centre) {
  double total = 0;
  for (int i = 0; i < count; ++i) {
    const double distance = static_cast<double>(from[i]) - centre;
    total += distance * distance;
  }
  return total;
}

template <class Real>
[[nodiscard]] GUARDBIT_HD Real standardized(Real value, double mean, double squares, double count) {
  const double deviation = std::sqrt(squares / count), least = 1 / std::sqrt(count);
  return static_cast<Real>((static_cast<double>(value) - mean) / (deviation > least ? deviation : least));
}

}  // namespace guardbit::trainer::colour
