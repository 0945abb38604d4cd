#include "trainer/graph/parameters.hpp"

#include "arith/error.hpp"
#include "trainer/host_backend.hpp"

namespace guardbit::trainer {

namespace {

// Every parameter starts on a 64-byte boundary in float.
std::int64_t padded(std::int64_t count) { return (count + 15) / 16 * 16; }

TensorView part(const Backend& backend, const TensorView& block, std::int64_t first, const Parameter& parameter) {
  const auto dimension = [&](std::size_t i) { return i < parameter.shape.size() ? parameter.shape[i] : 1; };
  TensorView view{static_cast<std::byte*>(block.data) +
                      static_cast<std::size_t>(first) * backend.element_bytes(Element::Real),
                  Element::Real, dimension(0), {}};
  view.shape = {static_cast<int>(dimension(1)), static_cast<int>(dimension(2)), static_cast<int>(dimension(3))};
  return view;
}

}  // namespace

TensorView Parameters::reserve(Backend& backend, std::int64_t count) {
  memory_.push_back(backend.allocate(static_cast<std::size_t>(count) * backend.element_bytes(Element::Real)));
  return {memory_.back()->address(), Element::Real, count, {}};
}

Parameters::Parameters(Backend& backend, const nets::Network& network, const ParameterOptions& options) {
  std::int64_t total = 0, trainable = 0;
  for (const nets::Node& node : network.nodes) {
    for (const nets::ParameterSpec& spec : nets::parameter_specs(network, node)) {
      const nets::FloatTensor& tensor = network.parameter(spec.name);
      if (tensor.shape != spec.shape || static_cast<std::int64_t>(tensor.data.size()) != tensor.count())
        throw Error("network " + network.name + ": parameter " + spec.name + " has the wrong shape");
      Parameter& parameter = all_.emplace_back();
      parameter.name = spec.name;
      parameter.shape = spec.shape;
      parameter.trainable = spec.trainable;
      total += padded(tensor.count());
      if (spec.trainable) trainable += padded(tensor.count());
    }
  }
  for (const std::string& name : options.learned) {
    Parameter& parameter = all_.emplace_back();
    parameter.name = name;
    parameter.shape = {1};
    parameter.is_of_network = false;
    total += padded(1);
    trainable += padded(1);
  }
  values_ = reserve(backend, total);
  if (options.average) averages_ = reserve(backend, total);
  TensorView states[2];
  if (options.training) {
    gradients_ = reserve(backend, trainable);
    for (int i = 0; i < options.states; ++i) states[i] = reserve(backend, trainable);
  }
  std::int64_t first = 0, first_trainable = 0;
  for (Parameter& parameter : all_) {
    const nets::FloatTensor zero({1});
    const nets::FloatTensor& tensor = parameter.is_of_network ? network.parameter(parameter.name) : zero;
    parameter.value = part(backend, values_, first, parameter);
    upload(backend, parameter.value, std::span<const float>(tensor.data));
    if (averages_) {
      parameter.average = part(backend, averages_, first, parameter);
      upload(backend, parameter.average, std::span<const float>(tensor.data));
    }
    first += padded(tensor.count());
    if (!parameter.trainable || !gradients_) continue;
    parameter.gradient = part(backend, gradients_, first_trainable, parameter);
    for (int i = 0; i < options.states; ++i) parameter.state[i] = part(backend, states[i], first_trainable, parameter);
    first_trainable += padded(tensor.count());
  }
}

const Parameter& Parameters::get(std::string_view name) const {
  for (const Parameter& parameter : all_)
    if (parameter.name == name) return parameter;
  check(false, "no such parameter");
  return all_.front();
}

void Parameters::store(Backend& backend, nets::Network& network) const {
  for (const Parameter& parameter : all_) {
    if (!parameter.is_of_network) continue;
    nets::FloatTensor& tensor = network.parameters[parameter.name];
    tensor.shape = parameter.shape;
    tensor.data = download(backend, parameter.average ? parameter.average : parameter.value);
  }
}

}  // namespace guardbit::trainer
