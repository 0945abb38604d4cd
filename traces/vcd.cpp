#include "traces/vcd.hpp"

#include <fmt/format.h>

#include <cstdlib>

namespace guardbit::traces {
namespace {

// Identifier codes: numbers to base 94, digits '!' to '~'.
std::string code(std::size_t number) {
  std::string text;
  do {
    text += static_cast<char>('!' + number % 94);
    number /= 94;
  } while (number > 0);
  return text;
}

// Readers extend a value on the left with 0, so a negative number is written in full.
void append_bits(std::string& out, std::int64_t value, int width) {
  const auto bits = static_cast<std::uint64_t>(value);
  int top = width - 1;
  while (top > 0 && ((bits >> top) & 1U) == 0) {
    --top;
  }
  for (int bit = top; bit >= 0; --bit) {
    out += ((bits >> bit) & 1U) != 0 ? '1' : '0';
  }
}

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

VcdWriter::VcdWriter(std::string_view timescale, std::string_view comment)
    : header_(fmt::format("$comment {} $end\n$version guardbit $end\n$timescale {} $end\n", comment, timescale)) {}

void VcdWriter::open_scope(std::string_view name) {
  require(!declared_);
  header_ += fmt::format("$scope module {} $end\n", name);
  ++open_scopes_;
}

void VcdWriter::close_scope() {
  require(open_scopes_ > 0);
  header_ += "$upscope $end\n";
  --open_scopes_;
}

VcdWriter::Variable VcdWriter::add(std::string_view name, int width, std::int64_t initial) {
  require(!declared_ && open_scopes_ > 0 && width >= 1 && width <= 64);
  const std::string range = width > 1 ? fmt::format(" [{}:0]", width - 1) : "";
  header_ += fmt::format("$var {} {} {} {}{} $end\n", width > 1 ? "reg" : "wire", width, code(states_.size()), name,
                         range);
  states_.push_back({.width = width, .written = initial, .value = initial});
  return states_.size() - 1;
}

void VcdWriter::end_declarations() {
  require(open_scopes_ == 0);
  declared_ = true;
  header_ += "$enddefinitions $end\n#0\n$dumpvars\n";
  for (Variable v = 0; v < states_.size(); ++v) write_change(header_, v);
  header_ += "$end\n";
}

void VcdWriter::write_change(std::string& out, Variable variable) const {
  const State& state = states_[variable];
  if (state.width == 1) {
    out += (state.value & 1) != 0 ? '1' : '0';
  } else {
    out += 'b';
    append_bits(out, state.value, state.width);
    out += ' ';
  }
  out += code(variable);
  out += '\n';
}

void VcdWriter::at(std::uint64_t time) {
  require(time >= time_);
  if (!declared_) end_declarations();
  if (time == time_) return;
  flush();
  time_ = time;
}

void VcdWriter::set(Variable variable, std::int64_t value) {
  if (!declared_) end_declarations();
  State& state = states_.at(variable);
  state.value = value;
  if (!state.touched) {
    state.touched = true;
    touched_.push_back(variable);
  }
}

// The changes of the time that ends.
void VcdWriter::flush() {
  for (const Variable variable : touched_) {
    State& state = states_[variable];
    state.touched = false;
    if (state.value == state.written) continue;
    state.written = state.value;
    print_time();
    write_change(body_, variable);
  }
  touched_.clear();
}

void VcdWriter::print_time() {
  if (printed_time_ == time_) return;
  printed_time_ = time_;
  body_ += fmt::format("#{}\n", time_);
}

std::string VcdWriter::finish() {
  if (!declared_) end_declarations();
  flush();
  print_time();
  return header_ + body_;
}

}  // namespace guardbit::traces
