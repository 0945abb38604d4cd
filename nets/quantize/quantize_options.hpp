// How to convert a float network into an integer network.
#pragma once

#include <string>

#include "arith/modes.hpp"
#include "nets/config/section.hpp"
#include "nets/quantize/calibrate.hpp"

namespace guardbit::nets {

enum class QuantizeScheme : unsigned char {
  Int8,   // affine: per-channel symmetric weights, per-tensor asymmetric activations (SPEC 5)
  Fixed,  // fixed point; integer bits from the calibrated range
  Dfp,    // dynamic fixed point; integer bits from the overflow rate (SPEC 2.5)
};

struct QuantizeOptions {
  QuantizeScheme scheme = QuantizeScheme::Int8;
  int activation_bits = 8;
  int weight_bits = 8;
  CalibrationMethod method = CalibrationMethod::MinMax;
  double percentile = 99.99;
  double overflow_rate = 0.0;
  int images = 500;
  std::string output_policy = "tflite_double";           // of Int8: tflite_double, tflite_single, onnx_float
  arith::Rounding rounding = arith::Rounding::RND_CONV;  // of Fixed and Dfp, when the accumulator is shifted
  bool keep_softmax = false;                             // at the output; false: the network ends with the logits
};

// Keys, all optional:
//   scheme           int8, fixed, dfp
//   activation_bits  2 to 16 (8)
//   weight_bits      2 to 16 (8)
//   calibration      {method: min_max | percentile | mse, percentile: 50 to 100, overflow_rate: 0 to 1, images: 1 or
//                    more}
//   output_policy    tflite_double, tflite_single, onnx_float
//   rounding         a rounding mode of arith/modes.hpp
//   keep_softmax     true: a softmax at the output becomes a layer, by table; false (default): it is removed
// Other keys of the section are left to others: call done() when all is read.
[[nodiscard]] QuantizeOptions read_quantize_options(const Section& section);

}  // namespace guardbit::nets
