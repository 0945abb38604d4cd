#include "sim/systemc/pe_cell.hpp"

#include <utility>

#include "sim/check.hpp"
#include "sim/detail/pe_grid.hpp"

namespace guardbit::sim {

PeCell::PeCell(sc_core::sc_module_name name, int row, int column, const Surroundings& around)
    : sc_module(name), row_(row), column_(column), around_(around) {
  SC_HAS_PROCESS(PeCell);
  SC_METHOD(edge);
  sensitive << around.wake;
  dont_initialize();
}

void PeCell::reset() {
  right.write({});
  below.write({});
  sum.write({});
}

PeCell::Evidence PeCell::take_evidence() { return std::exchange(evidence_, {}); }

// A PE outside the machine's array waits for `wake` and costs nothing; inside it, it waits for the next clock edge.
void PeCell::edge() {
  if (row_ >= around_.pass.rows || column_ >= around_.pass.columns) {
    clocked_ = false;
    return;
  }
  next_trigger(around_.clock);
  if (!std::exchange(clocked_, true)) {
    return;
  }
  switch (around_.phase.read()) {
    case PePhase::Load:
      return load();
    case PePhase::Stream:
      return around_.pass.sums_stay ? add_to_own_sum() : add_to_moving_sum();
    case PePhase::Drain:
      sum.write(around_.above_sum.read());
      return;
  }
  fail_check(__FILE__, __LINE__, "a phase that is none");
}

void PeCell::load() {
  below.write(around_.above.read());
  right.write({});
  sum.write({});
}

PartialSum PeCell::add(const PartialSum& before, std::int64_t w, std::int64_t x, bool ends_group,
                       std::int64_t narrowing) {
  const std::int64_t product = w * x;
  PartialSum after = before;
  after.exact = before.exact + product;
  after.tree = before.tree + product;
  if (!ends_group) {
    return after;
  }
  const PeRegisterRules::Result narrowed = around_.pass.rules.narrow(arith::int128{before.sum} + after.tree);
  after.sum = narrowed.value;
  after.tree = 0;
  if (narrowed.overflowed) {
    ++evidence_.overflows;
    after.first = before.first == kNoOverflow ? narrowing : before.first;
  }
  evidence_.exact.include(after.exact);
  return after;
}

void PeCell::add_to_moving_sum() {
  const Operand x = around_.left.read();
  const PartialSum before = around_.above_sum.read();
  GUARDBIT_SIM_CHECK(x.index == before.index);
  right.write(x);
  if (x.index == kBubble) {
    sum.write({});
    return;
  }
  const PePass& pass = around_.pass;
  const bool ends_group = (row_ + 1) % pass.step == 0 || row_ + 1 == pass.rows;
  sum.write(add(before, below.read().value, x.value, ends_group, pass.narrowing + row_ / pass.step));
}

void PeCell::add_to_own_sum() {
  const Operand x = around_.left.read(), w = around_.above.read();
  GUARDBIT_SIM_CHECK(x.index == w.index);
  right.write(x);
  below.write(w);
  if (x.index == kBubble) {
    return;
  }
  const PePass& pass = around_.pass;
  PartialSum before = x.index == 0 ? pass.start[static_cast<std::size_t>(column_)] : sum.read();
  GUARDBIT_SIM_CHECK(x.index == 0 || before.index + 1 == x.index);
  before.index = x.index;
  const bool ends_group = (x.index + 1) % pass.step == 0 || x.index + 1 == pass.reduction;
  sum.write(add(before, w.value, x.value, ends_group, pass.narrowing + x.index / pass.step));
}

}  // namespace guardbit::sim
