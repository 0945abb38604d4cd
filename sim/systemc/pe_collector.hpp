// The lower edge of the PE array: one clocked process that hands the sums of the bottom row to the accumulator memory.
#pragma once

#include <array>
#include <systemc>
#include <vector>

#include "sim/systemc/pe_pass.hpp"
#include "sim/systemc/pe_sums.hpp"

namespace guardbit::sim {

class PeCollector : public sc_core::sc_module {
 public:
  using SumIn = sc_core::sc_signal_in_if<PartialSum>;

  PeCollector(sc_core::sc_module_name name, sc_core::sc_event& clock, const sc_core::sc_signal_in_if<PePhase>& phase,
              const PePass& pass, PeSums& memory);

  // bottom: output registers of the array's bottom row, one per column.
  void begin(std::vector<const SumIn*> bottom);
  // Has every sum arrived?
  [[nodiscard]] bool complete() const;

 private:
  void step();
  void take(std::int64_t m, std::int64_t n, const PartialSum& sum);
  void take_moving_sums();
  void take_drained_row();

  const sc_core::sc_signal_in_if<PePhase>& phase_;
  const PePass& pass_;
  PeSums& memory_;
  std::vector<const SumIn*> bottom_;
  std::vector<std::int64_t> taken_;  // sums of each column
  std::int64_t edge_ = 0;            // edges of the pass so far
};

}  // namespace guardbit::sim
