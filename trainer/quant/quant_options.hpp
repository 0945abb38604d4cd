// The `quantizer` section of a training configuration.
//
//   quantizer:
//     weights:    {type: affine, width: 8}          # rules of all layers; a list of maps is a chain (gradients only)
//     biases:     {type: dfp, width: 16}            # without it, biases are rounded to the accumulator alone
//     activation: {type: affine, width: 8, decay: 0.999}
//     gradient:   {weights: {type: dfp, width: 16}, error: {...}}
//     input:      {type: affine, width: 8}          # or fixed; by default like the activations, at least 8 bits
//     layers:     {conv0: {weights: {width: 4}}}    # of one layer: merged onto the rule above, or another `type`;
//                                                   # null removes it
//     update:     {interval: 100}                   # steps between new estimates of points
//     quant_delay: 0                                # steps before anything is quantized
//     freeze_bn_delay: N                            # steps until running statistics stand still; never without it
//     output_policy: tflite_double                  # or tflite_single, onnx_float
//     rounding: RND_CONV                            # of accumulators that are shifted
//
//   type            places                       keys (defaults) beside width (8), priority (0), enable, should_update
//   fixed           all                          point (1); gradients: stochastic (false; naive, ulp)
//   dfp             all                          overflow_rate (0); gradients: stochastic
//   affine          weights, activation          activation: decay (0.999); weights: per_channel (true)
//   lsq             weights, activation          grad_scale (true)
//   pact            activation                   alpha (10), decay (0.0002)
//   dorefa          weights, activation          activation: clip (1)
//   binary_connect  weights                      no width
//
// lsq, pact and dorefa say what a convolution reads behind relu. Where there is no relu, and for the scores, such a
// rule of all layers is replaced by affine of 8 bits; a rule that a layer names for itself is not (lsq is then signed).
#pragma once

#include <functional>
#include <map>

#include "nets/config/section.hpp"
#include "nets/quantize/layer_arithmetic.hpp"
#include "trainer/quant/quantizer.hpp"

namespace guardbit::trainer {

struct QuantSchedule {
  std::uint64_t interval = 100;
  std::uint64_t quant_delay = 0;
  std::optional<std::uint64_t> freeze_bn_delay;
};

/// What a layer is, as far as rules depend on it.
struct LayerTraits {
  std::string name;
  bool weighted = false;
  bool behind_relu = false;  // its output
  bool scores = false;
  std::int64_t weights = 0;   // elements
  std::int64_t elements = 0;  // of its output, one image
};

struct LayerQuantizers {
  std::unique_ptr<Quantizer> weights, biases, activation;  // biases may be absent
  QuantizerChain gradient_weights, gradient_error;
};

struct QuantOptions {
  QuantSchedule schedule;
  nets::ArithmeticPolicy policy;
  bool fixed_input = false;
  int input_width = 8;
  std::map<std::string, LayerQuantizers> layers;  // by name
};

/// `root`: the configuration with the section `quantizer`, resolved. Error for every mistake in it, naming its place.
[[nodiscard]] QuantOptions read_quant_options(const nets::Value& root, std::span<const LayerTraits> layers);

}  // namespace guardbit::trainer
