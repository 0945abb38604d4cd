#include "sim/roofline.hpp"

#include <algorithm>

namespace guardbit::sim {

std::optional<Roofline> roofline(const Machine& machine, const nets::LayerCost& cost) {
  if (cost.useful_macs == 0) {
    return std::nullopt;
  }
  const auto macs = static_cast<double>(cost.useful_macs);
  const double compute = static_cast<double>(machine.array.rows) * machine.array.columns;
  const double memory = macs * static_cast<double>(machine.dram.bytes_per_cycle) /
                        static_cast<double>(std::max(cost.dram_read_bytes, cost.dram_write_bytes));
  return Roofline{.intensity = macs / static_cast<double>(cost.dram_read_bytes + cost.dram_write_bytes),
                  .attainable = std::min(compute, memory),
                  .achieved = macs / static_cast<double>(cost.cycles),
                  .memory_bound = memory < compute};
}

}  // namespace guardbit::sim
