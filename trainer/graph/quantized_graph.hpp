// QuantizedGraph: training and inference on integers. The forward pass of a batch computes the codes of the integer
// network that `guardbit quantize` makes of the same parameters, on the device that the tensors are on
// (CodeOperators); what backward operators need as reals are those codes times their scales. Weights, rules and formats
// are the host's.
//
// The structure of the integer network is made once. In every pass batch normalization is folded with its running
// statistics, and the numbers of each layer are filled in just before it runs. In training, rules that are not ready
// take their first estimate from the batch at hand; other estimates hold from the next step on.
// Gradients go straight through rounding, with the masks of the rules (trainer/quant). Dropout is left out.
#pragma once

#include "nets/engines/engine.hpp"
#include "trainer/graph/memory_plan.hpp"
#include "trainer/graph/quantized_weights.hpp"

namespace guardbit::trainer {

class QuantizedGraph {
 public:
  /// Everything passed in outlives the graph. `training`: with a backward pass; otherwise averages are read where they
  /// are kept.
  QuantizedGraph(Backend& backend, const nets::Network& network, const Parameters& parameters, QuantizerState& state,
                 std::int64_t batch, bool training);

  /// input: Real [n, H, W, C]. Scores that are not numbers when a parameter is not.
  void forward(const TensorView& input, std::int64_t n);
  void backward(std::int64_t n);
  [[nodiscard]] TensorView scores(std::int64_t n) const { return value(integer_.output, n); }
  [[nodiscard]] TensorView score_gradient(std::int64_t n) const { return gradient(integer_.output, n); }

  /// The network of the last pass, and its codes.
  [[nodiscard]] const nets::IntegerNetwork& network() const { return integer_; }
  [[nodiscard]] nets::RunResult codes() const;  // a copy; no layers before the first pass
  [[nodiscard]] TensorView value(int layer, std::int64_t n) const;  // codes as reals
  /// Formats for the parameters as they are now; all rules are ready, that is, a training step has been taken.
  [[nodiscard]] nets::QuantizationRecord record();
  /// From now on every pass of a graph for training shows what stands before and behind its rules, in the order of the
  /// pass: input, then of each layer weights, biases, output; backward, last layer first, errors, weight gradients.
  void watch(RuleWatch watch) { watch_ = std::move(watch); }

 private:
  struct Layer {
    int value = -1, before = -1, gradient = -1, index = -1;  // in plan_; before: what the rule of the output sees
    bool wants_gradient = false;
    LayerQuantizers* rules = nullptr;  // of layers with a format of their own, but the input
    Activation activation = Activation::None;
    std::unique_ptr<QuantizedWeights> weights;
    LearnedNumber learned;             // of the activation
    nets::ConvAttributes conv;
    TensorView weight, weight_gradient, bias_gradient;  // Real
  };

  void make_layers(const nets::Network& network, const Parameters& parameters);
  void plan();
  [[nodiscard]] TensorView reserve(std::int64_t n, nets::Shape shape);
  [[nodiscard]] TensorView at(int buffer, int layer, std::int64_t n, Element element = Element::Real) const;
  [[nodiscard]] TensorView gradient(int layer, std::int64_t n) const { return at(of(layer).gradient, layer, n); }
  [[nodiscard]] Layer& of(int layer) { return layers_[static_cast<std::size_t>(layer)]; }
  [[nodiscard]] const Layer& of(int layer) const { return layers_[static_cast<std::size_t>(layer)]; }

  bool refresh_parameters();  // false: one is not finite
  void refresh(int i, bool estimate);
  void forward_layer(int i, std::int64_t n);
  void forward_weighted(int i, std::int64_t n);
  void fill_before(int i, std::int64_t n);
  void estimate(int i, std::int64_t n);
  void show_output(int i, const TensorView& before);
  void show_parameters(int i);
  [[nodiscard]] ChainWatch chain_watch(int i, Place place, std::vector<std::int64_t> shape) const;
  [[nodiscard]] ChainWatch error_watch(int i, const TensorView& dy) const;
  [[nodiscard]] ChainWatch weight_gradient_watch(int i) const;

  template <class Write>
  void contribute(int layer, std::int64_t n, Write write);
  void backward_layer(int i, std::int64_t n);
  void backward_weighted(int i, std::int64_t n);

  Backend& backend_;
  QuantizerState& state_;
  bool training_;
  RuleWatch watch_;  // empty: nobody looks
  std::int64_t batch_;
  nets::Network network_, folded_;  // with the parameters of this pass
  std::vector<Parameter> parameters_;
  ParameterValues values_;  // of this pass
  nets::QuantizationRecord record_;
  std::unique_ptr<nets::Scheme> scheme_;  // of record_
  nets::IntegerNetwork integer_;
  std::unique_ptr<CodeOperators> codes_;
  bool has_codes_ = false;  // of a pass
  std::vector<Layer> layers_;
  std::vector<Buffer> plan_;
  int spare_ = -1;
  std::vector<std::unique_ptr<Memory>> memory_;
  std::vector<char> started_;  // layers whose gradient has its first contribution
};

}  // namespace guardbit::trainer
