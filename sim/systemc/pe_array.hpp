// The PE array as a grid of modules: every PE a clocked process, signals between neighbours, feeders and a collector at
// the edges. The array's clock runs while a pass runs, and not in frozen cycles. Durations are counted: a pass ends
// when the collector has every sum, or, if its sums stay, when the last PE has used the last operand.
//
// The grid is built once, kMaxPeSide x kMaxPeSide. A machine uses its upper left part; the other PEs do not run.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "sim/systemc/accumulator_memory.hpp"
#include "sim/systemc/pe_cell.hpp"
#include "sim/systemc/pe_collector.hpp"
#include "sim/systemc/pe_feeder.hpp"
#include "sim/systemc/scratchpad.hpp"
#include "sim/systemc/unit_module.hpp"

namespace guardbit::sim {

class PeArray : public UnitModule {
 public:
  PeArray(sc_core::sc_module_name name, sc_core::sc_event& done, Scratchpad& activations, Scratchpad& weights,
          AccumulatorMemory& accumulators);
  void configure(const Job& job) override;

 protected:
  std::int64_t begin(const Command& command) override;
  std::int64_t advance(const Command& command) override;

 private:
  void build();
  void set_up(const Fold& fold);
  void arrange(const Fold& fold);
  // Processes: the wires of the first edge are there; an edge of the clock; everything has settled after it.
  void present();
  void edge();
  void settle();
  // What ends in this cycle: the load, the stream, or (true) the whole pass.
  [[nodiscard]] bool change_phase();
  void enter(PePhase phase);
  void take_evidence();
  void observe_pass(const Fold& fold);
  void observe_cycle();
  [[nodiscard]] PeCell& cell(int row, int column) const {
    return *cells_[static_cast<std::size_t>(row * kMaxPeSide + column)];
  }

  Scratchpad& activations_;
  Scratchpad& weights_;
  AccumulatorMemory& accumulators_;

  sc_core::sc_event start_, clock_, settled_, wake_;
  PeWire<PePhase> phase_{"phase"};
  PePass pass_;
  PeSums sums_;
  PeWestFeeder west_;
  PeNorthFeeder north_;
  PeCollector collector_;
  std::vector<std::unique_ptr<PeCell>> cells_;

  std::vector<std::int32_t> operands_;         // [m, k]
  std::vector<std::int64_t> addresses_;        // of operands_
  std::array<BankClock, 2> banks_;             // of even and odd edges
  std::int64_t cycles_ = 0, load_cycles_ = 0;  // edges of the pass so far, and those that loaded
  PePhase next_phase_ = PePhase::Load;         // of the next edge
  bool drains_ = false;
  bool complete_ = false;
  ArrayState state_;
};

}  // namespace guardbit::sim
