// A network as text, one node per line: name, op, inputs, output shape, attributes. For `info --nodes` and tests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nets/graph/network.hpp"

namespace guardbit::nets {

// "[30, 30, 64]"
[[nodiscard]] std::string to_text(const Shape& shape);
[[nodiscard]] std::string to_text(const std::vector<std::int64_t>& shape);
[[nodiscard]] std::string to_text(const Network& network);

}  // namespace guardbit::nets
