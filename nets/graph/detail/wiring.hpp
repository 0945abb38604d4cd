// The `graph` key -> which layer reads which (nets/graph/build.hpp has the rules).
#pragma once

#include <string>
#include <vector>

#include "nets/config/section.hpp"

namespace guardbit::nets::detail {

struct WiredLayer {
  std::string name;
  std::vector<std::string> inputs;  // layers or "input", in the order of the graph
};
struct Wiring {
  std::vector<WiredLayer> layers;  // topological; only those that lead to the output
  std::string output;              // the layer (or "input") whose output is the result
};
[[nodiscard]] Wiring read_wiring(const Section& model, const std::vector<std::string>& layer_names);

}  // namespace guardbit::nets::detail
