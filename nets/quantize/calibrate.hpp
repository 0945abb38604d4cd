// Calibration: what values the tensors of a float network take on sample images, and which range to represent.
//
// One pass over the images. All statistics are minima, maxima and counts, so they do not depend on batches, order or
// threads. The histogram has one bin per sign, exponent and 7 mantissa bits (a float's upper 16 bits): 0.8 % wide at
// any magnitude, no range needed beforehand.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "nets/graph/network.hpp"
#include "nets/quantize/fixed_point.hpp"

namespace guardbit::nets {

enum class CalibrationMethod : unsigned char {
  MinMax,      // all values
  Percentile,  // from the (100 - P)th to the Pth percentile
  Mse,         // the fraction of min..max (both ends scaled alike) with the least mean square error
};

struct RealRange {
  double low = 0, high = 0;
  friend constexpr bool operator==(const RealRange&, const RealRange&) = default;
};

class TensorStatistics {
 public:
  // point_width: count overflows of fixed-point formats of that width (0: do not).
  explicit TensorStatistics(int point_width = 0);
  // Error, with `where`, for a value that is not finite.
  void observe(std::span<const float> values, const std::string& where);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] RealRange min_max() const { return count_ == 0 ? RealRange{} : RealRange{min_, max_}; }
  // Percentile P in (50, 100], to the precision of a bin; never outside min_max().
  [[nodiscard]] RealRange percentile(double percent) const;
  // For `bits`-bit codes.
  [[nodiscard]] RealRange least_square_error(int bits) const;
  [[nodiscard]] const std::optional<PointCounts>& points() const { return points_; }

 private:
  struct Bin {
    double value = 0, width = 0;
    std::uint64_t count = 0;
  };
  [[nodiscard]] std::vector<Bin> bins() const;  // those with a count, ascending by value

  double min_ = 0, max_ = 0;
  std::uint64_t count_ = 0;
  std::vector<std::uint64_t> histogram_;
  std::optional<PointCounts> points_;
};

// Statistics of every node's output over images [N, H, W, C] (preprocessed).
[[nodiscard]] std::vector<TensorStatistics> calibrate(const Network& network, const FloatTensor& images,
                                                      int point_width = 0, int threads = 1);

}  // namespace guardbit::nets
