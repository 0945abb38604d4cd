// What a pass of a quantized graph shows to those who watch it. Nothing here changes a result.
#include <algorithm>
#include <cmath>

#include "nets/quantize/quantize.hpp"
#include "trainer/graph/host_codes.hpp"
#include "trainer/graph/quantized_graph.hpp"

namespace guardbit::trainer {

namespace {

std::vector<std::int64_t> dimensions(const TensorView& view) {
  return {view.n, view.shape.h, view.shape.w, view.shape.c};
}

RuleValues begin(const nets::IntegerLayer& layer, Place place, std::string_view rule) {
  RuleValues values;
  values.layer = layer.name;
  values.place = place;
  values.rule = rule;
  return values;
}

std::vector<double> behind(Activation activation, std::vector<double> x) {
  if (activation == Activation::None) return x;
  for (double& v : x) v = activation == Activation::Relu6 ? std::clamp(v, 0.0, 6.0) : std::max(v, 0.0);
  return x;
}

// The codes of reals that are multiples of the scale already.
void take_codes(RuleValues& values, const nets::TensorFormat& format, const std::vector<double>& after) {
  values.format = format.format;
  values.scales = {format.scale};
  values.zero_point = format.zero_point;
  values.codes.resize(after.size());
  std::transform(after.begin(), after.end(), values.codes.begin(),
                 [&](double v) { return std::llround(v / format.scale) + format.zero_point; });
}

}  // namespace

void QuantizedGraph::show_output(int i, const TensorView& before) {
  if (!watch_) return;
  const nets::IntegerLayer& layer = integer_.layer(i);
  const Layer& mine = of(i);
  RuleValues values = begin(layer, Place::Activation, "input");
  values.shape = dimensions(before);
  values.before = download_double(backend_, before);
  if (i > 0) {
    values.quantizer = mine.rules->activation.get();
    values.rule = values.quantizer->type();
    if (!values.quantizer->is_before_activation()) values.before = behind(mine.activation, std::move(values.before));
  }
  const nets::IntTensor codes = codes_->codes(i);
  values.codes.assign(codes.data.begin(), codes.data.end());
  values.format = layer.output.format;
  values.scales = {layer.output.scale};
  values.zero_point = layer.output.zero_point;
  watch_(values);
}

void QuantizedGraph::show_parameters(int i) {
  if (!watch_) return;
  const nets::IntegerLayer& layer = integer_.layer(i);
  const LayerQuantizers& rules = *of(i).rules;
  const nets::WeightFormat& format = *record_.layers[layer.name].weight;
  RuleValues weights = begin(layer, Place::Weights, rules.weights->type());
  weights.quantizer = rules.weights.get();
  weights.shape = layer.weight.shape;
  const std::vector<float>& folded = folded_.parameter(layer.name + ".weight").data;
  weights.before.assign(folded.begin(), folded.end());
  weights.codes.assign(layer.weight.data.begin(), layer.weight.data.end());
  weights.format = layer.weight_format;
  weights.rounding = format.rounding;
  weights.scales = layer.weight_scales;
  weights.uniform = format.mapping == nets::WeightMapping::Uniform;
  watch_(weights);
  if (layer.bias.empty()) return;
  RuleValues biases = begin(layer, Place::Biases, "accumulator");
  const std::vector<float>& bias = folded_.parameter(layer.name + ".bias").data;
  biases.shape = {static_cast<std::int64_t>(bias.size())};
  biases.before.assign(bias.begin(), bias.end());
  if (rules.biases && rules.biases->enabled()) {
    biases.quantizer = rules.biases.get();
    biases.rule = biases.quantizer->type();
    std::vector<double> after(bias.size());
    biases.quantizer->forward(biases.before, after, {}, 0);
    take_codes(biases, biases.quantizer->tensor_format(), after);
  } else {
    biases.codes = layer.bias;
    biases.format = exact_accumulation(integer_, layer).accumulator.format;
    biases.scales = layer.weight_scales;
    for (double& scale : biases.scales) scale *= integer_.layer(layer.inputs[0]).output.scale;
  }
  watch_(biases);
}

ChainWatch QuantizedGraph::chain_watch(int i, Place place, std::vector<std::int64_t> shape) const {
  if (!watch_) return {};
  return [this, i, place, shape = std::move(shape)](Quantizer& rule, std::vector<double> before,
                                                    const std::vector<double>& after) {
    RuleValues values = begin(integer_.layer(i), place, rule.type());
    values.quantizer = &rule;
    values.shape = shape;
    values.before = std::move(before);
    take_codes(values, rule.tensor_format(), after);
    watch_(values);
  };
}

ChainWatch QuantizedGraph::error_watch(int i, const TensorView& dy) const {
  return chain_watch(i, Place::GradientError, dimensions(dy));
}

ChainWatch QuantizedGraph::weight_gradient_watch(int i) const {
  return chain_watch(i, Place::GradientWeights, integer_.layer(i).weight.shape);
}

}  // namespace guardbit::trainer
