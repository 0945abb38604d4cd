// Engines by name, and on what they run.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/session.hpp"
#include "nets/engines/engine.hpp"
#include "sim/machine.hpp"
#include "sim/observer.hpp"

namespace guardbit::cli {

// reference, fast, tile, array, pe; the last three need a machine.
[[nodiscard]] const std::vector<std::string>& engine_names();
[[nodiscard]] bool needs_machine(std::string_view engine);

// Error with `where` for an unknown name, for a simulator without a machine, or for a machine too large for pe.
void check_engine(const std::string& engine, const std::optional<sim::Machine>& machine, const std::string& where);

// What only simulators look at.
struct Simulation {
  sim::Observer* observer = nullptr;
  std::optional<std::uint64_t> stall_seed;  // random stalls (sim/stall.hpp)
};
[[nodiscard]] std::unique_ptr<nets::Engine> make_engine(std::string_view name,
                                                        const std::optional<sim::Machine>& machine,
                                                        const Simulation& simulation = {});

// The key stall_seed; empty without it.
[[nodiscard]] std::optional<std::uint64_t> read_stall_seed(const Session& session);

// The section `machine`, when the configuration has one.
[[nodiscard]] std::optional<sim::Machine> optional_machine(const Session& session);
[[nodiscard]] sim::Machine required_machine(const Session& session);

// Of the machine; without one, int<32,WRAP> after every product in every layer.
[[nodiscard]] std::vector<arith::Accumulation> accumulations(const std::optional<sim::Machine>& machine,
                                                             const nets::IntegerNetwork& network);

// "16x16 weight_stationary, accumulator int<32,WRAP> step 1" or "no machine, accumulator ...".
[[nodiscard]] std::string describe(const std::optional<sim::Machine>& machine);

}  // namespace guardbit::cli
