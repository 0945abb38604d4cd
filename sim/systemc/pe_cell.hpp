// One PE: a multiplier, an adder, the registers behind them, and one clocked process. Its output registers are the
// signals that its right and lower neighbours read.
//
//   sums move (weight and input stationary):  the stationary operand w stays, x comes from the left, the sum from above
//   sums stay (output stationary):            x comes from the left, w from above, the sum stays until it is drained
//
//   tree' = tree + w * x;   at the end of an adder-tree group:  sum' = narrow(sum + tree'), tree' = 0
#pragma once

#include <systemc>

#include "arith/accumulate.hpp"
#include "sim/systemc/pe_pass.hpp"
#include "sim/systemc/pe_wires.hpp"

namespace guardbit::sim {

class PeCell : public sc_core::sc_module {
 public:
  using OperandIn = sc_core::sc_signal_in_if<Operand>;
  using SumIn = sc_core::sc_signal_in_if<PartialSum>;
  using PhaseIn = sc_core::sc_signal_in_if<PePhase>;

  struct Surroundings {
    const OperandIn& left;
    const OperandIn& above;    // weights (and other operands that come from the top)
    const SumIn& above_sum;
    const PhaseIn& phase;
    const PePass& pass;
    sc_core::sc_event& clock;  // notified at every edge of the array's clock
    sc_core::sc_event& wake;   // the grid has grown
  };
  PeCell(sc_core::sc_module_name name, int row, int column, const Surroundings& around);

  // Output registers.
  PeWire<Operand> right{"right"}, below{"below"};
  PeWire<PartialSum> sum{"sum"};

  void reset();

  // Of all additions since the last call.
  struct Evidence {
    std::uint64_t overflows = 0;
    arith::Range exact;  // at narrowing points
  };
  [[nodiscard]] Evidence take_evidence();

 private:
  void edge();
  void load();
  void add_to_moving_sum();
  void add_to_own_sum();
  // The sum of `before` and w * x; `ends_group`: narrow it, as narrowing number `narrowing`.
  [[nodiscard]] PartialSum add(const PartialSum& before, std::int64_t w, std::int64_t x, bool ends_group,
                               std::int64_t narrowing);

  const int row_, column_;
  const Surroundings around_;
  bool clocked_ = false;
  Evidence evidence_;
};

}  // namespace guardbit::sim
