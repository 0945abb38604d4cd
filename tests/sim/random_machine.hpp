// Random machines that can run a given network: small arrays, every overflow mode, scratchpads down to one tile.
#pragma once

#include <cstdint>

#include "sim/machine.hpp"

namespace guardbit::tests {

// A pure function of its arguments. Operand formats and output policy are those of the network.
[[nodiscard]] sim::Machine random_machine(std::uint64_t seed, const nets::IntegerNetwork& network);

// Sets the scratchpads of `machine` to the smallest sizes in which every layer still has a mapping.
void shrink_scratchpads(sim::Machine& machine, const nets::IntegerNetwork& network);

}  // namespace guardbit::tests
