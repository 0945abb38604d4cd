#include "sim/systemc/dma.hpp"

#include <algorithm>

namespace guardbit::sim {

std::int64_t Dma::begin(const Command& command) {
  if (const auto* activations = std::get_if<LoadActivations>(&command.operation)) {
    move(*activations);
  } else if (const auto* weights = std::get_if<LoadWeights>(&command.operation)) {
    move(*weights);
  } else {
    move(std::get<StoreOutputs>(command.operation));
  }
  return command_cycles(*job().state->machine, command.operation);
}

void Dma::move(const LoadActivations& load) {
  const LayerState& state = *job().state;
  // The shape as the layer sees it: a fully connected layer sees its input flattened.
  const auto& inputs = state.layer->inputs;
  const auto which = static_cast<std::size_t>(std::find(inputs.begin(), inputs.end(), load.source) - inputs.begin());
  const nets::Shape& shape = state.inputs[which];
  const std::int32_t* tensor = job().tensors[static_cast<std::size_t>(load.source)];
  const Box& box = load.region.box;
  for (std::int64_t h = load.rows.begin; h < load.rows.end; ++h) {
    for (std::int64_t w = box.w.begin; w < box.w.end; ++w) {
      const std::int32_t* in = tensor + (h * shape.w + w) * shape.c + box.c.begin;
      const std::int64_t to = ((h - box.h.begin) * box.w.size() + (w - box.w.begin)) * box.c.size();
      const auto out = activations_.at(load.region.address + to, box.c.size());
      std::copy_n(in, out.size(), out.begin());
    }
  }
}

void Dma::move(const LoadWeights& load) {
  const LayerState& state = *job().state;
  const std::int32_t* group = state.weights.data() + load.group * state.view.depth * state.view.cols;
  const auto out = weights_.at(load.address, load.k.size() * load.n.size());
  for (std::int64_t k = load.k.begin; k < load.k.end; ++k) {
    std::copy_n(group + k * state.view.cols + load.n.begin, load.n.size(),
                out.begin() + (k - load.k.begin) * load.n.size());
  }
}

void Dma::move(const StoreOutputs& store) {
  const nets::Shape& shape = job().state->layer->shape;
  const Box& box = store.outputs;
  const auto in = activations_.at(store.address, box.count());
  auto from = in.begin();
  for (std::int64_t p = box.h.begin; p < box.h.end; ++p) {
    for (std::int64_t q = box.w.begin; q < box.w.end; ++q) {
      std::copy_n(from, box.c.size(), job().output + (p * shape.w + q) * shape.c + box.c.begin);
      from += box.c.size();
    }
  }
}

}  // namespace guardbit::sim
