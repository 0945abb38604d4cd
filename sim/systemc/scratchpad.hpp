// A scratchpad: the codes live here between DMA, array and vector unit. Addresses count elements.
#pragma once

#include <span>
#include <systemc>
#include <vector>

#include "sim/check.hpp"

namespace guardbit::sim {

class Scratchpad : public sc_core::sc_module {
 public:
  explicit Scratchpad(sc_core::sc_module_name name) : sc_module(name) {}

  // Sizes the memory for a machine; contents are cleared when the size changes.
  void configure(std::int64_t bytes, int element_bytes) {
    const auto elements = static_cast<std::size_t>(bytes / element_bytes);
    if (data_.size() != elements) {
      data_.assign(elements, 0);
    }
  }
  [[nodiscard]] std::span<const std::int32_t> all() const { return data_; }
  [[nodiscard]] std::span<std::int32_t> at(std::int64_t address, std::int64_t count) {
    GUARDBIT_SIM_CHECK(address >= 0 && count >= 0 && address + count <= static_cast<std::int64_t>(data_.size()));
    return std::span(data_).subspan(static_cast<std::size_t>(address), static_cast<std::size_t>(count));
  }

 private:
  std::vector<std::int32_t> data_;
};

}  // namespace guardbit::sim
