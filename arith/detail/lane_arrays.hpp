// Storage of the vector-lane tile.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "arith/detail/lane_kernel.hpp"

namespace guardbit::arith::detail {

// State of all outputs with lanes of type T: [rows, blocks, kLanes].
template <typename T>
struct LaneArrays {
  std::vector<T> value;  // meaningful where the row has diverged
  std::vector<T> exact;
  T exact_min[kLanes];
  T exact_max[kLanes];

  void resize(std::size_t lanes) {
    value.resize(lanes);
    exact.resize(lanes);
  }
  void clear_range() {
    std::fill_n(exact_min, kLanes, std::numeric_limits<T>::max());
    std::fill_n(exact_max, kLanes, std::numeric_limits<T>::min());
  }
};

// The first overflow of a tile in row-major order.
struct First {
  int row = std::numeric_limits<int>::max();
  int col = 0;
  std::int64_t narrowing = 0;
  [[nodiscard]] bool none() const { return row == std::numeric_limits<int>::max(); }
  [[nodiscard]] bool after(int r, int c) const { return r < row || (r == row && c < col); }
};

}  // namespace guardbit::arith::detail
