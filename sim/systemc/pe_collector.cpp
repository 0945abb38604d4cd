#include "sim/systemc/pe_collector.hpp"

#include <algorithm>
#include <utility>

#include "sim/check.hpp"

namespace guardbit::sim {

PeCollector::PeCollector(sc_core::sc_module_name name, sc_core::sc_event& clock,
                         const sc_core::sc_signal_in_if<PePhase>& phase, const PePass& pass, PeSums& memory)
    : sc_module(name), phase_(phase), pass_(pass), memory_(memory) {
  SC_HAS_PROCESS(PeCollector);
  SC_METHOD(step);
  sensitive << clock;
  dont_initialize();
}

void PeCollector::begin(std::vector<const SumIn*> bottom) {
  bottom_ = std::move(bottom);
  taken_.assign(bottom_.size(), 0);
  edge_ = 0;
}

bool PeCollector::complete() const {
  const std::int64_t expected = pass_.sums_stay ? pass_.rows : pass_.length;
  return std::all_of(taken_.begin(), taken_.end(), [&](std::int64_t taken) { return taken == expected; });
}

void PeCollector::take(std::int64_t m, std::int64_t n, const PartialSum& sum) {
  const PassAccess& access = pass_.access_of(edge_ - 1);
  if (memory_.has(m, n)) {
    // The memory's own adder needs the sum so far, unless it is the bias.
    if (!memory_.in_array() && !pass_.sums_stay && !access.fold->first) {
      access.read_sum(memory_.at(m, n));
    }
    access.write_sum(memory_.at(m, n));
  }
  memory_.take(m, n, sum);
}

void PeCollector::step() {
  ++edge_;
  switch (phase_.read()) {
    case PePhase::Load:
      return;
    case PePhase::Stream:
      return pass_.sums_stay ? void() : take_moving_sums();
    case PePhase::Drain:
      return take_drained_row();
  }
  fail_check(__FILE__, __LINE__, "a phase that is none");
}

void PeCollector::take_moving_sums() {
  for (std::size_t column = 0; column < bottom_.size(); ++column) {
    const PartialSum sum = bottom_[column]->read();
    if (sum.index == kBubble) {
      continue;
    }
    GUARDBIT_SIM_CHECK(sum.index == taken_[column]++);
    const auto c = static_cast<std::int64_t>(column);
    pass_.pixels_in_columns ? take(c, sum.index, sum) : take(sum.index, c, sum);
  }
}

void PeCollector::take_drained_row() {
  for (std::size_t column = 0; column < bottom_.size(); ++column) {
    const PartialSum sum = bottom_[column]->read();
    GUARDBIT_SIM_CHECK(sum.index + 1 == pass_.reduction);
    take(pass_.rows - ++taken_[column], static_cast<std::int64_t>(column), sum);
  }
}

}  // namespace guardbit::sim
