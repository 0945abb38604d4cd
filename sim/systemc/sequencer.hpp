// Sequencer: hands the commands of a program to the units. Each unit's commands go in program order, each when its
// unit is free and everything it waits for has ended.
#pragma once

#include <array>
#include <vector>

#include "sim/systemc/unit_module.hpp"

namespace guardbit::sim {

class Sequencer : public sc_core::sc_module {
 public:
  explicit Sequencer(sc_core::sc_module_name name);

  [[nodiscard]] sc_core::sc_event& wake() { return wake_; }
  void configure(const Job& job, const std::array<UnitModule*, kUnits>& units);
  void start() { wake_.notify(sc_core::SC_ZERO_TIME); }
  [[nodiscard]] bool finished() const { return ended_ == commands().size(); }
  [[nodiscard]] const Schedule& schedule() const { return schedule_; }
  // Cycles of each command in which its unit was frozen by an injected stall.
  [[nodiscard]] const std::vector<std::uint64_t>& frozen() const { return frozen_; }

 private:
  struct Queue {
    std::vector<int> commands;  // indices, in order
    std::size_t next = 0;
    int running = -1;
  };
  void dispatch();
  void collect(std::size_t unit, std::uint64_t now);
  void try_issue(std::size_t unit, std::uint64_t now);
  [[nodiscard]] const std::vector<Command>& commands() const { return job_->state->program.commands; }

  sc_core::sc_event wake_;
  const Job* job_ = nullptr;
  std::array<UnitModule*, kUnits> units_{};
  std::array<Queue, kUnits> queues_;
  std::vector<bool> done_;
  std::size_t ended_ = 0;
  Schedule schedule_;
  std::vector<std::uint64_t> frozen_;
};

}  // namespace guardbit::sim
