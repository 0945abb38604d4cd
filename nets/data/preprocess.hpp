// Pixel bytes -> real network input. Part of a data set's description and of a network's.
#pragma once

#include <cstdint>
#include <vector>

namespace guardbit::nets {

class Section;

/// real = (pixel * scale - mean[c]) / std[c]. `mean` and `std` have one entry, or one per channel.
struct Preprocess {
  double scale = 1.0 / 255.0;
  std::vector<double> mean{0.0};
  std::vector<double> std{1.0};

  /// Computed in double, rounded once.
  float apply(std::uint8_t pixel, int channel) const;
  friend bool operator==(const Preprocess&, const Preprocess&) = default;
};
Preprocess read_preprocess(const Section& section);

}  // namespace guardbit::nets
