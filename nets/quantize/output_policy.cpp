// Output policies.
#include "nets/quantize/output_policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "arith/error.hpp"

namespace guardbit::nets {
namespace {

// What the stages of a weighted layer do besides scaling.
void read_activation(const arith::StageList& stages, arith::OutputSpec& spec) {
  for (const arith::Stage& stage : stages) {
    if (std::holds_alternative<arith::Relu>(stage)) spec.activation = arith::Activation::Relu;
    if (const auto* clamp = std::get_if<arith::Clamp>(&stage); clamp != nullptr && clamp->low == 0 && clamp->high) {
      spec.activation = arith::Activation::Relu6;
      spec.relu6_code = *clamp->high;
    }
  }
}

}  // namespace

arith::OutputSpec output_spec(const TensorFormat& output, std::vector<double> real_multipliers,
                              arith::Activation activation) {
  arith::OutputSpec spec;
  spec.real_multipliers = std::move(real_multipliers);
  spec.zero_point = output.zero_point;
  spec.format = arith::integer_format(output.format.width, output.format.is_signed);
  spec.activation = activation;
  // A bound beyond the format is no bound; held so that it fits 64 bits for any scale.
  spec.relu6_code = static_cast<std::int64_t>(std::min(std::round(6.0 / output.scale), 0x1p31));
  return spec;
}

arith::StageList policy_stages(const std::string& policy, const arith::OutputSpec& spec) {
  if (policy == "tflite_double") return arith::tflite_double(spec);
  if (policy == "tflite_single") return arith::tflite_single(spec);
  if (policy == "onnx_float") return arith::onnx_float(spec);
  throw Error(fmt::format("output policy: found '{}', allowed tflite_double, tflite_single, onnx_float", policy));
}

void set_output_policy(IntegerNetwork& network, const std::string& policy) {
  for (IntegerLayer& layer : network.layers) {
    if (!layer.weighted()) continue;
    if (layer.real_multipliers.empty()) {
      throw Error(fmt::format("layer {}: no real multipliers to derive output policy {} from", layer.name, policy));
    }
    arith::OutputSpec spec = output_spec(layer.output, layer.real_multipliers, arith::Activation::None);
    read_activation(layer.stages, spec);
    layer.stages = policy_stages(policy, spec);
  }
  network.output_policy = policy;
}

}  // namespace guardbit::nets
