// The integers of a layer from the formats around it: weight and bias codes, multipliers and stages.
//
// Where every format involved is fixed point (scales are powers of two), requantizing is a shift; otherwise it is a
// multiplication, as TensorFlow Lite does it (SPEC 5.1 to 5.4), for any width from 2 to 16 bits.
#pragma once

#include <string>

#include "arith/stages.hpp"
#include "nets/quantize/integer_network.hpp"
#include "nets/quantize/weight_format.hpp"

namespace guardbit::nets {

// What does not follow from formats.
struct ArithmeticPolicy {
  std::string output = "tflite_double";                  // of multiplications: tflite_double, tflite_single, onnx_float
  arith::Rounding rounding = arith::Rounding::RND_CONV;  // of shifts
};

[[nodiscard]] bool is_fixed_point(const TensorFormat& tensor);

// Fills weight_format, weight, weight_scales, bias, real_multipliers and stages of a layer whose `output` is set.
// weight [K, R, S, C / groups]; bias [K] or null. In the multiplying form a channel's scale is raised where its bias
// would leave 30 bits.
void set_weights(IntegerLayer& layer, const TensorFormat& input, const WeightFormat& format, const FloatTensor& weight,
                 const FloatTensor* bias, arith::Activation activation, const ArithmeticPolicy& policy);

// Fills input_stages and stages of an addition whose `output` is set.
void set_addition(IntegerLayer& layer, const std::vector<TensorFormat>& inputs, arith::Activation activation,
                  const ArithmeticPolicy& policy);

// Codes of one format into codes of another; empty when nothing changes.
[[nodiscard]] arith::StageList rescale(const TensorFormat& from, const TensorFormat& to, arith::Activation activation,
                                       const ArithmeticPolicy& policy);

}  // namespace guardbit::nets
