// Parameters of a network on a device: values, and for training gradients, optimizer state and a moving average. Each
// of these is one block of memory, so that clipping and averaging are one call.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/backend.hpp"

namespace guardbit::trainer {

struct Parameter {
  std::string name;
  std::vector<std::int64_t> shape;
  bool trainable = true;
  bool is_of_network = true;
  TensorView value, average;           // average: absent when none is kept
  TensorView gradient, state[2];       // absent unless trainable and training
  [[nodiscard]] bool is_small() const { return shape.size() <= 1; }  // biases and batch normalization
};

struct ParameterOptions {
  bool training = false;
  int states = 0;        // optimizer tensors per parameter
  bool average = false;  // moving average of the values
  std::vector<std::string> learned = {};  // single numbers beside those of the network, 0 at first
};

class Parameters {
 public:
  /// Values from network.parameters; Error when one is absent or of the wrong shape.
  Parameters(Backend& backend, const nets::Network& network, const ParameterOptions& options);

  [[nodiscard]] const Parameter& get(std::string_view name) const;
  [[nodiscard]] const std::vector<Parameter>& all() const { return all_; }
  [[nodiscard]] std::vector<Parameter>& all() { return all_; }
  /// All values, averages or gradients as one tensor.
  [[nodiscard]] TensorView values() const { return values_; }
  [[nodiscard]] TensorView averages() const { return averages_; }
  [[nodiscard]] TensorView gradients() const { return gradients_; }

  /// Values (or averages, when kept) -> network.parameters; those that are of the network.
  void store(Backend& backend, nets::Network& network) const;

 private:
  TensorView reserve(Backend& backend, std::int64_t count);

  std::vector<Parameter> all_;
  std::vector<std::unique_ptr<Memory>> memory_;
  TensorView values_, averages_, gradients_;
};

}  // namespace guardbit::trainer
