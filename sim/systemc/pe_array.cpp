#include "sim/systemc/pe_array.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "sim/detail/feeder.hpp"
#include "sim/detail/pe_grid.hpp"

namespace guardbit::sim {

PeArray::PeArray(sc_core::sc_module_name name, sc_core::sc_event& done, Scratchpad& activations, Scratchpad& weights,
                 AccumulatorMemory& accumulators)
    : UnitModule(name, done),
      activations_(activations),
      weights_(weights),
      accumulators_(accumulators),
      west_("west", start_, clock_, pass_),
      north_("north", start_, clock_, pass_, sums_),
      collector_("collector", clock_, phase_, pass_, sums_) {
  SC_HAS_PROCESS(PeArray);
  SC_METHOD(present);
  sensitive << start_;
  dont_initialize();
  SC_METHOD(edge);
  sensitive << clock_;
  dont_initialize();
  SC_METHOD(settle);
  sensitive << settled_;
  dont_initialize();
  build();
}

void PeArray::build() {
  for (int row = 0; row < kMaxPeSide; ++row) {
    for (int column = 0; column < kMaxPeSide; ++column) {
      const auto r = static_cast<std::size_t>(row), c = static_cast<std::size_t>(column);
      const PeCell::Surroundings around{
          .left = column == 0 ? west_.operands[r] : cell(row, column - 1).right,
          .above = row == 0 ? north_.operands[c] : cell(row - 1, column).below,
          .above_sum = row == 0 ? north_.sums[c] : cell(row - 1, column).sum,
          .phase = phase_,
          .pass = pass_,
          .clock = clock_,
          .wake = wake_};
      const std::string name = "pe_" + std::to_string(row) + "_" + std::to_string(column);
      cells_.push_back(std::make_unique<PeCell>(name.c_str(), row, column, around));
    }
  }
}

void PeArray::configure(const Job& job) {
  UnitModule::configure(job);
  const Machine::Array& array = job.state->machine->array;
  GUARDBIT_SIM_CHECK(array.rows <= kMaxPeSide && array.columns <= kMaxPeSide);
  if (pass_.rows != array.rows || pass_.columns != array.columns) {
    pass_.rows = array.rows;
    pass_.columns = array.columns;
    wake_.notify(sc_core::SC_ZERO_TIME);
  }
  // Reset before every layer: no register shows what ran before, on this machine or another.
  for (const auto& pe : cells_) {
    pe->reset();
  }
}

std::int64_t PeArray::begin(const Command& command) {
  const auto& fold = std::get<Fold>(command.operation);
  const std::int64_t sums = fold.m.size() * fold.n.size();
  gather(*job().state, fold, activations_.all(), operands_);
  gather_addresses(*job().state, fold, addresses_);
  for (std::size_t parity = 0; parity < 2; ++parity) {
    banks_[parity].configure(job().state->machine->scratchpads);
    pass_.access[parity] = {&fold, &banks_[parity], job().live, addresses_};
  }
  sums_.begin(*job().state, fold,
              {.sum = accumulators_.values(fold.accumulators, sums),
               .exact = accumulators_.exact(fold.accumulators, sums),
               .first = accumulators_.first(fold.accumulators, sums)},
              job().first_output(fold), *job().evidence);
  set_up(fold);
  std::vector<const PeCollector::SumIn*> bottom;
  for (int column = 0; column < pass_.columns; ++column) {
    bottom.push_back(&cell(pass_.rows - 1, column).sum);
  }
  collector_.begin(std::move(bottom));
  west_.begin();
  north_.begin();
  enter(pass_.sums_stay ? PePhase::Stream : PePhase::Load);
  load_cycles_ = cycles_ = 0;
  complete_ = false;
  start_.notify(sc_core::SC_ZERO_TIME);
  return kUntilResumed;
}

void PeArray::set_up(const Fold& fold) {
  arrange(fold);
  const arith::Accumulation& accumulation = job().state->accumulation;
  const arith::AccumulatorSpec& spec = accumulation.psum ? *accumulation.psum : accumulation.accumulator;
  pass_.rules = PeRegisterRules(spec.format);
  drains_ = fold.last;
  pass_.reduction = job().state->view.depth;
  // Sums that move see the products of one pass, one per row; sums that stay, all products of the reduction.
  const auto products = pass_.sums_stay ? static_cast<int>(pass_.reduction) : pass_.rows;
  pass_.step = spec.step == 0 ? products : std::min(spec.step, products);
  const std::int64_t groups = (products + pass_.step - 1) / pass_.step;
  pass_.narrowing = accumulation.psum ? 0 : 1 + sums_.fold_index() * groups;
  for (int column = 0; column < pass_.columns; ++column) {
    pass_.start[static_cast<std::size_t>(column)] = sums_.entering(0, column);
  }
}

// What stays and what moves. OperandMatrix: data, rows, columns, steps from row to row and from column to column.
void PeArray::arrange(const Fold& fold) {
  const std::int64_t pixels = fold.m.size(), depth = fold.k.size(), channels = fold.n.size();
  const OperandMatrix activations{operands_.data(), pixels, depth, depth, 1};
  const OperandMatrix weights{weights_.at(fold.weights, depth * channels).data(), depth, channels, channels, 1};
  pass_.sums_stay = pass_.pixels_in_columns = false;
  pass_.first_index = 0;
  switch (job().state->machine->array.dataflow) {
    case Dataflow::WeightStationary:
      pass_.north = weights;
      pass_.west = activations.transposed();
      break;
    case Dataflow::InputStationary:
      pass_.pixels_in_columns = true;
      pass_.north = activations.transposed();
      pass_.west = weights;
      break;
    case Dataflow::OutputStationary:
      pass_.sums_stay = true;
      pass_.first_index = fold.k.begin;
      pass_.north = weights;
      pass_.west = activations;
      break;
  }
  pass_.length = pass_.west.columns;
  pass_.used_rows = static_cast<int>(pass_.west.rows);
  pass_.used_columns = static_cast<int>(pass_.north.columns);
}

void PeArray::present() { settled_.notify(sc_core::SC_ZERO_TIME); }

void PeArray::edge() {
  nets::LayerCost& cost = *job().cost;
  ++cost.array_busy_cycles;
  ++cycles_;
  if (phase_.read() == PePhase::Load) {
    ++cost.weight_load_cycles;
    ++load_cycles_;
  } else {
    ++(west_.operands[0].read().index != kBubble ? cost.stream_cycles : cost.fill_drain_cycles);
  }
  settled_.notify(sc_core::SC_ZERO_TIME);
}

void PeArray::settle() {
  complete_ = cycles_ > 0 && change_phase();
  // The accesses of the edge that is over; those of the next are under way.
  const std::int64_t waits = cycles_ > 0 ? banks_[static_cast<std::size_t>((cycles_ - 1) % 2)].end_cycle() : 0;
  job().cost->bank_conflict_cycles += static_cast<std::uint64_t>(waits);
  if (job().observer != nullptr && job().observer->wants_array_state()) {
    observe_cycle();
  }
  if (complete_) {
    resume(waits);
  } else {
    clock_.notify(cycles_to_time(with_stalls(1 + waits)));
  }
}

void PeArray::enter(PePhase phase) {
  phase_.write(phase);
  next_phase_ = phase;
}

bool PeArray::change_phase() {
  switch (phase_.read()) {
    case PePhase::Load:
      if (load_cycles_ == pass_.rows) {
        enter(PePhase::Stream);
      }
      return false;
    case PePhase::Stream: {
      if (!pass_.sums_stay) {
        return collector_.complete();
      }
      const PeCell& last = cell(pass_.rows - 1, pass_.columns - 1);
      if (last.right.read().index + 1 != pass_.first_index + pass_.length) {
        return false;
      }
      if (drains_) {
        enter(PePhase::Drain);
      }
      return !drains_;
    }
    case PePhase::Drain:
      return collector_.complete();
  }
  fail_check(__FILE__, __LINE__, "a phase that is none");
}

std::int64_t PeArray::advance(const Command& command) {
  take_evidence();
  sums_.finish();
  if (job().observer != nullptr) {
    observe_pass(std::get<Fold>(command.operation));
  }
  return 0;
}

// Of the PEs whose sums belong to an output. Sums that move pass all rows; those that stay have a row of their own.
void PeArray::take_evidence() {
  arith::AccumulationEvidence& evidence = *job().evidence;
  const int outputs_in_rows = pass_.sums_stay ? pass_.used_rows : pass_.rows;
  for (int row = 0; row < pass_.rows; ++row) {
    for (int column = 0; column < pass_.columns; ++column) {
      const PeCell::Evidence mine = cell(row, column).take_evidence();
      if (row >= outputs_in_rows || column >= pass_.used_columns) {
        continue;
      }
      (sums_.in_array() ? evidence.accumulator : evidence.psum).count += mine.overflows;
      if (sums_.in_array()) {
        evidence.exact.merge(mine.exact);
      }
    }
  }
}

void PeArray::observe_pass(const Fold& fold) {
  const std::int64_t sums = fold.m.size() * fold.n.size();
  std::span<const std::int64_t> finished;
  if (fold.last) {
    finished = {accumulators_.values(fold.accumulators, sums), static_cast<std::size_t>(sums)};
  }
  job().observer->fold({fold, operands_, weights_.at(fold.weights, fold.k.size() * fold.n.size()), finished});
}

void PeArray::observe_cycle() {
  const auto value = [](const Operand& operand) { return ArrayState::Value{operand.value, operand.index}; };
  const auto sum = [](const PartialSum& partial) { return ArrayState::Value{partial.sum, partial.index}; };
  state_ = {};
  state_.rows = pass_.rows;
  state_.columns = pass_.columns;
  state_.edge = cycles_ > 0;
  state_.phase = complete_ ? 3 : static_cast<int>(next_phase_);
  for (int row = 0; row < pass_.rows; ++row) {
    state_.west.push_back(value(west_.operands[static_cast<std::size_t>(row)].read()));
    for (int column = 0; column < pass_.columns; ++column) {
      const PeCell& pe = cell(row, column);
      const PartialSum& partial = pe.sum.read();
      state_.operands.push_back(value(pe.right.read()));
      state_.weights.push_back(value(pe.below.read()));
      state_.sums.push_back(sum(partial));
      state_.overflowed.push_back(partial.index != kBubble && partial.first != kNoOverflow);
    }
  }
  for (int column = 0; column < pass_.columns; ++column) {
    state_.north.push_back(value(north_.operands[static_cast<std::size_t>(column)].read()));
    state_.north_sums.push_back(sum(north_.sums[static_cast<std::size_t>(column)].read()));
  }
  job().observer->array_state(state_, now_in_cycles() - job().origin);
}

}  // namespace guardbit::sim
