// Reading of quantization options.
#include "nets/quantize/quantize_options.hpp"

namespace guardbit::nets {

QuantizeOptions read_quantize_options(const Section& section) {
  QuantizeOptions options;
  options.scheme = section.one_of<QuantizeScheme>(
      "scheme", {{"int8", QuantizeScheme::Int8}, {"fixed", QuantizeScheme::Fixed}, {"dfp", QuantizeScheme::Dfp}},
      options.scheme);
  options.activation_bits = static_cast<int>(section.integer("activation_bits", 2, 16, options.activation_bits));
  options.weight_bits = static_cast<int>(section.integer("weight_bits", 2, 16, options.weight_bits));
  const Section calibration = section.section_or_empty("calibration");
  options.method = calibration.one_of<CalibrationMethod>("method",
                                                         {{"min_max", CalibrationMethod::MinMax},
                                                          {"percentile", CalibrationMethod::Percentile},
                                                          {"mse", CalibrationMethod::Mse}},
                                                         options.method);
  options.percentile = calibration.number("percentile", 50, 100, options.percentile);
  options.overflow_rate = calibration.number("overflow_rate", 0, 1, options.overflow_rate);
  options.images = static_cast<int>(calibration.integer("images", 1, 1'000'000, options.images));
  options.output_policy =
      section.choice("output_policy", {"tflite_double", "tflite_single", "onnx_float"}, options.output_policy);
#define X(id, meaning) {#id, arith::Rounding::id},
  options.rounding = section.one_of<arith::Rounding>("rounding", {GUARDBIT_ROUNDING_MODES(X)}, options.rounding);
#undef X
  options.keep_softmax = section.boolean("keep_softmax", options.keep_softmax);
  return options;
}

}  // namespace guardbit::nets
