// Affine quantization as TensorFlow Lite does it (SPEC 5.1): activations per tensor, weights symmetric per channel.
#include <algorithm>
#include <cmath>

#include "nets/quantize/affine.hpp"
#include "nets/quantize/scheme.hpp"

namespace guardbit::nets {
namespace {

class Int8Scheme final : public Scheme {
 public:
  Int8Scheme(const QuantizeOptions& options, const std::vector<TensorStatistics>& statistics)
      : options_(options), statistics_(statistics) {}

  TensorFormat tensor(const LayerNodes& layer) const override {
    const TensorStatistics& statistics = statistics_.at(static_cast<std::size_t>(layer.last));
    const RealRange range = calibrated_range(statistics, options_, layer.whole());
    return affine_format(range.low, range.high, options_.activation_bits);
  }

  WeightFormat weight(const LayerNodes&, const FloatTensor& weight) const override {
    return symmetric_weights(weight, options_.weight_bits, true);
  }

  ArithmeticPolicy policy() const override { return {.output = options_.output_policy, .rounding = options_.rounding}; }
  std::string output_policy() const override { return options_.output_policy; }

 private:
  QuantizeOptions options_;
  const std::vector<TensorStatistics>& statistics_;
};

}  // namespace

RealRange calibrated_range(const TensorStatistics& statistics, const QuantizeOptions& options, bool whole) {
  if (whole || options.method == CalibrationMethod::MinMax) return statistics.min_max();
  return options.method == CalibrationMethod::Percentile ? statistics.percentile(options.percentile)
                                                         : statistics.least_square_error(options.activation_bits);
}

std::unique_ptr<Scheme> make_int8_scheme(const QuantizeOptions& options,
                                         const std::vector<TensorStatistics>& statistics) {
  return std::make_unique<Int8Scheme>(options, statistics);
}

}  // namespace guardbit::nets
