// Static memory: buffers with known lifetimes share one allocation.
#pragma once

#include <cstddef>
#include <vector>

namespace guardbit::trainer {

struct Buffer {
  int begin = 0, end = 0;    // alive in steps begin .. end, both included
  std::size_t bytes = 0;
  std::size_t offset = 0;    // result, a multiple of 64
};

/// Places every buffer so that no two that are alive in one step overlap: the largest first, each at the lowest place
/// that is free during its life. Returns the size of the whole.
std::size_t plan_memory(std::vector<Buffer>& buffers);

}  // namespace guardbit::trainer
