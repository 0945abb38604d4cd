// The PE array of engine pe as a VCD file: every register, every wire at the edges, and which image, layer, tile and
// fold they belong to.
//
//   array.clk                 rises at every edge of the array's clock; it stands still in frozen cycles and between
//                             folds
//   array.phase               what the next edge does: 0 load, 1 stream, 2 drain, 3 nothing
//   array.image, layer, tile, fold, command     numbers as in a timeline
//   array.west_R[_index]      operand on the wire into row R, and which streamed operand it is (-1: none)
//   array.north_C[_index]     operand on the wire into column C; array.north_sum_C[_index] the running sum
//   array.pe_R_C.x[_valid]    register behind the left input
//   array.pe_R_C.w            register behind the upper input; the operand that stays, unless sums stay
//   array.pe_R_C.sum[_valid, _overflowed]       the sum; whether it has overflowed on its way here
//
// Time is in ps; a cycle lasts clock_ns, rounded to ps, and at least 2 ps.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/machine.hpp"
#include "sim/observer.hpp"
#include "traces/program_labels.hpp"
#include "traces/vcd.hpp"

namespace guardbit::traces {

struct WaveformOptions {
  std::int64_t cycles = 1000;  // of the array, from the first recorded fold on; then recording stops
  std::optional<int> layer;    // record this layer only
};

class Waveform : public sim::Observer {
 public:
  Waveform(const sim::Machine& machine, const WaveformOptions& options);

  void begin_layer(std::int64_t image, const sim::LayerProgram& program, std::uint64_t cycle) override;
  void begin_command(const sim::Command& command, int index, std::uint64_t cycle) override;
  [[nodiscard]] bool wants_array_state() const override { return active_ && recorded_ < options_.cycles; }
  void array_state(const sim::ArrayState& state, std::uint64_t cycle) override;

  [[nodiscard]] std::int64_t recorded() const { return recorded_; }  // clock edges
  // The whole file; once, at the end.
  [[nodiscard]] std::string vcd();

 private:
  using Variable = VcdWriter::Variable;
  struct Wire {
    Variable value, index;
  };
  struct Pe {
    Variable x, x_valid, w, sum, sum_valid, overflowed;
  };
  [[nodiscard]] Wire add_wire(const std::string& name, int width);
  void set(const Wire& wire, const sim::ArrayState::Value& value);
  void lower_clock();

  WaveformOptions options_;
  int rows_, columns_;
  std::uint64_t period_ps_;
  VcdWriter writer_;
  Variable clk_ = 0, phase_ = 0, image_ = 0, layer_ = 0, tile_ = 0, fold_ = 0, command_ = 0;
  std::vector<Wire> west_, north_, north_sums_;
  std::vector<Pe> pes_;

  std::vector<CommandLabel> labels_;
  std::int64_t image_number_ = 0;
  int layer_number_ = 0, command_number_ = 0;
  bool active_ = false;
  std::int64_t recorded_ = 0;
  std::optional<std::uint64_t> high_since_;  // cycle whose clock phase is still high
};

}  // namespace guardbit::traces
