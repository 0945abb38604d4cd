// Fixed point: scales are powers of two, zero points 0, so that requantizing is a shift.
//
// Activations have fx = activation_bits - point fraction bits, weights fw; the accumulator and the bias have fx + fw.
#include <algorithm>
#include <cmath>

#include "nets/quantize/fixed_point.hpp"
#include "nets/quantize/output_policy.hpp"
#include "nets/quantize/scheme.hpp"

namespace guardbit::nets {
namespace {

TensorFormat tensor_of(int width, int point) {
  TensorFormat tensor;
  tensor.format = fixed_format(width, point);
  tensor.scale = std::ldexp(1.0, point - width);
  return tensor;
}

int frac(const TensorFormat& tensor) { return tensor.format.frac_bits(); }

class FixedScheme final : public Scheme {
 public:
  explicit FixedScheme(const QuantizeOptions& options) : options_(options) {}

  TensorFormat tensor(const TensorStatistics& statistics, bool whole) const override {
    const int width = options_.activation_bits;
    if (options_.scheme == QuantizeScheme::Dfp && !whole) {
      // A tensor of zeros has no overflow rate; any point will do, and the widest is what SPEC 2.4 falls through to.
      return tensor_of(width, statistics.points()->point_for_rate(options_.overflow_rate).value_or(width));
    }
    const RealRange range = calibrated_range(statistics, options_, whole);
    return tensor_of(width, point_for_maximum(std::max(std::abs(range.low), std::abs(range.high)), width));
  }

  void weights(IntegerLayer& layer, const TensorFormat& input, const FloatTensor& weight, const FloatTensor* bias,
               arith::Activation activation) const override {
    const int width = options_.weight_bits;
    const int point = weight_point(weight);
    layer.weight_format = fixed_format(width, point);
    layer.weight = IntTensor(weight.shape);
    for (std::size_t i = 0; i < weight.data.size(); ++i) {
      layer.weight.data[i] = static_cast<std::int32_t>(fixed_code(weight.data[i], width, point));
    }
    layer.weight_scales = {std::ldexp(1.0, point - width)};
    const int accumulator_frac = frac(input) + layer.weight_format.frac_bits();
    if (bias != nullptr) {
      for (const float b : bias->data) layer.bias.push_back(fixed_code(b, kBiasBits, kBiasBits - accumulator_frac));
    }
    layer.stages = shifted(accumulator_frac, layer.output, activation);
  }

  // Inputs are shifted left to the finest of their fractions, so the sum is exact.
  void addition(IntegerLayer& layer, const std::vector<TensorFormat>& inputs,
                arith::Activation activation) const override {
    int finest = frac(inputs[0]);
    for (const TensorFormat& input : inputs) finest = std::max(finest, frac(input));
    for (const TensorFormat& input : inputs) {
      layer.input_stages.emplace_back();
      if (frac(input) != finest) layer.input_stages.back().push_back(arith::ShiftLeft{finest - frac(input)});
    }
    layer.stages = shifted(finest, layer.output, activation);
  }

  arith::StageList rescale(const TensorFormat& from, const TensorFormat& to,
                           arith::Activation activation) const override {
    if (from == to && activation == arith::Activation::None) return {};
    return shifted(frac(from), to, activation);
  }

  std::string output_policy() const override { return "pow2"; }

 private:
  static constexpr int kBiasBits = 56;

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

  arith::StageList shifted(int from_frac, const TensorFormat& to, arith::Activation activation) const {
    return arith::pow2(output_spec(to, {}, activation), from_frac - frac(to), options_.rounding);
  }

  QuantizeOptions options_;
};

}  // namespace

std::unique_ptr<Scheme> make_fixed_scheme(const QuantizeOptions& options) {
  return std::make_unique<FixedScheme>(options);
}

}  // namespace guardbit::nets
