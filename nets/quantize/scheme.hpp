// A quantization scheme: which numbers stand for the tensors and weights of a float network. What integers and stages
// follow from that is nets/quantize/layer_arithmetic.hpp; the walk over the graph is quantize.cpp.
#pragma once

#include <memory>
#include <optional>

#include "nets/quantize/calibrate.hpp"
#include "nets/quantize/layer_arithmetic.hpp"
#include "nets/quantize/quantize_options.hpp"

namespace guardbit::nets {

// The layer that begins at node `first` and ends at node `last` (its activation; or the same).
struct LayerNodes {
  const Network& network;
  int first = 0, last = 0;
  [[nodiscard]] const std::string& name() const { return network.node(first).name; }
  // Represent every value that occurs: the input, and the scores, whether the network ends with them or with a softmax.
  [[nodiscard]] bool whole() const;
};

class Scheme {
 public:
  virtual ~Scheme() = default;

  [[nodiscard]] virtual TensorFormat tensor(const LayerNodes& layer) const = 0;
  // weight [K, R, S, C / groups], batch norm folded.
  [[nodiscard]] virtual WeightFormat weight(const LayerNodes& layer, const FloatTensor& weight) const = 0;
  // Biases are rounded to this before they become integers of the accumulator; nothing: they are not.
  [[nodiscard]] virtual std::optional<TensorFormat> bias(const LayerNodes&) const { return {}; }
  [[nodiscard]] virtual ArithmeticPolicy policy() const = 0;
  // Name for IntegerNetwork::output_policy.
  [[nodiscard]] virtual std::string output_policy() const = 0;
};

// From calibration: `statistics` of all nodes, which outlive the scheme.
[[nodiscard]] std::unique_ptr<Scheme> make_int8_scheme(const QuantizeOptions& options,
                                                       const std::vector<TensorStatistics>& statistics);
[[nodiscard]] std::unique_ptr<Scheme> make_fixed_scheme(const QuantizeOptions& options,
                                                        const std::vector<TensorStatistics>& statistics);

// The calibrated range of a tensor under the options' method.
[[nodiscard]] RealRange calibrated_range(const TensorStatistics& statistics, const QuantizeOptions& options,
                                         bool whole);

}  // namespace guardbit::nets
