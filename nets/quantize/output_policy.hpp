// The output side of weighted layers as one of arith's presets.
#pragma once

#include <string>

#include "arith/stages.hpp"
#include "nets/quantize/integer_network.hpp"

namespace guardbit::nets {

[[nodiscard]] arith::OutputSpec output_spec(const TensorFormat& output, std::vector<double> real_multipliers,
                                            arith::Activation activation);

// tflite_double, tflite_single or onnx_float; anything else is an Error.
[[nodiscard]] arith::StageList policy_stages(const std::string& policy, const arith::OutputSpec& spec);

// Rebuilds the stages of all weighted layers from their real multipliers; their activation functions (relu, or a clamp
// that starts at 0) are kept. Error for a network without real multipliers or an unknown policy.
void set_output_policy(IntegerNetwork& network, const std::string& policy);

}  // namespace guardbit::nets
