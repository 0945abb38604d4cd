#include "sim/systemc/array_tile.hpp"

#include <algorithm>

#include "sim/detail/feeder.hpp"
#include "sim/mapping.hpp"

namespace guardbit::sim {

void ArrayTile::configure(const Job& job) {
  UnitModule::configure(job);
  const LayerState& state = *job.state;
  if (job.cycle_by_cycle || !state.layer->weighted()) {
    return;
  }
  std::int64_t pixels = 0, columns = 0;
  for (const Command& command : state.program.commands) {
    if (const auto* fold = std::get_if<Fold>(&command.operation)) {
      pixels = std::max(pixels, fold->pixels());
      columns = std::max(columns, fold->n.size());
    }
  }
  sums_.emplace(static_cast<int>(pixels), static_cast<int>(columns), state.accumulation);
}

std::int64_t ArrayTile::begin(const Command& command) {
  const auto& fold = std::get<Fold>(command.operation);
  const Machine::Array& array = job().state->machine->array;
  const std::int64_t pixels = fold.pixels();
  compute(fold);
  nets::LayerCost& cost = *job().cost;
  const std::int64_t cycles = fold_cycles(array.rows, array.columns, pixels);
  cost.array_busy_cycles += static_cast<std::uint64_t>(cycles);
  cost.weight_load_cycles += static_cast<std::uint64_t>(array.rows);
  cost.stream_cycles += static_cast<std::uint64_t>(pixels);
  cost.fill_drain_cycles += static_cast<std::uint64_t>(cycles - array.rows - pixels);
  return cycles;
}

void ArrayTile::compute(const Fold& fold) {
  const LayerState& state = *job().state;
  const std::int64_t pixels = fold.pixels(), depth = fold.k.size(), columns = fold.n.size();
  gather(state, fold, activations_.all(), operands_);
  const auto weights = weights_.at(fold.weights, depth * columns);
  if (fold.first) {
    const auto bias = std::span(state.bias).subspan(static_cast<std::size_t>(fold.outputs.c.begin),
                                                    static_cast<std::size_t>(columns));
    sums_->reset(static_cast<int>(pixels), static_cast<int>(columns), bias);
  }
  sums_->accumulate(operands_.data(), depth, weights.data(), columns, static_cast<int>(depth));
  std::span<const std::int64_t> sums;
  if (fold.last) {
    std::int64_t* out = accumulators_.values(fold.accumulators, pixels * columns);
    sums_->finish(out, columns, job().first_output(fold.outputs), state.view.output.c, *job().evidence);
    sums = {out, static_cast<std::size_t>(pixels * columns)};
  }
  if (job().observer != nullptr) {
    job().observer->fold({fold, operands_, weights, sums});
  }
}

}  // namespace guardbit::sim
