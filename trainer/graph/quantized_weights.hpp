// QuantizedWeights: the parameters of one weighted layer on their way to integers, and the gradient on its way back.
//
// With gamma, beta, mean, variance of a batch normalization behind the layer, f = gamma / sqrt(variance + epsilon):
//   folded weight = f * w, folded bias = beta + f * (b - mean); without one f = 1 and both are what they are.
// Rules that stand before folding see u = folded weight / |f|, and |f| becomes part of the scales.
#pragma once

#include "nets/quantize/record.hpp"
#include "trainer/quant/code_operators.hpp"
#include "trainer/quant/quantizer_state.hpp"

namespace guardbit::trainer {

/// The parameter as a graph reads it: for inference the average where one is kept.
[[nodiscard]] TensorView value_of(const Parameter& parameter, bool average);

/// The parameters as a graph reads them, on the host: one download for all.
class ParameterValues {
 public:
  ParameterValues(const Parameters& parameters, bool average)
      : block_(average && parameters.averages() ? parameters.averages() : parameters.values()), average_(average) {}
  void load(Backend& backend);
  /// As they were when load() was called.
  [[nodiscard]] std::vector<double> of(const Parameter& parameter) const;

 private:
  TensorView block_;
  bool average_;
  std::size_t element_bytes_ = 0;
  std::vector<double> numbers_;
};

/// A number that the optimizer trains, between its parameter and its quantizer.
class LearnedNumber {
 public:
  LearnedNumber() = default;
  LearnedNumber(const Parameters& parameters, const std::string& layer, Place place, Quantizer& quantizer);
  void load(Backend& backend, bool average) const;               // parameter -> quantizer
  void initialise(Backend& backend) const;                       // quantizer -> parameter, and its average
  void put_gradient(Backend& backend, double gradient) const;    // plus the quantizer's own penalty

 private:
  Quantizer* quantizer_ = nullptr;  // null: nothing is learned here
  Parameter parameter_;
};

class QuantizedWeights {
 public:
  /// `layer` of a folded network, `network` the one with batch normalization. `values` outlives this.
  QuantizedWeights(const nets::Network& network, const nets::IntegerLayer& layer, const Parameters& parameters,
                   const ParameterValues& values, LayerQuantizers& quantizers, bool average);

  /// Reads the values and decides the formats of weights and bias, which go to `record`. `estimate`: rules may
  /// update; `due`: in this step they should.
  void refresh(Backend& backend, const nets::Network& folded, nets::LayerRecord& record, bool estimate, bool due);

  /// From the gradients of the weights and biases that the layer computed with, to those of the parameters.
  void backward(Backend& backend, std::vector<double> weight_gradient, std::vector<double> bias_gradient, bool due,
                const RandomKey& key, const ChainWatch& watch = {});

  /// Moves the running statistics. `seen`: of the layer's output (bias included, before the activation function).
  void move_statistics(Backend& backend, const ChannelMoments& seen) const;

 private:
  struct BatchNorm {
    Parameter gamma, beta, mean, variance;
    double epsilon = 0, momentum = 0;
  };
  void backward_bias(Backend& backend, std::vector<double> gradient, std::vector<double>& dgamma) const;

  const ParameterValues& values_;
  LayerQuantizers& quantizers_;
  bool average_;
  Parameter weight_;
  std::optional<Parameter> bias_;
  std::optional<BatchNorm> norm_;
  LearnedNumber learned_;
  std::size_t channels_ = 0;
  // Of this step.
  std::vector<double> w_, b_;               // parameters; b_ zeros without bias
  std::vector<double> factor_, inverse_;    // f, and 1 / sqrt(variance + epsilon)
  std::vector<double> mean_;
  std::vector<double> before_, folded_bias_;  // what the rules see
};

}  // namespace guardbit::trainer
