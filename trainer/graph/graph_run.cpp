// One step of a graph: forward, loss, backward.
#include <cmath>

#include "trainer/graph/graph.hpp"
#include "trainer/host_backend.hpp"

namespace guardbit::trainer {

using nets::Op;

void Graph::forward(std::int64_t n) {
  check(n <= labels_.n, "graph: more images than planned");
  if (on_integers()) return quantized_->forward(input(n), n);
  for (int i = 1; i <= scores_; ++i) forward_node(i, n);
}

void Graph::forward_node(int i, std::int64_t n) {
  const nets::Node& node = network_.node(i);
  const Slot& slot = slots_[static_cast<std::size_t>(i)];
  if (slot.skipped) return;
  const TensorView x = value(node.inputs[0], n), y = value(i, n);
  switch (node.op) {
    case Op::Input:
    case Op::Flatten: break;
    case Op::Conv2d: {
      const auto& conv = std::get<nets::ConvAttributes>(node.attributes);
      backend_.conv_forward(conv, x, slot.parameters[0], conv.bias ? slot.parameters[1] : TensorView{}, y);
      break;
    }
    case Op::FullyConnected: {
      const auto& conv = std::get<nets::ConvAttributes>(node.attributes);
      TensorView flat = x;
      flat.shape = {1, 1, static_cast<int>(x.shape.count())};
      TensorView weight = slot.parameters[0];
      weight.shape = flat.shape;
      backend_.conv_forward(conv, flat, weight, conv.bias ? slot.parameters[1] : TensorView{}, y);
      break;
    }
    case Op::BatchNorm: {
      const auto& norm = std::get<nets::BatchNormAttributes>(node.attributes);
      if (mode_ == Mode::Train) backend_.batch_norm_train(norm, slot.activation, x, slot.norm, y);
      else backend_.batch_norm_infer(norm, slot.activation, x, slot.norm, y);
      break;
    }
    case Op::Relu:
    case Op::Relu6: backend_.activation_forward(slot.activation, x, y); break;
    case Op::MaxPool:
      backend_.max_pool_forward(std::get<nets::PoolAttributes>(node.attributes).window, x, y, index(i, n));
      break;
    case Op::AveragePool:
      backend_.average_pool_forward(std::get<nets::PoolAttributes>(node.attributes).window, x, y);
      break;
    case Op::Add:
      backend_.add(x, value(node.inputs[1], n), y);
      for (std::size_t k = 2; k < node.inputs.size(); ++k) backend_.accumulate(value(node.inputs[k], n), y);
      break;
    case Op::Concat: forward_concat(i, n); break;
    case Op::Pad: {
      const auto& pad = std::get<nets::PadAttributes>(node.attributes);
      backend_.fill(y, 0);
      backend_.copy_region({.height = x.shape.h, .width = x.shape.w, .channels = x.shape.c, .to_y = pad.padding.top,
                            .to_x = pad.padding.left, .to_c = pad.channels_before}, x, y);
      break;
    }
    case Op::Dropout:
      backend_.dropout(std::get<nets::DropoutAttributes>(node.attributes).rate, static_cast<std::uint32_t>(i), x, y);
      break;
    case Op::Softmax: backend_.softmax(x, y); break;
  }
}

void Graph::forward_concat(int i, std::int64_t n) {
  int channel = 0;
  for (const int j : network_.node(i).inputs) {
    const TensorView x = value(j, n);
    backend_.copy_region({.height = x.shape.h, .width = x.shape.w, .channels = x.shape.c, .to_c = channel}, x,
                         value(i, n));
    channel += x.shape.c;
  }
}

void Graph::loss(std::int64_t n, double smoothing) {
  backend_.cross_entropy(smoothing, scores(n), labels(n), metrics_,
                         mode_ == Mode::Train ? score_gradient(n) : TensorView{});
}

TensorView Graph::score_gradient(std::int64_t n) const {
  return on_integers() ? quantized_->score_gradient(n) : gradient(scores_, n);
}

void Graph::blend_loss(std::int64_t n, double smoothing, double share, const TensorView& other,
                       const TensorView& metrics, const TensorView& spare) {
  check(mode_ == Mode::Train, "graph: blended losses are for training");
  backend_.cross_entropy(smoothing, scores(n), other, metrics, spare);
  backend_.moving_average(share, spare, score_gradient(n));
}

void Graph::backward(std::int64_t n) {
  check(mode_ == Mode::Train, "graph: backward of a graph for inference");
  if (on_integers()) return quantized_->backward(n);
  std::fill(started_.begin(), started_.end(), char{0});
  started(scores_) = 1;
  for (int i = scores_; i > 0; --i)
    if (started(i) != 0) backward_node(i, n);
}

template <class Write>
void Graph::contribute(int node, std::int64_t n, Write write) {
  if (!slots_[static_cast<std::size_t>(node)].wants_gradient) return;
  const TensorView target = gradient(node, n);
  if (started(node) == 0) {
    write(target);
    started(node) = 1;
    return;
  }
  const TensorView spare = at(spare_, n, target.shape);
  write(spare);
  backend_.accumulate(spare, target);
}

void Graph::backward_node(int i, std::int64_t n) {
  const nets::Node& node = network_.node(i);
  const Slot& slot = slots_[static_cast<std::size_t>(i)];
  const int from = node.inputs[0];
  // The gradient of a skipped node already lies where that of its input is collected.
  if (slot.skipped || !slot.wants_gradient) return;
  const TensorView x = value(from, n), y = value(i, n), dy = gradient(i, n);
  const auto pass = [&](auto write) { contribute(from, n, write); };
  switch (node.op) {
    case Op::Input:
    case Op::Flatten: break;
    case Op::Conv2d:
    case Op::FullyConnected: {
      const auto& conv = std::get<nets::ConvAttributes>(node.attributes);
      const bool dense = node.op == Op::FullyConnected;
      const auto flat = [dense](TensorView view) {
        if (dense) view.shape = {1, 1, static_cast<int>(view.shape.count())};
        return view;
      };
      const TensorView bias = conv.bias ? slot.gradients[1] : TensorView{};
      backend_.conv_backward_weights(conv, flat(x), dy, flat(slot.gradients[0]), bias);
      pass([&](const TensorView& dx) { backend_.conv_backward_data(conv, dy, flat(slot.parameters[0]), flat(dx)); });
      break;
    }
    case Op::BatchNorm:
      // Its own gradients are wanted even when those of its input are not.
      if (slots_[static_cast<std::size_t>(from)].wants_gradient)
        pass([&](const TensorView& dx) {
          backend_.batch_norm_backward(slot.activation, x, y, dy, slot.norm, dx, slot.gradients[0], slot.gradients[1]);
        });
      else
        backend_.batch_norm_backward(slot.activation, x, y, dy, slot.norm, dy, slot.gradients[0], slot.gradients[1]);
      break;
    case Op::Relu:
    case Op::Relu6:
      if (slot.root != i) backend_.activation_backward(slot.activation, y, dy, dy);
      else pass([&](const TensorView& dx) { backend_.activation_backward(slot.activation, y, dy, dx); });
      break;
    case Op::MaxPool:
      pass([&](const TensorView& dx) {
        backend_.max_pool_backward(std::get<nets::PoolAttributes>(node.attributes).window, dy, index(i, n), dx);
      });
      break;
    case Op::AveragePool:
      pass([&](const TensorView& dx) {
        backend_.average_pool_backward(std::get<nets::PoolAttributes>(node.attributes).window, dy, dx);
      });
      break;
    case Op::Add: backward_add(i, n); break;
    case Op::Concat: backward_concat(i, n); break;
    case Op::Pad:
      pass([&](const TensorView& dx) {
        const auto& pad = std::get<nets::PadAttributes>(node.attributes);
        backend_.copy_region({.height = dx.shape.h, .width = dx.shape.w, .channels = dx.shape.c,
                              .from_y = pad.padding.top, .from_x = pad.padding.left, .from_c = pad.channels_before},
                             dy, dx);
      });
      break;
    case Op::Dropout:
      pass([&](const TensorView& dx) {
        const double rate = std::get<nets::DropoutAttributes>(node.attributes).rate;
        backend_.dropout(rate, static_cast<std::uint32_t>(i), dy, dx);
      });
      break;
    case Op::Softmax: check(false, "graph: softmax before the end cannot be trained"); break;
  }
}

void Graph::backward_add(int i, std::int64_t n) {
  const TensorView dy = gradient(i, n);
  for (const int j : network_.node(i).inputs) {
    if (!slots_[static_cast<std::size_t>(j)].wants_gradient) continue;
    if (started(j) == 0) backend_.copy(dy, gradient(j, n));
    else backend_.accumulate(dy, gradient(j, n));
    started(j) = 1;
  }
}

void Graph::backward_concat(int i, std::int64_t n) {
  int channel = 0;
  for (const int j : network_.node(i).inputs) {
    const nets::Shape shape = network_.node(j).shape;
    contribute(j, n, [&](const TensorView& dx) {
      backend_.copy_region({.height = shape.h, .width = shape.w, .channels = shape.c, .from_c = channel},
                           gradient(i, n), dx);
    });
    channel += shape.c;
  }
}

std::string Graph::find_non_finite(std::int64_t n) const {
  const auto finite = [&](const TensorView& view) {
    for (const double number : download_double(backend_, view))
      if (!std::isfinite(number)) return false;
    return true;
  };
  for (int i = 0; i <= scores_; ++i) {
    const nets::Node& node = network_.node(i);
    const auto specs = nets::parameter_specs(network_, node);
    for (std::size_t k = 0; k < specs.size(); ++k)
      if (!finite(slots_[static_cast<std::size_t>(i)].parameters[k])) return specs[k].name;
    if (!on_integers() && !finite(value(i, n))) return node.name;
  }
  return "";
}

}  // namespace guardbit::trainer
