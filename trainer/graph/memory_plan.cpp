#include "trainer/graph/memory_plan.hpp"

#include <algorithm>
#include <numeric>

namespace guardbit::trainer {

std::size_t plan_memory(std::vector<Buffer>& buffers) {
  std::vector<std::size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return buffers[a].bytes > buffers[b].bytes; });
  std::vector<const Buffer*> placed;  // by offset
  std::size_t total = 0;
  for (const std::size_t index : order) {
    Buffer& buffer = buffers[index];
    const std::size_t size = (buffer.bytes + 63) / 64 * 64;
    std::size_t offset = 0;
    for (const Buffer* other : placed) {
      if (other->end < buffer.begin || buffer.end < other->begin) continue;
      if (offset + size <= other->offset) break;
      offset = std::max(offset, other->offset + (other->bytes + 63) / 64 * 64);
    }
    buffer.offset = offset;
    total = std::max(total, offset + size);
    const auto place = std::upper_bound(placed.begin(), placed.end(), offset,
                                        [](std::size_t at, const Buffer* other) { return at < other->offset; });
    placed.insert(place, &buffer);
  }
  return total;
}

}  // namespace guardbit::trainer
