// The edges of the PE array. At the left, streamed operands enter, row r one cycle after row r - 1. At the top, first
// the operands that stay, bottom row first; then running sums (sums move) or weights (sums stay), column c one cycle
// after column c - 1. Each edge is one clocked process; its wires are registers.
#pragma once

#include <array>
#include <systemc>

#include "sim/systemc/pe_pass.hpp"
#include "sim/systemc/pe_sums.hpp"

namespace guardbit::sim {

class PeFeeder : public sc_core::sc_module {
 public:
  PeFeeder(sc_core::sc_module_name name, sc_core::sc_event& start, sc_core::sc_event& clock, const PePass& pass);
  void begin() { position_ = -1; }

 protected:
  // What array row or column `lane` gets in cycle `position` after the load: the number of the operand, if any.
  [[nodiscard]] std::int64_t streamed(std::int64_t position, int lane) const;
  // Puts on the wires what edge number `position` of the pass will find there.
  virtual void present(std::int64_t position) = 0;
  [[nodiscard]] std::int64_t load_cycles() const { return pass_.sums_stay ? 0 : pass_.rows; }
  const PePass& pass_;

 private:
  void step() { present(++position_); }
  std::int64_t position_ = -1;
};

class PeWestFeeder : public PeFeeder {
 public:
  using PeFeeder::PeFeeder;
  std::array<PeWire<Operand>, kMaxPeSide> operands;

 private:
  void present(std::int64_t position) override;
};

class PeNorthFeeder : public PeFeeder {
 public:
  PeNorthFeeder(sc_core::sc_module_name name, sc_core::sc_event& start, sc_core::sc_event& clock, const PePass& pass,
                const PeSums& memory)
      : PeFeeder(name, start, clock, pass), memory_(memory) {}
  std::array<PeWire<Operand>, kMaxPeSide> operands;
  std::array<PeWire<PartialSum>, kMaxPeSide> sums;

 private:
  void present(std::int64_t position) override;
  void read(std::int64_t position, int column, std::int64_t index) const;
  const PeSums& memory_;
};

}  // namespace guardbit::sim
