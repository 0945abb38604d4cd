// Initial values of parameters.
#include <cmath>

#include "arith/philox.hpp"
#include "nets/graph/load.hpp"

namespace guardbit::nets {
namespace {

FloatTensor he_normal(const ParameterSpec& spec, arith::Random random) {
  FloatTensor tensor(spec.shape);
  const std::int64_t fan_in = tensor.count() / spec.shape.at(0);
  const double deviation = std::sqrt(2.0 / static_cast<double>(fan_in));
  for (float& value : tensor.data) value = static_cast<float>(deviation * random.normal());
  return tensor;
}

}  // namespace

void initialise(Network& network, std::uint64_t seed) {
  network.parameters.clear();
  std::uint64_t position = 0;  // in the list of all parameters: the generator's stream
  for (const ParameterSpec& spec : parameter_specs(network)) {
    if (spec.name.ends_with(".weight")) {
      network.parameters[spec.name] = he_normal(spec, arith::Random(seed, position));
    } else {
      FloatTensor tensor(spec.shape);
      const bool one = spec.name.ends_with(".gamma") || spec.name.ends_with(".variance");
      for (float& value : tensor.data) value = one ? 1.0F : 0.0F;
      network.parameters[spec.name] = std::move(tensor);
    }
    ++position;
  }
}

}  // namespace guardbit::nets
