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

namespace guardbit::cli {

// reference, fast, tile, array; the last two need a machine.
[[nodiscard]] const std::vector<std::string>& engine_names();
[[nodiscard]] bool needs_machine(std::string_view engine);

// Error with `where` for an unknown name, or for a simulator without a machine.
void check_engine(const std::string& engine, bool has_machine, const std::string& where);

[[nodiscard]] std::unique_ptr<nets::Engine> make_engine(std::string_view name,
    const std::optional<sim::Machine>& machine);

// The section `machine`, when the configuration has one.
[[nodiscard]] std::optional<sim::Machine> optional_machine(const Session& session);
[[nodiscard]] sim::Machine required_machine(const Session& session);

// Of the machine; without one, int<32,WRAP> after every product in every layer.
[[nodiscard]] std::vector<arith::Accumulation> accumulations(const std::optional<sim::Machine>& machine,
                                                             const nets::IntegerNetwork& network);

// "16x16 weight_stationary, accumulator int<32,WRAP> step 1" or "no machine, accumulator ...".
[[nodiscard]] std::string describe(const std::optional<sim::Machine>& machine);

}  // namespace guardbit::cli
