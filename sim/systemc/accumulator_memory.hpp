// Accumulator memory: running sums of the tiles in flight, [pixels, columns] each. Beside every sum stands what a
// verification engineer wants to know about it and the hardware does not store: the exact sum and its first overflow.
#pragma once

#include <cstdint>
#include <systemc>
#include <vector>

#include "sim/check.hpp"

namespace guardbit::sim {

class AccumulatorMemory : public sc_core::sc_module {
 public:
  explicit AccumulatorMemory(sc_core::sc_module_name name) : sc_module(name) {}

  void configure(std::int64_t bytes, int element_bytes) {
    const auto elements = static_cast<std::size_t>(bytes / element_bytes);
    if (value_.size() != elements) {
      for (auto* array : {&value_, &exact_, &first_}) {
        array->assign(elements, 0);
      }
    }
  }
  [[nodiscard]] std::int64_t* values(std::int64_t address, std::int64_t count) { return at(value_, address, count); }
  [[nodiscard]] std::int64_t* exact(std::int64_t address, std::int64_t count) { return at(exact_, address, count); }
  // Index of the first narrowing that overflowed, or kNoOverflow (pe_grid.hpp).
  [[nodiscard]] std::int64_t* first(std::int64_t address, std::int64_t count) { return at(first_, address, count); }

 private:
  static std::int64_t* at(std::vector<std::int64_t>& data, std::int64_t address, std::int64_t count) {
    GUARDBIT_SIM_CHECK(address >= 0 && count >= 0 && address + count <= static_cast<std::int64_t>(data.size()));
    return data.data() + address;
  }
  std::vector<std::int64_t> value_, exact_, first_;
};

// DRAM where unfinished sums wait between two passes: [P, Q, K] of one layer, with the same three numbers per sum.
struct SpilledSums {
  std::vector<std::int64_t> value, exact, first;

  void resize(std::int64_t elements) {
    for (auto* array : {&value, &exact, &first}) {
      array->resize(static_cast<std::size_t>(elements));
    }
  }
};

}  // namespace guardbit::sim
