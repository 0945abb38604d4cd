// Affine quantization as TensorFlow Lite does it (SPEC 5.1 to 5.4), for any width from 2 to 16 bits.
#include <algorithm>
#include <cmath>

#include "nets/quantize/affine.hpp"
#include "nets/quantize/output_policy.hpp"
#include "nets/quantize/scheme.hpp"

namespace guardbit::nets {
namespace {

constexpr double kMaxBias = 1 << 30;  // half of int32, so that the bias leaves room for the sum

class Int8Scheme final : public Scheme {
 public:
  explicit Int8Scheme(const QuantizeOptions& options) : options_(options) {}

  TensorFormat tensor(const TensorStatistics& statistics, bool whole) const override {
    const RealRange range = calibrated_range(statistics, options_, whole);
    return affine_format(range.low, range.high, options_.activation_bits);
  }

  void weights(IntegerLayer& layer, const TensorFormat& input, const FloatTensor& weight, const FloatTensor* bias,
               arith::Activation activation) const override {
    layer.weight_format = arith::integer_format(options_.weight_bits, true, arith::Overflow::SAT_SYM);
    layer.weight = IntTensor(weight.shape);
    const auto channels = static_cast<std::size_t>(weight.shape[0]);
    const std::size_t size = weight.data.size() / channels;
    for (std::size_t k = 0; k < channels; ++k) {
      const auto values = std::span(weight.data).subspan(k * size, size);
      const double offset = bias == nullptr ? 0.0 : bias->data[k];
      const double scale = channel_scale(values, offset, input.scale);
      const double limit = std::ldexp(1.0, options_.weight_bits - 1) - 1;
      for (std::size_t i = 0; i < size; ++i) {
        layer.weight.data[k * size + i] =
            static_cast<std::int32_t>(std::clamp(std::round(values[i] / scale), -limit, limit));
      }
      if (bias != nullptr) layer.bias.push_back(std::llround(offset / (input.scale * scale)));
      layer.weight_scales.push_back(scale);
      layer.real_multipliers.push_back(input.scale * scale / layer.output.scale);
    }
    layer.stages = policy_stages(options_.output_policy, output_spec(layer.output, layer.real_multipliers, activation));
  }

  // SPEC 5.4: inputs are shifted left and brought to the scale 2 * max(S_i) / 2^shift, added, and brought to S_y.
  void addition(IntegerLayer& layer, const std::vector<TensorFormat>& inputs,
                arith::Activation activation) const override {
    const int shift = options_.activation_bits <= 8 ? 20 : 15;
    double largest = 0;
    for (const TensorFormat& input : inputs) largest = std::max(largest, input.scale);
    for (const TensorFormat& input : inputs) {
      arith::StageList stages;
      if (input.zero_point != 0) stages.push_back(arith::Subtract{input.zero_point});
      stages.push_back(arith::ShiftLeft{shift});
      arith::OutputSpec spec;
      spec.real_multipliers = {input.scale / (2 * largest)};
      spec.format = arith::integer_format(32);
      for (const arith::Stage& stage : arith::tflite_double(spec)) stages.push_back(stage);
      layer.input_stages.push_back(stages);
    }
    const double multiplier = 2 * largest / (std::ldexp(1.0, shift) * layer.output.scale);
    layer.stages = arith::tflite_double(output_spec(layer.output, {multiplier}, activation));
  }

  arith::StageList rescale(const TensorFormat& from, const TensorFormat& to,
                           arith::Activation activation) const override {
    if (from == to && activation == arith::Activation::None) return {};
    arith::StageList stages;
    if (from.zero_point != 0) stages.push_back(arith::Subtract{from.zero_point});
    for (const arith::Stage& stage : arith::tflite_double(output_spec(to, {from.scale / to.scale}, activation))) {
      stages.push_back(stage);
    }
    return stages;
  }

  std::string output_policy() const override { return options_.output_policy; }

 private:
  // Symmetric, but never so fine that the bias leaves int32.
  double channel_scale(std::span<const float> values, double bias, double input_scale) const {
    double largest = 0;
    for (const float w : values) largest = std::max<double>(largest, std::abs(w));
    return std::max(symmetric_scale(largest, options_.weight_bits), std::abs(bias) / (input_scale * kMaxBias));
  }

  QuantizeOptions options_;
};

}  // namespace

RealRange calibrated_range(const TensorStatistics& statistics, const QuantizeOptions& options, bool whole) {
  if (whole || options.method == CalibrationMethod::MinMax) return statistics.min_max();
  return options.method == CalibrationMethod::Percentile ? statistics.percentile(options.percentile)
                                                         : statistics.least_square_error(options.activation_bits);
}

std::unique_ptr<Scheme> make_int8_scheme(const QuantizeOptions& options) {
  return std::make_unique<Int8Scheme>(options);
}

}  // namespace guardbit::nets
