// Files of SCALE-Sim (github.com/scalesim-project/scale-sim-v2): topologies (CSV) and configurations (INI).
//
// Topology, told apart by its first line, which SCALE-Sim skips and we read:
//   Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides, [...]
//   Layer, M, N, K, [...]                      an [M, K] matrix times a [K, N] one
// The IFMAP of a convolution is already padded. A layer whose name contains DP is depthwise: `Num Filter` filters for
// each channel (SCALE-Sim makes one layer per channel; here it is one layer of as many groups). Of the columns behind,
// those named Stride Width (then Strides is the stride along the height), Sparsity and Batch Size are read: sparsity
// must be 1:1 and the batch 1. Others, comments for example, are not. Blank lines are skipped, a comma may end a line.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nets/import/topology.hpp"

namespace guardbit::nets {

// Errors name file and line. `file` also gives the topology its name.
[[nodiscard]] Topology parse_scale_sim_topology(std::string_view text, const std::string& file);

struct ScaleSimConfig {
  std::string run_name;
  int array_height = 0, array_width = 0;
  std::int64_t ifmap_kib = 0, filter_kib = 0, ofmap_kib = 0;
  std::string dataflow;                    // "ws", "os" or "is"
  std::optional<std::int64_t> bandwidth;   // words per cycle, in mode USER; CALC: none, memory is never the bottleneck
  std::vector<std::string> not_taken;      // "section.key" of what this reader does not use
};
[[nodiscard]] ScaleSimConfig parse_scale_sim_config(std::string_view text, const std::string& file);

}  // namespace guardbit::nets
