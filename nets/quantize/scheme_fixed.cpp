// Fixed point: scales are powers of two, zero points 0, so that requantizing is a shift.
#include <algorithm>
#include <cmath>

#include "nets/quantize/fixed_point.hpp"
#include "nets/quantize/scheme.hpp"

namespace guardbit::nets {
namespace {

class FixedScheme final : public Scheme {
 public:
  FixedScheme(const QuantizeOptions& options, const std::vector<TensorStatistics>& statistics)
      : options_(options), statistics_(statistics) {}

  TensorFormat tensor(const LayerNodes& layer) const override {
    const TensorStatistics& statistics = statistics_.at(static_cast<std::size_t>(layer.last));
    const int width = options_.activation_bits;
    if (options_.scheme == QuantizeScheme::Dfp && !layer.whole()) {
      // A tensor of zeros has no overflow rate; any point will do, and the widest is what SPEC 2.4 falls through to.
      return fixed_tensor(width, statistics.points()->point_for_rate(options_.overflow_rate).value_or(width));
    }
    const RealRange range = calibrated_range(statistics, options_, layer.whole());
    return fixed_tensor(width, point_for_maximum(std::max(std::abs(range.low), std::abs(range.high)), width));
  }

  WeightFormat weight(const LayerNodes&, const FloatTensor& weight) const override {
    return fixed_weights(options_.weight_bits, weight_point(weight));
  }

  ArithmeticPolicy policy() const override { return {.output = options_.output_policy, .rounding = options_.rounding}; }
  std::string output_policy() const override { return "pow2"; }

 private:
  int weight_point(const FloatTensor& weight) const {
    if (options_.scheme == QuantizeScheme::Dfp) {
      PointCounts counts(options_.weight_bits);
      counts.observe(weight.data);
      return counts.point_for_rate(options_.overflow_rate).value_or(options_.weight_bits);
    }
    double largest = 0;
    for (const float w : weight.data) largest = std::max<double>(largest, std::abs(w));
    return point_for_maximum(largest, options_.weight_bits);
  }

  QuantizeOptions options_;
  const std::vector<TensorStatistics>& statistics_;
};

}  // namespace

std::unique_ptr<Scheme> make_fixed_scheme(const QuantizeOptions& options,
                                          const std::vector<TensorStatistics>& statistics) {
  return std::make_unique<FixedScheme>(options, statistics);
}

}  // namespace guardbit::nets
