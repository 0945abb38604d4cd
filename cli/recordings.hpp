// What `simulate` writes beside its report: a timeline of the units, and a waveform of the PE array.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "cli/session.hpp"
#include "sim/observer.hpp"
#include "traces/timeline.hpp"
#include "traces/waveform.hpp"

namespace guardbit::cli {

class Recordings {
 public:
  // Reads timeline, waveform, waveform_cycles and layer. Error for a waveform of an engine without wires.
  Recordings(const Session& session, const std::string& engine, const nets::IntegerNetwork& network,
             const sim::Machine& machine);
  ~Recordings();

  // Null if nothing is recorded. Otherwise all images must run on one engine, in order.
  [[nodiscard]] sim::Observer* observer();

  // Writes the files; one line about each.
  [[nodiscard]] std::string write();

 private:
  class FanOut;
  std::optional<std::filesystem::path> timeline_file_, waveform_file_;
  std::unique_ptr<traces::Timeline> timeline_;
  std::unique_ptr<traces::Waveform> waveform_;
  std::unique_ptr<FanOut> fan_out_;
};

}  // namespace guardbit::cli
