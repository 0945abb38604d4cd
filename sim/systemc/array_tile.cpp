#include "sim/systemc/array_tile.hpp"

#include <algorithm>

#include "sim/detail/feeder.hpp"
#include "sim/mapping.hpp"

namespace guardbit::sim {

void ArrayTile::configure(const Job& job) {
  UnitModule::configure(job);
  spare_.clear();
  GUARDBIT_SIM_CHECK(in_flight_.empty());
  if (!job.state->layer->weighted()) {
    return;
  }
  most_pixels_ = most_channels_ = 0;
  for (const Command& command : job.state->program.commands) {
    if (const auto* fold = std::get_if<Fold>(&command.operation)) {
      most_pixels_ = std::max(most_pixels_, fold->m.size());
      most_channels_ = std::max(most_channels_, fold->n.size());
    }
  }
}

std::int64_t ArrayTile::begin(const Command& command) {
  const auto& fold = std::get<Fold>(command.operation);
  const Machine::Array& array = job().state->machine->array;
  compute(fold);
  touch(*job().live, *job().state, fold);
  nets::LayerCost& cost = *job().cost;
  const LayerProgram& program = job().state->program;
  const auto& all = job().state->bank_waits;
  const std::int64_t waits = all.empty() ? 0 : all[static_cast<std::size_t>(&command - program.commands.data())];
  cost.bank_conflict_cycles += static_cast<std::uint64_t>(waits);
  const FoldCycles cycles = fold_cycles(array, fold);
  cost.array_busy_cycles += static_cast<std::uint64_t>(cycles.total());
  cost.weight_load_cycles += static_cast<std::uint64_t>(cycles.load);
  cost.stream_cycles += static_cast<std::uint64_t>(cycles.stream);
  cost.fill_drain_cycles += static_cast<std::uint64_t>(cycles.fill_drain);
  return cycles.total() + waits;
}

// The running sums of a block of outputs, from its first pass to its last.
arith::AccumulatorTile& ArrayTile::sums_of(const Fold& fold) {
  const LayerState& state = *job().state;
  const std::int64_t key = job().first_output(fold);
  if (!fold.first) {
    return in_flight_.at(key);
  }
  if (spare_.empty()) {
    spare_.emplace_back(static_cast<int>(most_pixels_), static_cast<int>(most_channels_), state.accumulation);
  }
  arith::AccumulatorTile& sums = in_flight_.emplace(key, std::move(spare_.back())).first->second;
  spare_.pop_back();
  const auto bias = std::span(state.bias).subspan(static_cast<std::size_t>(fold.outputs.c.begin),
                                                  static_cast<std::size_t>(fold.n.size()));
  sums.reset(static_cast<int>(fold.m.size()), static_cast<int>(fold.n.size()), bias);
  return sums;
}

// Output-stationary sums stay in the PEs over all passes of a block, and groups of `step` run through: the kernel sees
// the reduction in one piece.
void ArrayTile::collect(const Fold& fold, std::span<const std::int32_t> weights) {
  const std::int64_t pixels = fold.m.size(), depth = job().state->view.depth, columns = fold.n.size();
  chain_operands_.resize(static_cast<std::size_t>(pixels * depth));
  chain_weights_.resize(static_cast<std::size_t>(depth * columns));
  for (std::int64_t m = 0; m < pixels; ++m) {
    std::copy_n(operands_.begin() + m * fold.k.size(), fold.k.size(),
                chain_operands_.begin() + m * depth + fold.k.begin);
  }
  std::copy(weights.begin(), weights.end(), chain_weights_.begin() + fold.k.begin * columns);
}

void ArrayTile::compute(const Fold& fold) {
  const LayerState& state = *job().state;
  const std::int64_t pixels = fold.m.size(), columns = fold.n.size();
  gather(state, fold, activations_.all(), operands_);
  const auto weights = weights_.at(fold.weights, fold.k.size() * columns);
  arith::AccumulatorTile& sums = sums_of(fold);
  const bool cut = state.machine->array.dataflow == Dataflow::OutputStationary && !(fold.first && fold.last);
  if (!cut) {
    sums.accumulate(operands_.data(), fold.k.size(), weights.data(), columns, static_cast<int>(fold.k.size()));
  } else {
    collect(fold, weights);
    if (fold.last) {
      const auto depth = static_cast<int>(state.view.depth);
      sums.accumulate(chain_operands_.data(), depth, chain_weights_.data(), columns, depth);
    }
  }
  std::span<const std::int64_t> finished;
  if (fold.last) {
    std::int64_t* out = accumulators_.values(fold.accumulators, pixels * columns);
    sums.finish(out, columns, job().first_output(fold), state.view.output.c, *job().evidence);
    finished = {out, static_cast<std::size_t>(pixels * columns)};
    spare_.push_back(std::move(in_flight_.extract(job().first_output(fold)).mapped()));
  }
  if (job().observer != nullptr) {
    job().observer->fold({fold, operands_, weights, finished});
  }
}

}  // namespace guardbit::sim
