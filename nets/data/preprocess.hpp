// Pixel bytes -> real network input. Part of a data set's description and of a network's.
#pragma once

#include <cstdint>
#include <vector>

namespace guardbit::nets {

class Section;

/// real = (pixel * scale - mean[c]) / std[c]. `mean` and `std` have one entry, or one per channel. `standardize: image`
/// then makes every image (real - m) / max(s, 1 / sqrt(N)), with mean m and standard deviation s of its N values:
/// TensorFlow's per_image_standardization. No input format of integers can say that, so only float networks take it.
struct Preprocess {
  double scale = 1.0 / 255.0;
  std::vector<double> mean{0.0};
  std::vector<double> std{1.0};
  bool standardize = false;

  /// Computed in double, rounded once; without `standardize`.
  float apply(std::uint8_t pixel, int channel) const;
  friend bool operator==(const Preprocess&, const Preprocess&) = default;
};
Preprocess read_preprocess(const Section& section);

}  // namespace guardbit::nets
