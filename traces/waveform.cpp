#include "traces/waveform.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace guardbit::traces {
namespace {

std::uint64_t period_ps(const sim::Machine& machine) {
  return std::max<std::uint64_t>(2, static_cast<std::uint64_t>(std::llround(machine.clock_ns * 1000.0)));
}

std::string comment(const sim::Machine& machine) {
  return fmt::format("{}x{} {}, one cycle = {} ps", machine.array.rows, machine.array.columns,
                     sim::name(machine.array.dataflow), period_ps(machine));
}

int sum_bits(const sim::Machine::Numerics& numerics) {
  return (numerics.psum ? numerics.psum->format : numerics.accumulator.format).width;
}

}  // namespace

Waveform::Waveform(const sim::Machine& machine, const WaveformOptions& options)
    : options_(options),
      rows_(machine.array.rows),
      columns_(machine.array.columns),
      period_ps_(period_ps(machine)),
      writer_("1 ps", comment(machine)) {
  // An operand is a code less its zero point: one bit more than the code.
  const int operand = std::max(machine.numerics.activation.width, machine.numerics.weight.width) + 1;
  const int sum = sum_bits(machine.numerics);
  writer_.open_scope("array");
  clk_ = writer_.add("clk", 1);
  phase_ = writer_.add("phase", 2);
  image_ = writer_.add("image", 32);
  layer_ = writer_.add("layer", 32);
  tile_ = writer_.add("tile", 32);
  fold_ = writer_.add("fold", 32);
  command_ = writer_.add("command", 32);
  for (int r = 0; r < rows_; ++r) west_.push_back(add_wire(fmt::format("west_{}", r), operand));
  for (int c = 0; c < columns_; ++c) north_.push_back(add_wire(fmt::format("north_{}", c), operand));
  for (int c = 0; c < columns_; ++c) north_sums_.push_back(add_wire(fmt::format("north_sum_{}", c), sum));
  for (int r = 0; r < rows_; ++r) {
    for (int c = 0; c < columns_; ++c) {
      writer_.open_scope(fmt::format("pe_{}_{}", r, c));
      pes_.push_back({.x = writer_.add("x", operand),
                      .x_valid = writer_.add("x_valid", 1),
                      .w = writer_.add("w", operand),
                      .sum = writer_.add("sum", sum),
                      .sum_valid = writer_.add("sum_valid", 1),
                      .overflowed = writer_.add("sum_overflowed", 1)});
      writer_.close_scope();
    }
  }
  writer_.close_scope();
}

Waveform::Wire Waveform::add_wire(const std::string& name, int width) {
  return {.value = writer_.add(name, width), .index = writer_.add(name + "_index", 32, -1)};
}

void Waveform::set(const Wire& wire, const sim::ArrayState::Value& value) {
  writer_.set(wire.value, value.value);
  writer_.set(wire.index, value.index);
}

void Waveform::begin_layer(std::int64_t image, const sim::LayerProgram& program, std::uint64_t /*cycle*/) {
  active_ = !options_.layer || *options_.layer == program.layer;
  image_number_ = image;
  layer_number_ = program.layer;
  labels_ = active_ ? label_commands(program) : std::vector<CommandLabel>{};
}

void Waveform::begin_command(const sim::Command& command, int index, std::uint64_t /*cycle*/) {
  if (command.unit() == sim::Unit::Array) command_number_ = index;
}

void Waveform::array_state(const sim::ArrayState& state, std::uint64_t cycle) {
  if (high_since_ && *high_since_ < cycle) lower_clock();
  writer_.at(cycle * period_ps_);
  writer_.set(phase_, state.phase);
  writer_.set(image_, image_number_);
  writer_.set(layer_, layer_number_);
  writer_.set(command_, command_number_);
  const CommandLabel& label = labels_.at(static_cast<std::size_t>(command_number_));
  writer_.set(tile_, label.tile);
  writer_.set(fold_, label.fold);
  for (std::size_t r = 0; r < west_.size(); ++r) set(west_[r], state.west[r]);
  for (std::size_t c = 0; c < north_.size(); ++c) {
    set(north_[c], state.north[c]);
    set(north_sums_[c], state.north_sums[c]);
  }
  for (std::size_t i = 0; i < pes_.size(); ++i) {
    writer_.set(pes_[i].x, state.operands[i].value);
    writer_.set(pes_[i].x_valid, state.operands[i].index >= 0 ? 1 : 0);
    writer_.set(pes_[i].w, state.weights[i].value);
    writer_.set(pes_[i].sum, state.sums[i].value);
    writer_.set(pes_[i].sum_valid, state.sums[i].index >= 0 ? 1 : 0);
    writer_.set(pes_[i].overflowed, state.overflowed[i] ? 1 : 0);
  }
  if (state.edge) {
    ++recorded_;
    high_since_ = cycle;
    writer_.set(clk_, 1);
  }
}

// The clock is low in the second half of its cycle. A pass may begin in the cycle in which the last one ended: the
// clock then stays high until the next call.
void Waveform::lower_clock() {
  writer_.at(*high_since_ * period_ps_ + period_ps_ / 2);
  writer_.set(clk_, 0);
  high_since_.reset();
}

std::string Waveform::vcd() {
  if (high_since_) lower_clock();
  return writer_.finish();
}

}  // namespace guardbit::traces
