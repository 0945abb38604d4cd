#include "trainer/graph/quantized_weights.hpp"

#include <algorithm>
#include <cmath>

namespace guardbit::trainer {

namespace {

constexpr double kSmallestFactor = 1e-30;  // a channel with gamma = 0 has scales, too

}  // namespace

TensorView value_of(const Parameter& parameter, bool average) {
  return average && parameter.average ? parameter.average : parameter.value;
}

void ParameterValues::load(Backend& backend) {
  element_bytes_ = backend.element_bytes(Element::Real);
  numbers_ = download_double(backend, block_);
}

std::vector<double> ParameterValues::of(const Parameter& parameter) const {
  const TensorView view = value_of(parameter, average_);
  const auto offset = static_cast<const std::byte*>(view.data) - static_cast<const std::byte*>(block_.data);
  const auto first = numbers_.begin() + offset / static_cast<std::ptrdiff_t>(element_bytes_);
  return {first, first + view.count()};
}

LearnedNumber::LearnedNumber(const Parameters& parameters, const std::string& layer, Place place,
                             Quantizer& quantizer) {
  if (quantizer.learned().empty()) return;
  quantizer_ = &quantizer;
  parameter_ = parameters.get(QuantizerState::learned_name(layer, place, quantizer));
}

void LearnedNumber::load(Backend& backend, bool average) const {
  if (quantizer_ != nullptr && quantizer_->is_ready())
    quantizer_->set_learned(download_double(backend, value_of(parameter_, average))[0]);
}

void LearnedNumber::initialise(Backend& backend) const {
  if (quantizer_ == nullptr) return;
  const double first = quantizer_->initial_learned();
  upload(backend, parameter_.value, std::span(&first, 1));
  if (parameter_.average) upload(backend, parameter_.average, std::span(&first, 1));
  load(backend, false);  // as the device holds it
}

void LearnedNumber::put_gradient(Backend& backend, double gradient) const {
  if (quantizer_ == nullptr) return;
  const double all = gradient + quantizer_->learned_decay();
  upload(backend, parameter_.gradient, std::span(&all, 1));
}

QuantizedWeights::QuantizedWeights(const nets::Network& network, const nets::IntegerLayer& layer,
                                   const Parameters& parameters, const ParameterValues& values,
                                   LayerQuantizers& quantizers, bool average)
    : values_(values), quantizers_(quantizers), average_(average), weight_(parameters.get(layer.name + ".weight")),
      learned_(parameters, layer.name, Place::Weights, *quantizers.weights),
      channels_(static_cast<std::size_t>(layer.shape.c)) {
  const int node = *network.find(layer.name);
  if (std::get<nets::ConvAttributes>(network.node(node).attributes).bias) bias_ = parameters.get(layer.name + ".bias");
  for (const nets::Node& other : network.nodes) {
    if (other.op != nets::Op::BatchNorm || other.inputs[0] != node) continue;
    const auto& attributes = std::get<nets::BatchNormAttributes>(other.attributes);
    norm_ = {parameters.get(other.name + ".gamma"), parameters.get(other.name + ".beta"),
             parameters.get(other.name + ".mean"), parameters.get(other.name + ".variance"), attributes.epsilon,
             attributes.momentum};
  }
}

void QuantizedWeights::refresh(Backend& backend, const nets::Network& folded, nets::LayerRecord& record, bool estimate,
                               bool due) {
  w_ = values_.of(weight_);
  b_ = bias_ ? values_.of(*bias_) : std::vector<double>(channels_, 0.0);
  factor_.assign(channels_, 1.0);
  inverse_.assign(channels_, 1.0);
  mean_.assign(channels_, 0.0);
  if (norm_) {
    const std::vector<double> gamma = values_.of(norm_->gamma), variance = values_.of(norm_->variance);
    mean_ = values_.of(norm_->mean);
    for (std::size_t k = 0; k < channels_; ++k) {
      inverse_[k] = 1 / std::sqrt(variance[k] + norm_->epsilon);
      factor_[k] = gamma[k] * inverse_[k];
    }
  }
  const std::string name = weight_.name.substr(0, weight_.name.size() - std::string_view(".weight").size());
  const std::vector<float>& folded_weight = folded.parameter(weight_.name).data;
  before_.assign(folded_weight.begin(), folded_weight.end());
  Quantizer& rule = *quantizers_.weights;
  std::vector<double> outside(channels_, 1.0);  // |f| where it is not in the weights
  if (rule.is_before_folding() && norm_) {
    const std::size_t size = before_.size() / channels_;
    for (std::size_t k = 0; k < channels_; ++k) outside[k] = std::max(std::abs(factor_[k]), kSmallestFactor);
    for (std::size_t i = 0; i < before_.size(); ++i) before_[i] /= outside[i / size];
  }
  const auto update = [&](Quantizer& quantizer, const std::vector<double>& values) {
    if (!estimate || !quantizer.wants_update(due)) return false;
    Observation seen = quantizer.observation();
    seen.observe(values);
    quantizer.update(seen);
    return true;
  };
  const bool first = !rule.is_ready();
  learned_.load(backend, average_);
  if (update(rule, before_) && first) learned_.initialise(backend);
  rule.prepare(before_, static_cast<std::int64_t>(channels_));
  record.weight = rule.weight_format();
  if (rule.is_before_folding() && norm_) {
    std::vector<double> scales;
    for (std::size_t k = 0; k < channels_; ++k) scales.push_back(record.weight->scale(k) * outside[k]);
    record.weight->scales = std::move(scales);
  }
  record.bias.reset();
  const auto bias = folded.parameters.find(name + ".bias");
  folded_bias_.clear();
  if (bias == folded.parameters.end()) return;
  folded_bias_.assign(bias->second.data.begin(), bias->second.data.end());
  if (!quantizers_.biases || !quantizers_.biases->enabled()) return;
  update(*quantizers_.biases, folded_bias_);
  record.bias = quantizers_.biases->tensor_format();
}

void QuantizedWeights::backward(Backend& backend, std::vector<double> weight_gradient,
                                std::vector<double> bias_gradient, bool due, const RandomKey& key,
                                const ChainWatch& watch) {
  quantize_gradient(quantizers_.gradient_weights, due, key, weight_gradient, watch);
  const std::size_t size = w_.size() / channels_;
  const Quantizer& rule = *quantizers_.weights;
  const bool outside = rule.is_before_folding() && norm_;
  std::vector<double> dgamma(channels_, 0.0), dw = weight_gradient;
  if (outside) {
    std::vector<double> rounded(w_.size());
    rule.forward(before_, rounded, {}, 0);
    for (std::size_t i = 0; i < dw.size(); ++i) {
      const double sign = factor_[i / size] < 0 ? -1 : 1;
      dgamma[i / size] += weight_gradient[i] * rounded[i] * sign * inverse_[i / size];
      dw[i] *= std::abs(factor_[i / size]);
    }
  }
  learned_.put_gradient(backend, rule.backward(before_, dw, dw));
  for (std::size_t i = 0; i < dw.size(); ++i) {
    const std::size_t k = i / size;
    if (!outside) dgamma[k] += dw[i] * w_[i] * inverse_[k];
    dw[i] *= outside ? (factor_[k] < 0 ? -1 : 1) : factor_[k];
  }
  upload(backend, weight_.gradient, std::span<const double>(dw));
  if (!folded_bias_.empty()) backward_bias(backend, std::move(bias_gradient), dgamma);
  if (norm_) upload(backend, norm_->gamma.gradient, std::span<const double>(dgamma));
}

void QuantizedWeights::backward_bias(Backend& backend, std::vector<double> gradient,
                                     std::vector<double>& dgamma) const {
  if (quantizers_.biases && quantizers_.biases->enabled())
    quantizers_.biases->backward(folded_bias_, gradient, gradient);
  if (norm_) upload(backend, norm_->beta.gradient, std::span<const double>(gradient));
  for (std::size_t k = 0; k < channels_; ++k) {
    dgamma[k] += gradient[k] * (b_[k] - mean_[k]) * inverse_[k];
    gradient[k] *= factor_[k];
  }
  if (bias_) upload(backend, bias_->gradient, std::span<const double>(gradient));
}

void QuantizedWeights::move_statistics(Backend& backend, const ChannelMoments& seen) const {
  if (!norm_) return;
  const std::vector<double> beta = values_.of(norm_->beta);
  std::vector<double> mean = mean_, variance = values_.of(norm_->variance);
  const auto n = static_cast<double>(seen.count);
  const double keep = norm_->momentum, unbiased = n > 1 ? n / (n - 1) : 1;
  for (std::size_t k = 0; k < channels_; ++k) {
    if (std::abs(factor_[k]) < kSmallestFactor) continue;  // nothing of the input is seen through such a channel
    const double input_mean = (seen.mean[k] - beta[k]) / factor_[k] + mean_[k];
    const double input_variance = seen.variance[k] / (factor_[k] * factor_[k]);
    mean[k] = keep * mean[k] + (1 - keep) * input_mean;
    variance[k] = keep * variance[k] + (1 - keep) * input_variance * unbiased;
  }
  upload(backend, norm_->mean.value, std::span<const double>(mean));
  upload(backend, norm_->variance.value, std::span<const double>(variance));
}

}  // namespace guardbit::trainer
