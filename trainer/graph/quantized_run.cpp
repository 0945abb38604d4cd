// One step of a quantized graph: forward on integers, backward on reals.
#include <algorithm>
#include <cmath>
#include <limits>

#include "nets/quantize/quantize.hpp"
#include "trainer/graph/quantized_graph.hpp"
#include "trainer/host_backend.hpp"

namespace guardbit::trainer {

using nets::IntegerOp;

namespace {

TensorView flat(TensorView view) {
  view.shape = {1, 1, static_cast<int>(view.shape.count())};
  return view;
}

}  // namespace

bool QuantizedGraph::refresh_parameters() {
  values_.load(backend_);
  for (const Parameter& parameter : parameters_) {
    nets::FloatTensor& tensor = network_.parameters[parameter.name];
    const std::vector<double> values = values_.of(parameter);
    std::transform(values.begin(), values.end(), tensor.data.begin(), [](double v) { return static_cast<float>(v); });
    if (!std::all_of(tensor.data.begin(), tensor.data.end(), [](float v) { return std::isfinite(v); })) return false;
  }
  folded_ = nets::prepare_float(network_);
  return true;
}

void QuantizedGraph::forward(const TensorView& input, std::int64_t n) {
  check(n <= batch_, "quantized graph: more images than planned");
  if (!refresh_parameters()) return backend_.fill(scores(n), std::numeric_limits<double>::quiet_NaN());
  codes_->input(input);
  codes_->dequantize(0, value(0, n));
  has_codes_ = true;
  if (training_) show_output(0, input);
  for (int i = 1; i < static_cast<int>(layers_.size()); ++i) forward_layer(i, n);
}

nets::RunResult QuantizedGraph::codes() const {
  nets::RunResult run;
  for (int i = 0; has_codes_ && i < static_cast<int>(layers_.size()); ++i) {
    run.layers.emplace_back();
    run.layers.back().codes = codes_->codes(i);
  }
  return run;
}

void QuantizedGraph::forward_layer(int i, std::int64_t n) {
  const nets::IntegerLayer& layer = integer_.layer(i);
  Layer& mine = of(i);
  if (mine.weights) return forward_weighted(i, n);
  const bool has_rule = mine.rules != nullptr;
  if (training_ && has_rule) {
    fill_before(i, n);
    if (!mine.rules->activation->is_ready()) estimate(i, n);
  }
  refresh(i, training_);
  codes_->run(i, false);
  codes_->dequantize(i, value(i, n));
  if (training_ && has_rule) {
    estimate(i, n);
    show_output(i, at(mine.before, i, n));
  }
  if (layer.op == IntegerOp::MaxPool)  // the same maxima again, for their places
    backend_.max_pool_forward(layer.window, value(layer.inputs[0], n), value(i, n),
                              at(mine.index, i, n, Element::Int32));
}

// The reals that the rule of an operator without weights sees.
void QuantizedGraph::fill_before(int i, std::int64_t n) {
  const nets::IntegerLayer& layer = integer_.layer(i);
  const TensorView before = at(of(i).before, i, n);
  if (layer.op == IntegerOp::Add) {
    backend_.add(value(layer.inputs[0], n), value(layer.inputs[1], n), before);
    for (std::size_t k = 2; k < layer.inputs.size(); ++k) backend_.accumulate(value(layer.inputs[k], n), before);
  } else if (layer.op == IntegerOp::Concat) {
    int channel = 0;
    for (const int j : layer.inputs) {
      const TensorView x = value(j, n);
      backend_.copy_region({.height = x.shape.h, .width = x.shape.w, .channels = x.shape.c, .to_c = channel}, x,
                           before);
      channel += x.shape.c;
    }
  } else {
    backend_.copy(value(layer.inputs[0], n), before);
  }
}

void QuantizedGraph::forward_weighted(int i, std::int64_t n) {
  const nets::IntegerLayer& layer = integer_.layer(i);
  Layer& mine = of(i);
  refresh(i, training_);
  codes_->run(i, training_);
  if (training_) {
    std::vector<double> scales = layer.weight_scales;
    for (double& scale : scales) scale *= integer_.layer(layer.inputs[0]).output.scale;
    const TensorView before = at(mine.before, i, n);
    codes_->accumulators_to_real(i, scales, before);
    if (!mine.rules->activation->is_ready()) {
      estimate(i, n);
      refresh(i, false);
      codes_->requantize(i);
    } else {
      estimate(i, n);
    }
    if (state_.statistics_move()) mine.weights->move_statistics(backend_, codes_->channel_moments(before));
  }
  codes_->dequantize(i, value(i, n));
  if (training_) {
    show_parameters(i);
    show_output(i, at(mine.before, i, n));
  }
}

// Lets the rule of the output learn from the batch, where it wants to. The format in use stays as it is.
void QuantizedGraph::estimate(int i, std::int64_t n) {
  Layer& mine = of(i);
  Quantizer& rule = *mine.rules->activation;
  const bool first = !rule.is_ready();
  if (state_.is_frozen() && !first) return;
  if (!rule.wants_update(state_.update_is_due())) return;
  rule.update(codes_->observe(rule, mine.activation, at(mine.before, i, n)));
  if (first && rule.is_ready()) mine.learned.initialise(backend_);
}

void QuantizedGraph::backward(std::int64_t n) {
  check(training_, "quantized graph: backward of a graph for inference");
  std::fill(started_.begin(), started_.end(), char{0});
  started_[static_cast<std::size_t>(integer_.output)] = 1;
  for (int i = static_cast<int>(layers_.size()) - 1; i > 0; --i)
    if (started_[static_cast<std::size_t>(i)] != 0) backward_layer(i, n);
}

template <class Write>
void QuantizedGraph::contribute(int layer, std::int64_t n, Write write) {
  if (!of(layer).wants_gradient) return;
  const TensorView target = gradient(layer, n);
  char& started = started_[static_cast<std::size_t>(layer)];
  if (started == 0) {
    write(target);
    started = 1;
    return;
  }
  const TensorView spare = at(spare_, layer, n);
  write(spare);
  backend_.accumulate(spare, target);
}

void QuantizedGraph::backward_layer(int i, std::int64_t n) {
  const nets::IntegerLayer& layer = integer_.layer(i);
  Layer& mine = of(i);
  if (!mine.wants_gradient) return;
  const TensorView dy = gradient(i, n);
  if (mine.rules != nullptr) {
    mine.learned.put_gradient(backend_,
                              codes_->activation_backward(*mine.rules->activation, mine.activation,
                                                          at(mine.before, i, n), value(i, n), dy));
    quantize_gradient(backend_, *codes_, mine.rules->gradient_error, state_.update_is_due(),
                      state_.random_key(static_cast<std::size_t>(i), Place::GradientError), dy, error_watch(i, dy));
  }
  const int from = layer.inputs[0];
  switch (layer.op) {
    case IntegerOp::Input: break;
    case IntegerOp::Conv2d:
    case IntegerOp::FullyConnected: return backward_weighted(i, n);
    case IntegerOp::Add:
      for (const int j : layer.inputs) contribute(j, n, [&](const TensorView& dx) { backend_.copy(dy, dx); });
      break;
    case IntegerOp::Concat: {
      int channel = 0;
      for (const int j : layer.inputs) {
        contribute(j, n, [&](const TensorView& dx) {
          backend_.copy_region({.height = dx.shape.h, .width = dx.shape.w, .channels = dx.shape.c, .from_c = channel},
                               dy, dx);
        });
        channel += integer_.layer(j).shape.c;
      }
      break;
    }
    case IntegerOp::MaxPool:
      contribute(from, n, [&](const TensorView& dx) {
        backend_.max_pool_backward(layer.window, dy, at(mine.index, i, n, Element::Int32), dx);
      });
      break;
    case IntegerOp::AveragePool:
      contribute(from, n, [&](const TensorView& dx) { backend_.average_pool_backward(layer.window, dy, dx); });
      break;
    case IntegerOp::Requantize:
      contribute(from, n, [&](const TensorView& dx) { backend_.copy(dy, dx); });
      break;
    case IntegerOp::Softmax: check(false, "quantized graph: softmax before the end cannot be trained"); break;
    case IntegerOp::Flatten:
      contribute(from, n, [&](const TensorView& dx) { backend_.copy(flat(dy), flat(dx)); });
      break;
    case IntegerOp::Pad:
      contribute(from, n, [&](const TensorView& dx) {
        backend_.copy_region({.height = dx.shape.h, .width = dx.shape.w, .channels = dx.shape.c,
                              .from_y = layer.padding.top, .from_x = layer.padding.left,
                              .from_c = layer.channels_before}, dy, dx);
      });
      break;
  }
}

// Convolutions go backward with the very weights and activations that the integers stood for.
void QuantizedGraph::backward_weighted(int i, std::int64_t n) {
  const nets::IntegerLayer& layer = integer_.layer(i);
  Layer& mine = of(i);
  const bool dense = layer.op == IntegerOp::FullyConnected;
  const auto view = [dense](const TensorView& v) { return dense ? flat(v) : v; };
  std::vector<double> real(layer.weight.data.size());
  const std::size_t size = real.size() / static_cast<std::size_t>(layer.shape.c);
  for (std::size_t e = 0; e < real.size(); ++e)
    real[e] = layer.weight.data[e] * layer.weight_scales[layer.weight_scales.size() == 1 ? 0 : e / size];
  upload(backend_, mine.weight, std::span<const double>(real));
  const TensorView dy = gradient(i, n);
  backend_.conv_backward_weights(mine.conv, view(value(layer.inputs[0], n)), dy, view(mine.weight_gradient),
                                 mine.conv.bias ? mine.bias_gradient : TensorView{});
  contribute(layer.inputs[0], n, [&](const TensorView& dx) {
    backend_.conv_backward_data(mine.conv, dy, view(mine.weight), view(dx));
  });
  mine.weights->backward(backend_, download_double(backend_, mine.weight_gradient),
                         download_double(backend_, mine.bias_gradient), state_.update_is_due(),
                         state_.random_key(static_cast<std::size_t>(i), Place::GradientWeights),
                         weight_gradient_watch(i));
}

}  // namespace guardbit::trainer
