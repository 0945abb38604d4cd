// A topology: layers of a workload known by their shapes alone. The layers are independent: none reads what another
// wrote, and their shapes need not go together, as in SCALE-Sim. Weights and inputs are declared random integers, pure
// functions of seed and layer, so that nothing but shapes and a seed has to be stored.
//
//   topology:
//     name: alexnet
//     source: alexnet.csv          # what it was made from, and that file's SHA-256
//     sha256: ...
//     layers:
//       - {name: Conv1, input: [224, 224, 3], kernel: [11, 11], stride: [4, 4], filters: 96, groups: 1}
//
// Layer -> IntegerNetwork of two layers, `input` and the convolution, both int8:
//   P = ceil((H - R) / stride) + 1, likewise Q. SCALE-Sim rounds up, so the last window may hang over the edge: it is
//   padded with zeros at the bottom and on the right, and its taps count as useful, as they do there.
//   weights and input codes uniform in [-127, 127], no bias, zero points 0;
//   output = tflite_double with one multiplier, 2^-7 / sqrt(R * S * C / groups), which spreads the codes over int8.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nets/config/section.hpp"
#include "nets/quantize/integer_network.hpp"

namespace guardbit::nets {

struct TopologyLayer {
  std::string name;
  Shape input{};
  int kernel_h = 1, kernel_w = 1;
  int stride_h = 1, stride_w = 1;
  int filters = 1;  // output channels, of all groups
  int groups = 1;
  friend bool operator==(const TopologyLayer&, const TopologyLayer&) = default;
};

struct Topology {
  std::string name;
  std::string source, sha256;
  std::vector<TopologyLayer> layers;
  friend bool operator==(const Topology&, const Topology&) = default;
};

// Largest of the two: 0 is allowed nowhere.
inline constexpr int kMaxTopologyExtent = 1 << 20;
inline constexpr std::size_t kMaxTopologyLayers = 1 << 14;

// Empty if the layer can be simulated, else what was found and what is allowed ("found a filter of 5 x 5 ..., allowed").
[[nodiscard]] std::string problem_of(const TopologyLayer& layer);

[[nodiscard]] Value to_value(const Topology& topology);  // the map below `topology`
[[nodiscard]] Topology read_topology(const Section& section);

[[nodiscard]] IntegerNetwork layer_network(const Topology& topology, std::size_t layer, std::uint64_t seed);
// Input codes of images [first, first + count) of that network.
[[nodiscard]] IntTensor layer_input(const Topology& topology, std::size_t layer, std::uint64_t seed, std::int64_t first,
                                    std::int64_t count);

}  // namespace guardbit::nets
