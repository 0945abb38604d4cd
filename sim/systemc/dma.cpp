#include "sim/systemc/dma.hpp"

#include <algorithm>

namespace guardbit::sim {
namespace {

// Calls visit(index in [P, Q, K], offset in [pixels, columns] of the tile, columns) for every pixel of a tile.
template <class Visit>
void for_pixels(const nets::Shape& shape, const Box& tile, const Visit& visit) {
  std::int64_t offset = 0;
  for (std::int64_t p = tile.h.begin; p < tile.h.end; ++p) {
    for (std::int64_t q = tile.w.begin; q < tile.w.end; ++q) {
      visit((p * shape.w + q) * shape.c + tile.c.begin, offset, tile.c.size());
      offset += tile.c.size();
    }
  }
}

}  // namespace

std::int64_t Dma::begin(const Command& command) {
  std::visit(
      [this](const auto& operation) {
        if constexpr (requires { move(operation); }) {
          move(operation);
        } else {
          fail_check(__FILE__, __LINE__, "a command that is not a transfer");
        }
      },
      command.operation);
  touch(*job().live, *job().state, command.operation);
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
  const auto in = activations_.at(store.address, store.outputs.count());
  for_pixels(job().state->layer->shape, store.outputs,
             [&](std::int64_t index, std::int64_t offset, std::int64_t columns) {
               std::copy_n(in.begin() + offset, columns, job().output + index);
             });
}

void Dma::move(const SpillSums& spill) {
  const nets::Shape& shape = job().state->layer->shape;
  spilled_.resize(shape.count());
  const std::int64_t count = spill.outputs.count();
  const auto copy = [&](const std::int64_t* from, std::vector<std::int64_t>& to) {
    for_pixels(shape, spill.outputs, [&](std::int64_t index, std::int64_t offset, std::int64_t columns) {
      std::copy_n(from + offset, columns, to.begin() + index);
    });
  };
  copy(accumulators_.values(spill.accumulators, count), spilled_.value);
  copy(accumulators_.exact(spill.accumulators, count), spilled_.exact);
  copy(accumulators_.first(spill.accumulators, count), spilled_.first);
}

void Dma::move(const ReloadSums& reload) {
  const nets::Shape& shape = job().state->layer->shape;
  GUARDBIT_SIM_CHECK(static_cast<std::int64_t>(spilled_.value.size()) >= shape.count());
  const std::int64_t count = reload.outputs.count();
  const auto copy = [&](const std::vector<std::int64_t>& from, std::int64_t* to) {
    for_pixels(shape, reload.outputs, [&](std::int64_t index, std::int64_t offset, std::int64_t columns) {
      std::copy_n(from.begin() + index, columns, to + offset);
    });
  };
  copy(spilled_.value, accumulators_.values(reload.accumulators, count));
  copy(spilled_.exact, accumulators_.exact(reload.accumulators, count));
  copy(spilled_.first, accumulators_.first(reload.accumulators, count));
}

}  // namespace guardbit::sim
