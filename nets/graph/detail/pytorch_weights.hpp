// Parameters from a PyTorch state_dict (nets/graph/weights.hpp has the names and layouts).
#pragma once

#include "nets/graph/network.hpp"
#include "nets/io/array.hpp"

namespace guardbit::nets::detail {

void load_pytorch(Network& network, const NamedArrays& arrays, const std::string& file);

}  // namespace guardbit::nets::detail
