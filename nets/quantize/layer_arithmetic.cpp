// Multiplying and shifting forms of layers.
#include "nets/quantize/layer_arithmetic.hpp"

#include <algorithm>
#include <cmath>

#include "nets/quantize/fixed_point.hpp"
#include "nets/quantize/output_policy.hpp"

namespace guardbit::nets {
namespace {

constexpr double kMaxBias = 1 << 30;  // half of int32, so that the bias leaves room for the sum
constexpr int kFixedBiasBits = 56;

int frac(const TensorFormat& tensor) { return tensor.format.frac_bits(); }

bool all_fixed_point(const std::vector<TensorFormat>& tensors) {
  return std::all_of(tensors.begin(), tensors.end(), is_fixed_point);
}

void multiplied_weights(IntegerLayer& layer, const TensorFormat& input, const WeightFormat& format,
                        const FloatTensor& weight, const FloatTensor* bias, arith::Activation activation,
                        const ArithmeticPolicy& policy) {
  const auto channels = static_cast<std::size_t>(weight.shape[0]);
  for (std::size_t k = 0; k < channels; ++k) {
    const double offset = bias == nullptr ? 0.0 : bias->data[k];
    const double scale = std::max(format.scale(k), std::abs(offset) / (input.scale * kMaxBias));
    if (bias != nullptr) layer.bias.push_back(std::llround(offset / (input.scale * scale)));
    layer.weight_scales.push_back(scale);
    layer.real_multipliers.push_back(input.scale * scale / layer.output.scale);
  }
  layer.weight = weight_codes(format, layer.weight_scales, weight);
  layer.stages = policy_stages(policy.output, output_spec(layer.output, layer.real_multipliers, activation));
}

arith::StageList shifted(int from_frac, const TensorFormat& to, arith::Activation activation,
                         const ArithmeticPolicy& policy) {
  return arith::pow2(output_spec(to, {}, activation), from_frac - frac(to), policy.rounding);
}

// The accumulator and the bias have the fraction bits of the input and the weights together.
void shifted_weights(IntegerLayer& layer, const TensorFormat& input, const WeightFormat& format,
                     const FloatTensor& weight, const FloatTensor* bias, arith::Activation activation,
                     const ArithmeticPolicy& policy) {
  const auto channels = static_cast<std::size_t>(weight.shape[0]);
  layer.weight = weight_codes(format, std::vector<double>(channels, format.scale(0)), weight);
  layer.weight_scales = format.scales;
  const int accumulator_frac = frac(input) + format.format.frac_bits();
  if (bias != nullptr) {
    for (const float b : bias->data) {
      layer.bias.push_back(fixed_code(b, kFixedBiasBits, kFixedBiasBits - accumulator_frac));
    }
  }
  layer.stages = shifted(accumulator_frac, layer.output, activation, policy);
}

// SPEC 5.4: inputs are shifted left and brought to the scale 2 * max(S_i) / 2^shift, added, and brought to S_y.
void multiplied_addition(IntegerLayer& layer, const std::vector<TensorFormat>& inputs, arith::Activation activation) {
  int width = layer.output.format.width;
  double largest = 0;
  for (const TensorFormat& input : inputs) {
    width = std::max(width, input.format.width);
    largest = std::max(largest, input.scale);
  }
  const int shift = width <= 8 ? 20 : 15;
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

// Inputs are shifted left to the finest of their fractions, so the sum is exact.
void shifted_addition(IntegerLayer& layer, const std::vector<TensorFormat>& inputs, arith::Activation activation,
                      const ArithmeticPolicy& policy) {
  int finest = frac(inputs[0]);
  for (const TensorFormat& input : inputs) finest = std::max(finest, frac(input));
  for (const TensorFormat& input : inputs) {
    layer.input_stages.emplace_back();
    if (frac(input) != finest) layer.input_stages.back().push_back(arith::ShiftLeft{finest - frac(input)});
  }
  layer.stages = shifted(finest, layer.output, activation, policy);
}

}  // namespace

bool is_fixed_point(const TensorFormat& tensor) {
  return tensor.format.kind == arith::Kind::Fixed && tensor.zero_point == 0 &&
         tensor.scale == std::ldexp(1.0, -tensor.format.frac_bits());
}

void set_weights(IntegerLayer& layer, const TensorFormat& input, const WeightFormat& format, const FloatTensor& weight,
                 const FloatTensor* bias, arith::Activation activation, const ArithmeticPolicy& policy) {
  layer.weight_format = format.format;
  layer.weight_scales.clear();
  layer.bias.clear();
  layer.real_multipliers.clear();
  const bool fixed_weights = format.mapping == WeightMapping::Uniform && format.scales.size() == 1 &&
                             is_fixed_point({format.format, format.scales[0], 0});
  const bool shifts = fixed_weights && all_fixed_point({input, layer.output});
  (shifts ? shifted_weights : multiplied_weights)(layer, input, format, weight, bias, activation, policy);
}

void set_addition(IntegerLayer& layer, const std::vector<TensorFormat>& inputs, arith::Activation activation,
                  const ArithmeticPolicy& policy) {
  layer.input_stages.clear();
  if (all_fixed_point(inputs) && is_fixed_point(layer.output)) {
    shifted_addition(layer, inputs, activation, policy);
  } else {
    multiplied_addition(layer, inputs, activation);
  }
}

arith::StageList rescale(const TensorFormat& from, const TensorFormat& to, arith::Activation activation,
                         const ArithmeticPolicy& policy) {
  if (from == to && activation == arith::Activation::None) return {};
  if (is_fixed_point(from) && is_fixed_point(to)) return shifted(frac(from), to, activation, policy);
  arith::StageList stages;
  if (from.zero_point != 0) stages.push_back(arith::Subtract{from.zero_point});
  for (const arith::Stage& stage : arith::tflite_double(output_spec(to, {from.scale / to.scale}, activation))) {
    stages.push_back(stage);
  }
  return stages;
}

}  // namespace guardbit::nets
