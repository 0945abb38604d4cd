#include "sim/systemc/sequencer.hpp"

#include <algorithm>

namespace guardbit::sim {

Sequencer::Sequencer(sc_core::sc_module_name name) : sc_module(name) {
  SC_HAS_PROCESS(Sequencer);
  SC_METHOD(dispatch);
  sensitive << wake_;
  dont_initialize();
}

void Sequencer::configure(const Job& job, const std::array<UnitModule*, kUnits>& units) {
  job_ = &job;
  units_ = units;
  for (Queue& queue : queues_) {
    queue = {};
  }
  for (std::size_t i = 0; i < commands().size(); ++i) {
    queues_[static_cast<std::size_t>(commands()[i].unit())].commands.push_back(static_cast<int>(i));
  }
  done_.assign(commands().size(), false);
  ended_ = 0;
  const std::uint64_t now = now_in_cycles();
  schedule_.begin.assign(commands().size(), 0);
  schedule_.end.assign(commands().size(), 0);
  frozen_.assign(commands().size(), 0);
  schedule_.layer_begin = schedule_.layer_end = now;
}

void Sequencer::dispatch() {
  const std::uint64_t now = now_in_cycles();
  for (std::size_t unit = 0; unit < units_.size(); ++unit) {
    collect(unit, now);
  }
  for (std::size_t unit = 0; unit < units_.size(); ++unit) {
    try_issue(unit, now);
  }
}

void Sequencer::collect(std::size_t unit, std::uint64_t now) {
  Queue& queue = queues_[unit];
  if (queue.running < 0 || !units_[unit]->take_finished()) {
    return;
  }
  const auto index = static_cast<std::size_t>(std::exchange(queue.running, -1));
  done_[index] = true;
  ++ended_;
  schedule_.end[index] = now;
  frozen_[index] = units_[unit]->frozen();
  schedule_.layer_end = now;
  if (job_->observer != nullptr) {
    job_->observer->end_command(commands()[index], static_cast<int>(index), now - job_->origin);
  }
}

void Sequencer::try_issue(std::size_t unit, std::uint64_t now) {
  Queue& queue = queues_[unit];
  if (queue.running >= 0 || queue.next == queue.commands.size()) {
    return;
  }
  const int index = queue.commands[queue.next];
  const Command& command = commands()[static_cast<std::size_t>(index)];
  const bool ready = std::all_of(command.after.begin(), command.after.end(),
                                 [&](int before) { return done_[static_cast<std::size_t>(before)]; });
  if (!ready) {
    return;
  }
  ++queue.next;
  queue.running = index;
  schedule_.begin[static_cast<std::size_t>(index)] = now;
  if (job_->observer != nullptr) {
    job_->observer->begin_command(command, index, now - job_->origin);
  }
  units_[unit]->issue(command, index);
}

}  // namespace guardbit::sim
