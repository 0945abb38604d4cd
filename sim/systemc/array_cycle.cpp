#include "sim/systemc/array_cycle.hpp"

#include "sim/detail/feeder.hpp"

namespace guardbit::sim {
namespace {

// Do 32-bit registers hold everything this fold computes?
bool registers_fit_32_bits(const LayerState& state, const Fold& fold) {
  const auto& psum = state.accumulation.psum;
  const std::int64_t magnitude = psum ? state.group_magnitude : state.magnitude;
  const PeRules rules = pe_rules(psum ? *psum : state.accumulation.accumulator, magnitude);
  const std::int64_t narrowings = state.view.depth + 1, per_column = fold.pixels() * state.machine->array.rows;
  return fits_32_bits(rules, magnitude) && narrowings < INT32_MAX && per_column < INT32_MAX;
}

}  // namespace

std::int64_t ArrayCycle::begin(const Command& command) {
  const auto& fold = std::get<Fold>(command.operation);
  const LayerState& state = *job().state;
  const std::int64_t sums = fold.pixels() * fold.n.size();
  gather(state, fold, activations_.all(), operands_);
  const FoldData data{.state = &state,
                      .fold = &fold,
                      .operands = operands_,
                      .weights = weights_.at(fold.weights, fold.k.size() * fold.n.size()),
                      .value = accumulators_.values(fold.accumulators, sums),
                      .exact = accumulators_.exact(fold.accumulators, sums),
                      .first = accumulators_.first(fold.accumulators, sums),
                      .first_output = job().first_output(fold.outputs),
                      .evidence = job().evidence};
  narrow_registers_ = registers_fit_32_bits(state, fold);
  if (narrow_registers_) {
    stepper_32_.begin(data);
  } else {
    stepper_64_.begin(data);
  }
  return 1;
}

std::int64_t ArrayCycle::advance(const Command& command) {
  nets::LayerCost& cost = *job().cost;
  const bool ended = narrow_registers_ ? stepper_32_.edge(cost) : stepper_64_.edge(cost);
  if (!ended) {
    return 1;
  }
  if (job().observer != nullptr) {
    observe(std::get<Fold>(command.operation));
  }
  return 0;
}

void ArrayCycle::observe(const Fold& fold) {
  const std::int64_t sums = fold.pixels() * fold.n.size();
  std::span<const std::int64_t> finished;
  if (fold.last) {
    finished = {accumulators_.values(fold.accumulators, sums), static_cast<std::size_t>(sums)};
  }
  job().observer->fold({fold, operands_, weights_.at(fold.weights, fold.k.size() * fold.n.size()), finished});
}

}  // namespace guardbit::sim
