#include "sim/stall.hpp"

#include <algorithm>
#include <array>

#include "arith/philox.hpp"
#include "sim/check.hpp"

namespace guardbit::sim {

std::int64_t Stalls::before(int command, std::int64_t begin, std::int64_t count) const {
  if (!any()) {
    return 0;
  }
  const std::array<std::uint32_t, 2> key{static_cast<std::uint32_t>(*seed_), static_cast<std::uint32_t>(*seed_ >> 32)};
  std::array<std::uint32_t, 4> words{};
  std::int64_t drawn = -1, frozen = 0;
  for (std::int64_t cycle = begin; cycle < begin + count; ++cycle) {
    if (cycle / 4 != drawn) {
      drawn = cycle / 4;
      words = arith::philox4x32(
          {static_cast<std::uint32_t>(drawn), static_cast<std::uint32_t>(command), layer_, image_}, key);
    }
    const std::uint32_t word = words[static_cast<std::size_t>(cycle % 4)];
    frozen += word % 8 == 0 ? 1 + word / 8 % 7 : 0;
  }
  return frozen;
}

Schedule without_stalls(const LayerProgram& program, const Schedule& schedule, std::span<const std::uint64_t> frozen) {
  const std::size_t count = program.commands.size();
  Schedule free;
  free.begin.resize(count);
  free.end.resize(count);
  free.layer_begin = free.layer_end = schedule.layer_begin;
  std::array<std::uint64_t, kUnits> unit_free{};
  unit_free.fill(schedule.layer_begin);
  for (std::size_t i = 0; i < count; ++i) {
    const Command& command = program.commands[i];
    std::uint64_t& unit = unit_free[static_cast<std::size_t>(command.unit())];
    std::uint64_t begin = unit;
    for (const int before : command.after) {
      begin = std::max(begin, free.end[static_cast<std::size_t>(before)]);
    }
    const std::uint64_t duration = schedule.end[i] - schedule.begin[i];
    GUARDBIT_SIM_CHECK(frozen[i] < duration && begin <= schedule.begin[i]);
    free.begin[i] = begin;
    free.end[i] = unit = begin + duration - frozen[i];
    free.layer_end = std::max(free.layer_end, free.end[i]);
  }
  return free;
}

}  // namespace guardbit::sim
