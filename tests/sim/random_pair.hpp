// One random network on one random machine, through every engine.
#pragma once

#include <array>
#include <cstdint>

namespace guardbit::tests {

// What a whole test saw, so that agreement about nothing does not pass.
struct Seen {
  std::uint64_t pairs = 0, psum_pairs = 0, outer_pairs = 0;
  std::array<std::uint64_t, 3> overflows{}, psum_overflows{};  // outputs, per dataflow
  std::uint64_t stalls = 0, padded = 0, tiles = 0;
  std::array<std::uint64_t, 3> conflicts{}, dead{};  // cycles waited for banks, bytes moved in vain, per dataflow
  std::uint64_t spills = 0;          // commands
  std::uint64_t waiting_sums = 0;    // reduction_outer without spills, more than one tile
  std::uint64_t cut_reductions = 0;  // output stationary passes that do not drain
  std::uint64_t cut_channels = 0;    // input stationary layers with more than one block of channels
  std::uint64_t softmaxes = 0, cut_softmaxes = 0;  // layers; those of more than one tile
};

// Fails the running test where reference, fast, tile, array and pe differ, with a command that repeats this seed.
void compare_engines(std::uint64_t seed, Seen& seen);

}  // namespace guardbit::tests
