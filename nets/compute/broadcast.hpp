// NumPy's broadcasting: shapes are aligned at their last axes; an extent of 1 (or a missing one) is repeated.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace guardbit::nets::compute {

// Does `from` broadcast to exactly `to`?
[[nodiscard]] bool broadcasts(std::span<const std::int64_t> from, std::span<const std::int64_t> to);

// The common shape of two operands. Throws Error beginning with `where` if there is none.
[[nodiscard]] std::vector<std::int64_t> common_shape(std::span<const std::int64_t> a, std::span<const std::int64_t> b,
                                                     const std::string& where);

// For every element of `to` in C order, the index of the element of `from` that it takes; `from` must broadcast.
[[nodiscard]] std::vector<std::int64_t> broadcast_index(std::span<const std::int64_t> from,
                                                        std::span<const std::int64_t> to);

}  // namespace guardbit::nets::compute
