// Roofline of a layer (Williams, Waterman, Patterson, "Roofline: an insightful visual performance model for multicore
// architectures", CACM 52(4), 2009), in MACs and DRAM bytes.
//
//   compute roof   rows * columns MACs per cycle
//   memory roof    useful MACs / (bytes of the busier direction / bytes_per_cycle): reads and writes have their own
//                  bandwidth and go on beside each other
//
// The lower of the two binds; what a layer achieves stays below it by fill, drain, padding, latency and waiting.
#pragma once

#include <optional>

#include "nets/engines/engine.hpp"
#include "sim/machine.hpp"

namespace guardbit::sim {

struct Roofline {
  double intensity = 0;   // useful MACs per DRAM byte, read and written
  double attainable = 0;  // MACs per cycle under the lower roof
  double achieved = 0;    // useful MACs per cycle
  bool memory_bound = false;
};

// Empty for layers without MACs.
[[nodiscard]] std::optional<Roofline> roofline(const Machine& machine, const nets::LayerCost& cost);

}  // namespace guardbit::sim
