#include "trainer/quant/quantizer_state.hpp"

#include <algorithm>
#include <cmath>

#include "arith/error.hpp"
#include "nets/quantize/affine.hpp"
#include "nets/quantize/fill_layer.hpp"
#include "nets/quantize/quantize.hpp"

namespace guardbit::trainer {

namespace {

// Numbers for a structure that is not in use yet.
class ProvisionalScheme final : public nets::Scheme {
 public:
  nets::TensorFormat tensor(const nets::LayerNodes&) const override { return nets::affine_format(-1, 1, 8); }
  nets::WeightFormat weight(const nets::LayerNodes&, const nets::FloatTensor& weight) const override {
    return nets::symmetric_weights(weight, 8, true);
  }
  nets::ArithmeticPolicy policy() const override { return {}; }
  std::string output_policy() const override { return nets::ArithmeticPolicy{}.output; }
};

// The structure has what the float network can become; its batch norms all have to go into the layer before them.
void check_nodes(const nets::Network& network, const nets::Network& folded) {
  for (const nets::Node& node : network.nodes) {
    if (node.op == nets::Op::Softmax && folded.find(node.name))
      throw Error("quantizer: network " + network.name + ": softmax " + node.name +
                  ": found before other layers, allowed at the output");
    if (node.op != nets::Op::BatchNorm) continue;
    const nets::Op before = network.node(node.inputs[0]).op;
    const bool weighted = before == nets::Op::Conv2d || before == nets::Op::FullyConnected;
    if (!weighted || folded.find(node.name))
      throw Error("quantizer: network " + network.name + ": batch normalization " + node.name +
                  ": found behind something else, allowed behind a convolution or fully connected layer that nobody "
                  "else reads");
  }
}

std::vector<LayerTraits> traits_of(const nets::IntegerNetwork& network, const nets::Network& folded) {
  std::vector<LayerTraits> all;
  for (std::size_t i = 1; i < network.layers.size(); ++i) {
    const nets::IntegerLayer& layer = network.layers[i];
    if (!nets::has_own_format(layer.op)) continue;
    all.push_back({.name = layer.name,
                   .weighted = layer.weighted(),
                   .behind_relu = nets::activation_of(folded, layer) != arith::Activation::None,
                   .scores = static_cast<int>(i) == network.output,
                   .weights = static_cast<std::int64_t>(layer.weight.data.size()),
                   .elements = layer.shape.count()});
  }
  return all;
}

// Whatever a pixel can become.
nets::TensorFormat format_of_input(const nets::Preprocess& preprocess, int channels, const QuantOptions& options) {
  double low = 0, high = 0;
  for (int c = 0; c < channels; ++c) {
    for (const int pixel : {0, 255}) {
      const double real = preprocess.apply(static_cast<std::uint8_t>(pixel), c);
      low = std::min(low, real);
      high = std::max(high, real);
    }
  }
  if (!options.fixed_input) return nets::affine_format(low, high, options.input_width);
  return nets::fixed_tensor(options.input_width,
                            nets::point_for_maximum(std::max(-low, high), options.input_width));
}

// visit(place, quantizer) for all quantizers of a layer.
template <class Visit>
void for_quantizers(const LayerQuantizers& layer, const Visit& visit) {
  if (layer.weights) visit(Place::Weights, *layer.weights);
  if (layer.biases) visit(Place::Biases, *layer.biases);
  if (layer.activation) visit(Place::Activation, *layer.activation);
  for (const auto& quantizer : layer.gradient_weights.all()) visit(Place::GradientWeights, *quantizer);
  for (const auto& quantizer : layer.gradient_error.all()) visit(Place::GradientError, *quantizer);
}

std::string full_name(const std::string& layer, Place place, const Quantizer& quantizer, std::string_view what) {
  return layer + "." + std::string(name(place)) + "." + std::string(quantizer.type()) + "." + std::string(what);
}

}  // namespace

bool QuantizerState::is_wanted(const nets::Value& config) {
  const nets::Value* section = config.is_map() ? config.find("quantizer") : nullptr;
  return section != nullptr && !section->is_null();
}

QuantizerState::QuantizerState(const nets::Value& config, const nets::Network& network) {
  const nets::Network folded = nets::prepare_float(network);
  check_nodes(network, folded);
  structure_ = nets::convert(folded, ProvisionalScheme());
  options_ = read_quant_options(config, traits_of(structure_, folded));
  input_format_ = format_of_input(network.preprocess, network.node(0).shape.c, options_);
}

void QuantizerState::begin_step(std::uint64_t seed, std::uint64_t step) {
  seed_ = seed;
  step_ = step;
}

void QuantizerState::check_length(std::uint64_t steps) const {
  if (options_.schedule.quant_delay >= steps)
    throw Error("quantizer.quant_delay: found " + std::to_string(options_.schedule.quant_delay) + ", allowed 0 to " +
                std::to_string(steps - 1) + ": the training has " + std::to_string(steps) + " steps");
}

RandomKey QuantizerState::random_key(std::size_t layer, Place place) const {
  // Apart from the streams of dropout, which are numbers of nodes.
  const auto stream = static_cast<std::uint32_t>(0x80000000U + layer * 8 + static_cast<std::size_t>(place));
  return {seed_, step_, stream};
}

std::string QuantizerState::learned_name(const std::string& layer, Place place, const Quantizer& quantizer) {
  return full_name(layer, place, quantizer, quantizer.learned());
}

std::vector<std::string> QuantizerState::learned() const {
  std::vector<std::string> all;
  for (const auto& [name, layer] : options_.layers) {
    for_quantizers(layer, [&, &layer_name = name](Place place, const Quantizer& quantizer) {
      if (!quantizer.learned().empty()) all.push_back(learned_name(layer_name, place, quantizer));
    });
  }
  return all;
}

std::vector<Quantizer::State> QuantizerState::state() {
  std::vector<Quantizer::State> all;
  for (const auto& [name, layer] : options_.layers) {
    for_quantizers(layer, [&, &layer_name = name](Place place, Quantizer& quantizer) {
      for (const Quantizer::State& one : quantizer.state())
        all.push_back({full_name(layer_name, place, quantizer, one.name), one.value});
    });
  }
  return all;
}

void QuantizerState::clip_masters(Backend& backend, const Parameters& parameters) {
  if (!is_active()) return;
  for (const auto& [name, layer] : options_.layers) {
    if (!layer.weights || !layer.weights->clips_masters()) continue;
    const TensorView& weight = parameters.get(name + ".weight").value;
    std::vector<double> values = download_double(backend, weight);
    for (double& v : values) v = std::clamp(v, -1.0, 1.0);
    upload(backend, weight, std::span<const double>(values));
  }
}

}  // namespace guardbit::trainer
