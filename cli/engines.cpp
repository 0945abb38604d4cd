#include "cli/engines.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "arith/error.hpp"
#include "cli/text.hpp"
#include "sim/simulator.hpp"

namespace guardbit::cli {

const std::vector<std::string>& engine_names() {
  static const std::vector<std::string> names{"reference", "fast", "tile", "array", "pe"};
  return names;
}

bool needs_machine(std::string_view engine) { return engine == "tile" || engine == "array" || engine == "pe"; }

void check_engine(const std::string& engine, const std::optional<sim::Machine>& machine, const std::string& where) {
  const std::vector<std::string>& names = engine_names();
  if (std::find(names.begin(), names.end(), engine) == names.end()) {
    throw Error(fmt::format("{}: found {}{}, allowed {}", where, engine, did_you_mean(engine, names), join(names)));
  }
  if (needs_machine(engine) && !machine) {
    throw Error(fmt::format("{}: found {} without a machine, allowed a machine such as sim/configs/edge16.yaml", where,
                            engine));
  }
  if (engine == "pe") sim::check_pe_machine(*machine);
}

std::unique_ptr<nets::Engine> make_engine(std::string_view name, const std::optional<sim::Machine>& machine,
                                          const Simulation& simulation) {
  if (name == "reference") return nets::make_reference_engine();
  if (name == "fast") return nets::make_fast_engine();
  const auto& [observer, stall_seed] = simulation;
  if (name == "tile") return sim::make_tile_engine(machine.value(), observer, stall_seed);
  if (name == "pe") return sim::make_pe_engine(machine.value(), observer, stall_seed);
  return sim::make_array_engine(machine.value(), observer, stall_seed);
}

std::optional<std::uint64_t> read_stall_seed(const Session& session) {
  if (!session.root().has("stall_seed")) return std::nullopt;
  return static_cast<std::uint64_t>(session.root().integer("stall_seed", 0, INT64_MAX));
}

std::optional<sim::Machine> optional_machine(const Session& session) {
  if (!session.root().has("machine")) return std::nullopt;
  return sim::read_machine(session.root().section("machine"));
}

sim::Machine required_machine(const Session& session) {
  const std::optional<sim::Machine> machine = optional_machine(session);
  if (!machine) throw Error("command line: machine: found nothing, allowed a machine such as sim/configs/edge16.yaml");
  return *machine;
}

std::vector<arith::Accumulation> accumulations(const std::optional<sim::Machine>& machine,
                                               const nets::IntegerNetwork& network) {
  return machine ? sim::accumulations(*machine, network) : nets::uniform(network, arith::Accumulation{});
}

std::string describe(const std::optional<sim::Machine>& machine) {
  const auto spec = [](const arith::AccumulatorSpec& s) {
    return fmt::format("{} step {}", arith::to_string(s.format), s.step);
  };
  if (!machine) return fmt::format("no machine, accumulator {}", spec({}));
  const bool inner = machine->mapping.loop_order == sim::LoopOrder::ReductionInner;
  std::string text = fmt::format("{}x{} {}{}, accumulator {}", machine->array.rows, machine->array.columns,
                                 sim::name(machine->array.dataflow), inner ? "" : " reduction_outer",
                                 spec(machine->numerics.accumulator));
  if (machine->numerics.psum) text += fmt::format(", partial sums {}", spec(*machine->numerics.psum));
  return text;
}

}  // namespace guardbit::cli
