// A quantization scheme: which integers stand for the tensors and weights of a float network, and which stages lead
// from accumulators to codes. The walk over the graph (quantize.cpp) is the same for all schemes.
#pragma once

#include <memory>

#include "arith/stages.hpp"
#include "nets/quantize/calibrate.hpp"
#include "nets/quantize/integer_network.hpp"
#include "nets/quantize/quantize_options.hpp"

namespace guardbit::nets {

class Scheme {
 public:
  virtual ~Scheme() = default;

  // Format of a tensor with these statistics. `whole`: represent all of min..max (input and logits).
  [[nodiscard]] virtual TensorFormat tensor(const TensorStatistics& statistics, bool whole) const = 0;

  // Fills weight_format, weight, weight_scales, bias, real_multipliers and stages of a layer whose `output` is set.
  // weight [K, R, S, C / groups]; bias [K] or null.
  virtual void weights(IntegerLayer& layer, const TensorFormat& input, const FloatTensor& weight,
                       const FloatTensor* bias, arith::Activation activation) const = 0;

  // Fills input_stages and stages of an addition whose `output` is set.
  virtual void addition(IntegerLayer& layer, const std::vector<TensorFormat>& inputs,
                        arith::Activation activation) const = 0;

  // Codes of one format into codes of another; empty when nothing changes.
  [[nodiscard]] virtual arith::StageList rescale(const TensorFormat& from, const TensorFormat& to,
                                                 arith::Activation activation) const = 0;

  // Name for IntegerNetwork::output_policy.
  [[nodiscard]] virtual std::string output_policy() const = 0;
};

[[nodiscard]] std::unique_ptr<Scheme> make_int8_scheme(const QuantizeOptions& options);
[[nodiscard]] std::unique_ptr<Scheme> make_fixed_scheme(const QuantizeOptions& options);

// The calibrated range of a tensor under the options' method.
[[nodiscard]] RealRange calibrated_range(const TensorStatistics& statistics, const QuantizeOptions& options,
                                         bool whole);

}  // namespace guardbit::nets
