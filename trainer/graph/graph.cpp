// Construction of a graph: what shares memory, how long it lives, where it lies.
#include "trainer/graph/graph.hpp"

#include <algorithm>

#include "arith/error.hpp"
#include "trainer/host_backend.hpp"

namespace guardbit::trainer {

using nets::Op;

namespace {

nets::Network without_parameters(const nets::Network& network) {
  nets::Network copy = network;
  copy.parameters.clear();
  return copy;
}

}  // namespace

Graph::Graph(Backend& backend, const nets::Network& network, const Parameters& parameters, std::int64_t batch,
             Mode mode, QuantizerState* quantizers)
    : backend_(backend), quantizers_(quantizers), network_(without_parameters(network)), mode_(mode),
      scores_(network.output) {
  if (network_.node(scores_).op == Op::Softmax) scores_ = network_.node(scores_).inputs[0];
  const nets::Node& last = network_.node(scores_);
  if (last.shape.h != 1 || last.shape.w != 1)
    throw Error("network " + network_.name + ": output " + last.name + ": found a map of " +
                std::to_string(last.shape.h) + " x " + std::to_string(last.shape.w) +
                " positions, allowed one score per class");
  slots_.resize(static_cast<std::size_t>(scores_) + 1);
  started_.resize(slots_.size());
  std::vector<int> uses(slots_.size());
  for (int i = 0; i <= scores_; ++i)
    for (const int j : network_.node(i).inputs) ++uses[static_cast<std::size_t>(j)];
  ++uses.back();  // the loss
  find_shared(uses);
  labels_ = {nullptr, Element::Int32, batch, {}};
  plan(uses);
  planned_bytes_ = plan_memory(plan_);
  memory_ = backend_.allocate(planned_bytes_);
  label_memory_ = backend_.allocate(static_cast<std::size_t>(batch) * backend_.element_bytes(Element::Int32));
  labels_.data = label_memory_->address();
  metric_memory_ = backend_.allocate(4 * backend_.element_bytes(Element::Float64));
  metrics_ = {metric_memory_->address(), Element::Float64, 4, {}};
  bind(parameters);
  if (quantizers != nullptr)
    quantized_ = std::make_unique<QuantizedGraph>(backend, network, parameters, *quantizers, batch,
                                                  mode == Mode::Train);
}

void Graph::find_shared(const std::vector<int>& uses) {
  for (int i = 0; i <= scores_; ++i) {
    const nets::Node& node = network_.node(i);
    Slot& slot = slots_[static_cast<std::size_t>(i)];
    slot.root = i;
    for (const int j : node.inputs) slot.wants_gradient |= slots_[static_cast<std::size_t>(j)].wants_gradient;
    slot.wants_gradient |= node.op == Op::Conv2d || node.op == Op::FullyConnected || node.op == Op::BatchNorm;
    if (node.inputs.empty()) continue;
    Slot& input = slots_[static_cast<std::size_t>(node.inputs[0])];
    const Op before = network_.node(node.inputs[0]).op;
    const bool only_reader = uses[static_cast<std::size_t>(node.inputs[0])] == 1;
    if (node.op == Op::Flatten || (node.op == Op::Dropout && mode_ == Mode::Infer)) {
      slot.root = input.root;
      slot.skipped = true;
    }
    if (node.op != Op::Relu && node.op != Op::Relu6) continue;
    slot.activation = node.op == Op::Relu ? Activation::Relu : Activation::Relu6;
    if (!only_reader) continue;
    if (before == Op::BatchNorm) {
      input.activation = slot.activation;
      slot.root = input.root;
      slot.skipped = true;
    } else if (before == Op::Conv2d || before == Op::FullyConnected || before == Op::Add || before == Op::Concat) {
      slot.root = input.root;  // none of these reads its own output in its backward step
    }
  }
}

// Steps: forward of node i at i, loss at scores_ + 1, backward of node i at 2 * (scores_ + 1) - i.
void Graph::plan(const std::vector<int>& uses) {
  const int middle = scores_ + 1;
  const auto batch = static_cast<std::size_t>(labels_.n);
  const std::size_t real = backend_.element_bytes(Element::Real);
  const auto make = [&](int begin, int end, std::size_t bytes) {
    plan_.push_back({begin, end, bytes, 0});
    return static_cast<int>(plan_.size()) - 1;
  };
  const auto slot_of = [&](int node) -> Slot& { return slots_[static_cast<std::size_t>(node)]; };
  std::size_t spare = 0;
  for (int i = 0; i <= scores_; ++i) {
    const nets::Node& node = network_.node(i);
    Slot& slot = slot_of(i);
    const std::size_t bytes = batch * static_cast<std::size_t>(node.shape.count()) * real;
    const bool training = mode_ == Mode::Train;
    if (slot.root == i) {
      slot.buffer = make(i, training ? 2 * middle - i : i, bytes);
      // Batch normalization works in place backward: where nobody else reads its input, one buffer serves both.
      const int input = node.op == Op::BatchNorm ? node.inputs[0] : 0;
      const bool in_place = uses[static_cast<std::size_t>(input)] == 1 && slot_of(input).root == input;
      const int before = input > 0 && in_place ? slot_of(input).gradient : -1;
      if (training && slot.wants_gradient)
        slot.gradient = before >= 0 ? before : make(2 * middle - i, 2 * middle - i, bytes);
    }
    if (node.op == Op::MaxPool)
      slot.index = make(i, training ? 2 * middle - i : i,
                        batch * static_cast<std::size_t>(node.shape.count()) * backend_.element_bytes(Element::Int32));
    if (node.op == Op::BatchNorm)
      slot.statistics =
          make(i, training ? 2 * middle - i : i, (2 * static_cast<std::size_t>(node.shape.c) + 32) * real);
    if (uses[static_cast<std::size_t>(i)] > 1 && slot.wants_gradient) spare = std::max(spare, bytes);
    // Who reads a tensor keeps it alive, and its gradient starts when the last reader goes backward.
    for (const int j : node.inputs) {
      Slot& root = slot_of(slot_of(j).root);
      Buffer& buffer = plan_[static_cast<std::size_t>(root.buffer)];
      buffer.end = std::max(buffer.end, i);
      if (root.gradient < 0) continue;
      Buffer& gradient = plan_[static_cast<std::size_t>(root.gradient)];
      gradient.begin = std::min(gradient.begin, 2 * middle - i);
    }
  }
  const Slot& last = slot_of(slot_of(scores_).root);
  plan_[static_cast<std::size_t>(last.buffer)].end = std::max(plan_[static_cast<std::size_t>(last.buffer)].end, middle);
  if (mode_ == Mode::Infer) return;
  plan_[static_cast<std::size_t>(last.gradient)].begin = middle;
  if (spare > 0) spare_ = make(middle, 2 * middle, spare);
}

void Graph::bind(const Parameters& parameters) {
  for (int i = 0; i <= scores_; ++i) {
    const nets::Node& node = network_.node(i);
    Slot& slot = slots_[static_cast<std::size_t>(i)];
    for (const nets::ParameterSpec& spec : nets::parameter_specs(network_, node)) {
      const Parameter& parameter = parameters.get(spec.name);
      const bool average = mode_ == Mode::Infer && parameter.average;
      slot.parameters.push_back(average ? parameter.average : parameter.value);
      slot.gradients.push_back(parameter.gradient);
    }
    if (node.op != Op::BatchNorm) continue;
    const int c = node.shape.c;
    TensorView statistics = at(slot.statistics, c, {});
    slot.norm = {slot.parameters[0], slot.parameters[1], slot.parameters[2],
                 slot.parameters[3], statistics,         statistics};
    slot.norm.batch_inverse.data = static_cast<std::byte*>(statistics.data) +
                                   static_cast<std::size_t>((c + 15) / 16 * 16) *
                                       backend_.element_bytes(Element::Real);
  }
}

TensorView Graph::at(int buffer, std::int64_t n, nets::Shape shape, Element element) const {
  check(buffer >= 0, "graph: a tensor without memory");
  return {static_cast<std::byte*>(memory_->address()) + plan_[static_cast<std::size_t>(buffer)].offset, element, n,
          shape};
}
TensorView Graph::value(int node, std::int64_t n) const {
  const int root = slots_[static_cast<std::size_t>(node)].root;
  return at(slots_[static_cast<std::size_t>(root)].buffer, n, network_.node(node).shape);
}
TensorView Graph::gradient(int node, std::int64_t n) const {
  const int root = slots_[static_cast<std::size_t>(node)].root;
  return at(slots_[static_cast<std::size_t>(root)].gradient, n, network_.node(node).shape);
}
TensorView Graph::index(int node, std::int64_t n) const {
  return at(slots_[static_cast<std::size_t>(node)].index, n, network_.node(node).shape, Element::Int32);
}
TensorView Graph::labels(std::int64_t n) const {
  TensorView view = labels_;
  view.n = n;
  return view;
}

}  // namespace guardbit::trainer
