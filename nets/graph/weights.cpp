// Parameters from and to files.
#include "nets/graph/weights.hpp"

#include <fmt/format.h>

#include "arith/error.hpp"
#include "nets/graph/detail/weight_report.hpp"
#include "nets/graph/detail/pytorch_weights.hpp"
#include "nets/io/npy.hpp"
#include "nets/io/safetensors.hpp"

namespace guardbit::nets {
namespace {

void load_own(Network& network, const NamedArrays& arrays, const std::string& file) {
  detail::WeightReport report(arrays, file);
  std::map<std::string, FloatTensor> parameters;
  for (const ParameterSpec& spec : parameter_specs(network)) {
    if (const Array* array = report.take(spec.name, spec.shape)) {
      FloatTensor tensor(spec.shape);
      tensor.data = array->as<float>(file + ": " + spec.name);
      parameters[spec.name] = std::move(tensor);
    }
  }
  report.finish(network.name);
  network.parameters = std::move(parameters);
}

}  // namespace

void load_weights(Network& network, const std::filesystem::path& file) {
  const std::string extension = file.extension().string();
  if (extension == ".safetensors") return load_own(network, read_safetensors(file).tensors, file.string());
  if (extension == ".npz") return detail::load_pytorch(network, read_npz(file), file.string());
  throw Error(fmt::format("{}: found a file of type \"{}\", allowed weights: .safetensors or .npz", file.string(),
                          extension));
}

void save_weights(const Network& network, const std::filesystem::path& file) {
  check_parameters(network);
  TensorFile tensors;
  for (const auto& [name, tensor] : network.parameters) {
    tensors.tensors.emplace_back(name, Array::from(tensor.shape, tensor.data));
  }
  write_safetensors(file, tensors);
}

}  // namespace guardbit::nets
