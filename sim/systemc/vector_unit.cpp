#include "sim/systemc/vector_unit.hpp"

#include <algorithm>

#include "sim/detail/elementwise.hpp"

namespace guardbit::sim {

std::int64_t VectorUnit::begin(const Command& command) {
  if (const auto* tile = std::get_if<RequantizeTile>(&command.operation)) {
    compute(*tile);
  } else {
    const auto& work = std::get<Elementwise>(command.operation);
    const auto out = activations_.at(work.address, work.outputs.count());
    compute_elementwise(*job().state, work, activations_.all(), out, *job().stages);
  }
  touch(*job().live, *job().state, command.operation);
  return command_cycles(*job().state->machine, command.operation);
}

void VectorUnit::compute(const RequantizeTile& tile) {
  const LayerState& state = *job().state;
  const Box& box = tile.outputs;
  const std::int64_t pixels = box.h.size() * box.w.size(), columns = box.c.size();
  const std::int64_t* sums = accumulators_.values(tile.accumulators, pixels * columns);
  const auto out = activations_.at(tile.address, pixels * columns);
  state.requantizer->apply(sums, columns, out.data(), columns, pixels, box.c.begin, columns, *job().stages);
  if (job().accumulators != nullptr) {
    for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
      std::copy_n(sums + pixel * columns, columns,
                  job().accumulators + (job().pixel_index(box) + pixel) * state.view.output.c + box.c.begin);
    }
  }
}

}  // namespace guardbit::sim
