// Inside the mapper: one function per kind of layer.
#pragma once

#include <utility>

#include "sim/mapping.hpp"

namespace guardbit::sim {

// Appends a command; negative entries of `after` mean "nothing to wait for". Returns its index.
int append(LayerProgram& program, Operation operation, const std::vector<int>& after);

[[nodiscard]] LayerProgram map_weighted(const Machine& machine, const nets::IntegerNetwork& network, int layer);
[[nodiscard]] LayerProgram map_elementwise(const Machine& machine, const nets::IntegerNetwork& network, int layer);

}  // namespace guardbit::sim
