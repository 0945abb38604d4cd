// Construction of a quantized graph: layers, formats, memory.
#include "trainer/graph/quantized_graph.hpp"

#include <algorithm>

#include "arith/error.hpp"
#include "nets/quantize/fill_layer.hpp"
#include "nets/quantize/quantize.hpp"
#include "trainer/host_backend.hpp"

namespace guardbit::trainer {

using nets::IntegerOp;

namespace {

Activation of_layer(const nets::Network& folded, const nets::IntegerLayer& layer) {
  switch (nets::activation_of(folded, layer)) {
    case arith::Activation::None: return Activation::None;
    case arith::Activation::Relu: return Activation::Relu;
    case arith::Activation::Relu6: return Activation::Relu6;
  }
  __builtin_unreachable();
}

}  // namespace

QuantizedGraph::QuantizedGraph(Backend& backend, const nets::Network& network, const Parameters& parameters,
                               QuantizerState& state, std::int64_t batch, bool training)
    : backend_(backend), state_(state), training_(training), batch_(batch), network_(network),
      folded_(nets::prepare_float(network)), values_(parameters, !training), integer_(state.structure()) {
  for (const Parameter& parameter : parameters.all())
    if (parameter.is_of_network) parameters_.push_back(parameter);
  record_.policy = state.policy();
  scheme_ = nets::make_recorded_scheme(record_);
  make_layers(network, parameters);
  plan();
}

void QuantizedGraph::make_layers(const nets::Network& network, const Parameters& parameters) {
  layers_.resize(integer_.layers.size());
  started_.resize(layers_.size());
  integer_.layers[0].output = state_.input_format();
  record_.layers[integer_.layers[0].name].output = state_.input_format();
  codes_ = backend_.make_code_operators(integer_, input_codes(integer_), batch_);
  for (std::size_t i = 1; i < layers_.size(); ++i) {
    const nets::IntegerLayer& layer = integer_.layers[i];
    Layer& mine = layers_[i];
    mine.activation = of_layer(folded_, layer);
    mine.wants_gradient = layer.weighted();
    for (const int j : layer.inputs) mine.wants_gradient |= of(j).wants_gradient;
    if (!nets::has_own_format(layer.op)) continue;
    mine.rules = &state_.layer(layer.name);
    mine.learned = LearnedNumber(parameters, layer.name, Place::Activation, *mine.rules->activation);
    if (!layer.weighted()) continue;
    mine.weights = std::make_unique<QuantizedWeights>(network, layer, parameters, values_, *mine.rules, !training_);
    mine.conv = std::get<nets::ConvAttributes>(folded_.node(nets::nodes_of(folded_, layer).first).attributes);
    if (!training_) continue;
    const auto& shape = layer.weight.shape;
    const nets::Shape inner{static_cast<int>(shape[1]), static_cast<int>(shape[2]), static_cast<int>(shape[3])};
    mine.weight = reserve(shape[0], inner);
    mine.weight_gradient = reserve(shape[0], inner);
    mine.bias_gradient = reserve(shape[0], {});
  }
}

TensorView QuantizedGraph::reserve(std::int64_t n, nets::Shape shape) {
  TensorView view{nullptr, Element::Real, n, shape};
  memory_.push_back(backend_.allocate(static_cast<std::size_t>(view.count()) * backend_.element_bytes(Element::Real)));
  view.data = memory_.back()->address();
  return view;
}

// Steps: forward of layer i at i, loss at `middle`, backward of layer i at 2 * middle - i.
void QuantizedGraph::plan() {
  const auto middle = static_cast<int>(layers_.size());
  const auto make = [&](int begin, int end, std::size_t bytes) {
    plan_.push_back({begin, end, bytes, 0});
    return static_cast<int>(plan_.size()) - 1;
  };
  std::vector<int> readers(layers_.size());
  std::size_t spare = 0;
  for (int i = 0; i < middle; ++i) {
    const nets::IntegerLayer& layer = integer_.layer(i);
    Layer& mine = of(i);
    const auto count = static_cast<std::size_t>(batch_ * layer.shape.count());
    const std::size_t bytes = count * backend_.element_bytes(Element::Real);
    const int own_backward = training_ ? 2 * middle - i : i;
    mine.value = make(i, own_backward, bytes);
    if (training_ && mine.rules != nullptr) mine.before = make(i, own_backward, bytes);
    if (training_ && mine.wants_gradient) mine.gradient = make(own_backward, own_backward, bytes);
    if (layer.op == IntegerOp::MaxPool)
      mine.index = make(i, own_backward, count * backend_.element_bytes(Element::Int32));
    for (const int j : layer.inputs) {
      Buffer& value = plan_[static_cast<std::size_t>(of(j).value)];
      value.end = std::max(value.end, i);
      const bool again = ++readers[static_cast<std::size_t>(j)] > 1;
      if (of(j).gradient < 0) continue;
      Buffer& gradient = plan_[static_cast<std::size_t>(of(j).gradient)];
      gradient.begin = std::min(gradient.begin, own_backward);
      if (again) spare = std::max(spare, gradient.bytes);
    }
  }
  plan_[static_cast<std::size_t>(of(integer_.output).value)].end =
      std::max(plan_[static_cast<std::size_t>(of(integer_.output).value)].end, middle);
  if (training_) plan_[static_cast<std::size_t>(of(integer_.output).gradient)].begin = middle;
  if (training_ && spare > 0) spare_ = make(middle, 2 * middle, spare);
  memory_.push_back(backend_.allocate(plan_memory(plan_)));
}

TensorView QuantizedGraph::at(int buffer, int layer, std::int64_t n, Element element) const {
  check(buffer >= 0, "quantized graph: a tensor without memory");
  return {static_cast<std::byte*>(memory_.back()->address()) + plan_[static_cast<std::size_t>(buffer)].offset, element,
          n, integer_.layer(layer).shape};
}

TensorView QuantizedGraph::value(int layer, std::int64_t n) const { return at(of(layer).value, layer, n); }

// The numbers of one layer, from the formats of its inputs, which are set.
void QuantizedGraph::refresh(int i, bool estimate) {
  Layer& mine = of(i);
  if (mine.rules != nullptr) {
    nets::LayerRecord& record = record_.layers[integer_.layer(i).name];
    if (mine.weights) mine.weights->refresh(backend_, folded_, record, estimate, state_.update_is_due());
    Quantizer& rule = *mine.rules->activation;
    mine.learned.load(backend_, !training_);
    // Before the first estimate any format will do: accumulators do not depend on it.
    record.output = rule.is_ready() ? rule.tensor_format() : integer_.layer(i).output;
  }
  if (i > 0) nets::fill_layer(integer_, i, folded_, *scheme_);
}

nets::QuantizationRecord QuantizedGraph::record() {
  if (!refresh_parameters()) throw Error("quantizer: a parameter is not finite");
  for (int i = 0; i < static_cast<int>(layers_.size()); ++i) {
    if (of(i).rules != nullptr && !of(i).rules->activation->is_ready())
      throw Error("quantizer: layer " + integer_.layer(i).name + ": no training step has estimated its activations");
    refresh(i, false);
  }
  return record_;
}

}  // namespace guardbit::trainer
