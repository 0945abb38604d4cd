// A timeline of the machine's units in the Trace Event Format that chrome://tracing and ui.perfetto.dev open: one track
// per unit (dma_read, dma_write, array, vector), one event per command, named by layer, tile and fold.
//
// Time is simulated: microseconds = cycles * clock_ns / 1000. `args` has the cycles themselves, the operation's block,
// its bytes, and `after`: the commands (of the same image and layer) that had to end before. The bytes do not depend on
// the engine or on the number of workers.
// Format: "Trace Event Format", Google, docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/machine.hpp"
#include "sim/observer.hpp"
#include "traces/program_labels.hpp"

namespace guardbit::traces {

class Timeline : public sim::Observer {
 public:
  // Both must outlive the timeline.
  Timeline(const nets::IntegerNetwork& network, const sim::Machine& machine) : network_(network), machine_(machine) {}

  void begin_layer(std::int64_t image, const sim::LayerProgram& program, std::uint64_t cycle) override;
  void begin_command(const sim::Command& command, int index, std::uint64_t cycle) override;
  void end_command(const sim::Command& command, int index, std::uint64_t cycle) override;

  [[nodiscard]] std::string json() const;

 private:
  struct Event {
    std::uint64_t begin = 0, end = 0;
    sim::Unit unit = sim::Unit::DmaRead;
    std::string name, args;
  };
  [[nodiscard]] std::string event_text(const Event& event) const;

  const nets::IntegerNetwork& network_;
  const sim::Machine& machine_;
  std::int64_t image_ = 0;
  const sim::LayerProgram* program_ = nullptr;
  std::vector<CommandLabel> labels_;
  std::vector<std::uint64_t> begun_;  // of the layer's commands
  std::vector<Event> events_;
};

}  // namespace guardbit::traces
