#include "sim/systemc/array_cycle.hpp"

#include "sim/detail/feeder.hpp"
#include "sim/mapping.hpp"

namespace guardbit::sim {
namespace {

// Do 32-bit registers hold everything this pass computes?
bool registers_fit_32_bits(const LayerState& state, const Fold& fold) {
  const auto& psum = state.accumulation.psum;
  const std::int64_t magnitude = psum ? state.group_magnitude : state.magnitude;
  const PeRules rules = pe_rules(psum ? *psum : state.accumulation.accumulator, magnitude);
  const std::int64_t narrowings = state.view.depth + 1;
  const std::int64_t per_column = state.machine->array.rows * (streamed(state.machine->array.dataflow, fold) + 1);
  return fits_32_bits(rules, magnitude) && narrowings < INT32_MAX && per_column < INT32_MAX;
}

}  // namespace

std::int64_t ArrayCycle::begin(const Command& command) {
  const auto& fold = std::get<Fold>(command.operation);
  const LayerState& state = *job().state;
  const std::int64_t sums = fold.m.size() * fold.n.size();
  gather(state, fold, activations_.all(), operands_);
  banks_.configure(state.machine->scratchpads);
  gather_addresses(state, fold, addresses_);
  const FoldData data{.state = &state,
                      .fold = &fold,
                      .activations = operands_,
                      .weights = weights_.at(fold.weights, fold.k.size() * fold.n.size()),
                      .sums = SumBlock(state, fold, accumulators_.values(fold.accumulators, sums),
                                       accumulators_.exact(fold.accumulators, sums),
                                       accumulators_.first(fold.accumulators, sums), job().first_output(fold),
                                       *job().evidence),
                      .access = {&fold, &banks_, job().live, addresses_}};
  const bool in_pes = state.machine->array.dataflow == Dataflow::OutputStationary;
  if (registers_fit_32_bits(state, fold)) {
    stepper_ = in_pes ? Stepper(&output_32_) : Stepper(&fold_32_);
  } else {
    stepper_ = in_pes ? Stepper(&output_64_) : Stepper(&fold_64_);
  }
  std::visit([&](auto* stepper) { stepper->begin(data); }, stepper_);
  return 1;
}

std::int64_t ArrayCycle::advance(const Command& command) {
  nets::LayerCost& cost = *job().cost;
  if (!ended_) {
    ended_ = std::visit([&](auto* stepper) { return stepper->edge(cost); }, stepper_);
    const std::int64_t waits = banks_.end_cycle();
    cost.bank_conflict_cycles += static_cast<std::uint64_t>(waits);
    if (const std::int64_t more = waits + (ended_ ? 0 : 1); more > 0) {
      return more;
    }
  }
  ended_ = false;
  if (job().observer != nullptr) {
    observe(std::get<Fold>(command.operation));
  }
  return 0;
}

void ArrayCycle::observe(const Fold& fold) {
  const std::int64_t sums = fold.m.size() * fold.n.size();
  std::span<const std::int64_t> finished;
  if (fold.last) {
    finished = {accumulators_.values(fold.accumulators, sums), static_cast<std::size_t>(sums)};
  }
  job().observer->fold({fold, operands_, weights_.at(fold.weights, fold.k.size() * fold.n.size()), finished});
}

}  // namespace guardbit::sim
