// Injected stalls: random extra cycles in every command of every unit, to show that results do not depend on timing.
//
// Before each cycle of a command its unit may be frozen for a while. How long is a pure function of (seed, image,
// layer, command, cycle of the command), so that every engine, every order of execution and every number of workers
// draws the same: word cycle % 4 of philox4x32 with counter (cycle / 4, command, layer, image) and the seed as key. One word in
// eight freezes, for 1 to 7 cycles.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "sim/cost.hpp"
#include "sim/program.hpp"

namespace guardbit::sim {

class Stalls {
 public:
  Stalls() = default;  // none
  Stalls(std::optional<std::uint64_t> seed, std::int64_t image, int layer)
      : seed_(seed), image_(static_cast<std::uint32_t>(image)), layer_(static_cast<std::uint32_t>(layer)) {}

  [[nodiscard]] bool any() const { return seed_.has_value(); }
  // Frozen cycles before the cycles [begin, begin + count) of a command.
  [[nodiscard]] std::int64_t before(int command, std::int64_t begin, std::int64_t count) const;

 private:
  std::optional<std::uint64_t> seed_;
  std::uint32_t image_ = 0, layer_ = 0;
};

// The schedule of the same program without stalls: every command as long as it was less its own frozen cycles
// [per command], started as soon as its unit and its dependencies allow.
[[nodiscard]] Schedule without_stalls(const LayerProgram& program, const Schedule& schedule,
                                      std::span<const std::uint64_t> frozen);

}  // namespace guardbit::sim
