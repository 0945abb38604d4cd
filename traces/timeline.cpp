#include "traces/timeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <tuple>
#include <type_traits>

#include "sim/cost.hpp"

namespace guardbit::traces {
namespace {

std::string quoted(const std::string& text) { return nlohmann::json(text).dump(); }

std::string span(const char* name, const sim::Span& s) { return fmt::format(",\"{}\":[{},{}]", name, s.begin, s.end); }

std::string box(const sim::Box& b) { return span("p", b.h) + span("q", b.w) + span("channels", b.c); }

// What the command does, after "LAYER tile T fold F", and its block.
struct Description {
  const char* what;
  std::string block;
};

Description describe(const sim::Operation& operation) {
  return std::visit(
      [](const auto& one) -> Description {
        using T = std::decay_t<decltype(one)>;
        if constexpr (std::is_same_v<T, sim::LoadActivations>) {
          return {" load input", span("rows", one.rows) + span("channels", one.region.box.c)};
        } else if constexpr (std::is_same_v<T, sim::LoadWeights>) {
          return {" load weights", fmt::format(",\"group\":{}", one.group) + span("k", one.k) + span("n", one.n)};
        } else if constexpr (std::is_same_v<T, sim::Fold>) {
          return {"", fmt::format(",\"group\":{}", one.group) + box(one.outputs) + span("m", one.m) + span("k", one.k) +
                          span("n", one.n)};
        } else if constexpr (std::is_same_v<T, sim::RequantizeTile>) {
          return {" requantize", box(one.outputs)};
        } else if constexpr (std::is_same_v<T, sim::SpillSums>) {
          return {" spill sums", box(one.outputs)};
        } else if constexpr (std::is_same_v<T, sim::ReloadSums>) {
          return {" reload sums", box(one.outputs)};
        } else if constexpr (std::is_same_v<T, sim::StoreOutputs>) {
          return {" store", box(one.outputs)};
        } else {
          static_assert(std::is_same_v<T, sim::Elementwise>);
          return {"", box(one.outputs)};
        }
      },
      operation);
}

constexpr sim::Unit kTracks[]{sim::Unit::DmaRead, sim::Unit::DmaWrite, sim::Unit::Array, sim::Unit::Vector};

int track(sim::Unit unit) { return static_cast<int>(unit) + 1; }

}  // namespace

void Timeline::begin_layer(std::int64_t image, const sim::LayerProgram& program, std::uint64_t /*cycle*/) {
  image_ = image;
  program_ = &program;
  labels_ = label_commands(program);
  begun_.assign(program.commands.size(), 0);
}

void Timeline::begin_command(const sim::Command& /*command*/, int index, std::uint64_t cycle) {
  begun_.at(static_cast<std::size_t>(index)) = cycle;
}

void Timeline::end_command(const sim::Command& command, int index, std::uint64_t cycle) {
  const auto i = static_cast<std::size_t>(index);
  const Description description = describe(command.operation);
  const CommandLabel& label = labels_.at(i);
  Event event{.begin = begun_.at(i), .end = cycle, .unit = command.unit(), .name = {}, .args = {}};
  event.name = network_.layer(program_->layer).name;
  if (label.tile >= 0) event.name += fmt::format(" tile {}", label.tile);
  if (label.fold >= 0) event.name += fmt::format(" fold {}", label.fold);
  event.name += description.what;
  event.args = fmt::format("\"image\":{},\"layer\":{},\"command\":{},\"after\":[", image_, program_->layer, index);
  const char* separator = "";
  for (const int before : command.after) {
    event.args += fmt::format("{}{}", separator, before);
    separator = ",";
  }
  event.args += fmt::format("],\"cycle\":{},\"cycles\":{}", event.begin, event.end - event.begin);
  event.args += description.block;
  if (const std::int64_t bytes = sim::dram_bytes(machine_, command.operation); bytes > 0) {
    event.args += fmt::format(",\"bytes\":{}", bytes);
  }
  events_.push_back(std::move(event));
}

std::string Timeline::event_text(const Event& event) const {
  const auto microseconds = [&](std::uint64_t cycles) {
    return static_cast<double>(cycles) * machine_.clock_ns / 1000.0;
  };
  return fmt::format(R"({{"name":{},"cat":"{}","ph":"X","ts":{},"dur":{},"pid":1,"tid":{},"args":{{{}}}}})",
                     quoted(event.name), sim::name(event.unit), microseconds(event.begin),
                     microseconds(event.end - event.begin), track(event.unit), event.args);
}

std::string Timeline::json() const {
  // In order of time: events of one cycle end in an order that depends on the engine.
  std::vector<std::size_t> order(events_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::tie(events_[a].begin, events_[a].unit) < std::tie(events_[b].begin, events_[b].unit);
  });
  std::string text = fmt::format(
      "{{\"displayTimeUnit\":\"ns\",\"otherData\":{{\"clock_ns\":{},\"time\":\"microseconds = cycles * clock_ns / "
      "1000\"}},\"traceEvents\":[\n",
      machine_.clock_ns);
  text += fmt::format(R"({{"name":"process_name","ph":"M","pid":1,"args":{{"name":{}}}}})", quoted(network_.name));
  for (const sim::Unit unit : kTracks) {
    text += fmt::format(",\n" R"({{"name":"thread_name","ph":"M","pid":1,"tid":{},"args":{{"name":"{}"}}}})",
                        track(unit), sim::name(unit));
    text += fmt::format(
        ",\n" R"({{"name":"thread_sort_index","ph":"M","pid":1,"tid":{0},"args":{{"sort_index":{0}}}}})", track(unit));
  }
  for (const std::size_t i : order) {
    text += ",\n";
    text += event_text(events_[i]);
  }
  return text + "\n]}\n";
}

}  // namespace guardbit::traces
