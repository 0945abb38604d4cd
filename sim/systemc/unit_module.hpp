// What all units have in common: a command comes in by an event, takes a number of cycles, and is reported back.
//
// Handshake, safe in any order of processes: the sequencer writes `command` and notifies `start` for the next delta
// cycle; the unit writes `finished` and notifies `done` for the next delta cycle. Every command takes at least one
// cycle. Units may end in different delta cycles of one cycle: the sequencer looks again after each.
//
// Injected stalls (sim/stall.hpp) freeze a unit between its cycles, here, in one place for all units: a command that
// asks for n cycles gets the stalls of its next n cycles on top. What a unit computes cannot depend on them.
#pragma once

#include <systemc>

#include "sim/check.hpp"
#include "sim/systemc/job.hpp"

namespace guardbit::sim {

[[nodiscard]] inline sc_core::sc_time cycles_to_time(std::int64_t cycles) {
  return sc_core::sc_time(static_cast<double>(cycles), sc_core::SC_NS);
}
[[nodiscard]] inline std::uint64_t now_in_cycles() {
  static const sc_core::sc_time kCycle(1, sc_core::SC_NS);
  return sc_core::sc_time_stamp().value() / kCycle.value();
}

class UnitModule : public sc_core::sc_module {
 public:
  UnitModule(sc_core::sc_module_name name, sc_core::sc_event& done) : sc_module(name), done_(done) {
    SC_HAS_PROCESS(UnitModule);
    SC_METHOD(step);
    sensitive << start_;
    dont_initialize();
  }

  virtual void configure(const Job& job) {
    job_ = &job;
    finished_ = false;
  }
  // index: of the command in its program.
  void issue(const Command& command, int index) {
    GUARDBIT_SIM_CHECK(command_ == nullptr);
    command_ = &command;
    index_ = index;
    cycle_ = frozen_ = 0;
    start_.notify(sc_core::SC_ZERO_TIME);
  }
  // True once after each command.
  [[nodiscard]] bool take_finished() { return std::exchange(finished_, false); }
  // Cycles of the last command in which the unit was frozen.
  [[nodiscard]] std::uint64_t frozen() const { return static_cast<std::uint64_t>(frozen_); }

 protected:
  // Instead of a number of cycles: `advance` is called when resume() says so.
  static constexpr std::int64_t kUntilResumed = -1;

  // Starts the command: its effect on memories, and the cycles until `advance`.
  virtual std::int64_t begin(const Command& command) = 0;
  // Called when those cycles are over: more cycles to go, or 0 when the command has ended.
  virtual std::int64_t advance(const Command& /*command*/) { return 0; }
  // After so many more cycles of the command.
  void resume(std::int64_t cycles) {
    if (cycles == 0) {
      resume_.notify(sc_core::SC_ZERO_TIME);
    } else {
      resume_.notify(cycles_to_time(with_stalls(cycles)));
    }
  }
  // Time for the next `cycles` cycles of the command, stalls included.
  [[nodiscard]] std::int64_t with_stalls(std::int64_t cycles) {
    const std::int64_t frozen = job_->stalls.before(index_, cycle_, cycles);
    cycle_ += cycles;
    frozen_ += frozen;
    return cycles + frozen;
  }
  [[nodiscard]] const Job& job() const { return *job_; }
  [[nodiscard]] int command_index() const { return index_; }

 private:
  void step() {
    const std::int64_t cycles = running_ ? advance(*command_) : begin(*command_);
    running_ = cycles != 0;
    if (cycles == kUntilResumed) {
      next_trigger(resume_);
      return;
    }
    if (running_) {
      const std::int64_t time = with_stalls(cycles);
      next_trigger(time == 1 ? one_cycle_ : cycles_to_time(time));
      return;
    }
    charge(*job_->state->machine, command_->operation, *job_->cost);
    command_ = nullptr;
    finished_ = true;
    done_.notify(sc_core::SC_ZERO_TIME);
  }

  sc_core::sc_event start_, resume_;
  sc_core::sc_event& done_;
  const sc_core::sc_time one_cycle_{1, sc_core::SC_NS};
  const Job* job_ = nullptr;
  const Command* command_ = nullptr;
  int index_ = 0;
  std::int64_t cycle_ = 0, frozen_ = 0;  // of the command
  bool running_ = false, finished_ = false;
};

}  // namespace guardbit::sim
