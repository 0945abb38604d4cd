#include "nets/compute/broadcast.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "arith/error.hpp"
#include "nets/compute/operand.hpp"

namespace guardbit::nets::compute {
namespace {

// Extent of axis `axis` counted from the last one.
std::int64_t from_last(std::span<const std::int64_t> shape, std::size_t axis) {
  return axis < shape.size() ? shape[shape.size() - 1 - axis] : 1;
}

}  // namespace

bool broadcasts(std::span<const std::int64_t> from, std::span<const std::int64_t> to) {
  if (from.size() > to.size()) return false;
  for (std::size_t axis = 0; axis < to.size(); ++axis) {
    const std::int64_t extent = from_last(from, axis);
    if (extent != 1 && extent != from_last(to, axis)) return false;
  }
  return true;
}

std::vector<std::int64_t> common_shape(std::span<const std::int64_t> a, std::span<const std::int64_t> b,
                                       const std::string& where) {
  std::vector<std::int64_t> shape(std::max(a.size(), b.size()));
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    const std::int64_t x = from_last(a, axis), y = from_last(b, axis);
    shape[shape.size() - 1 - axis] = x == 1 ? y : x;
  }
  if (!broadcasts(a, shape) || !broadcasts(b, shape)) {
    throw Error(fmt::format("{}: found shapes {} and {}, allowed equal ones or ones that broadcast as NumPy's", where,
                            shape_text(a), shape_text(b)));
  }
  return shape;
}

std::vector<std::int64_t> broadcast_index(std::span<const std::int64_t> from, std::span<const std::int64_t> to) {
  std::int64_t count = 1;
  for (const std::int64_t extent : to) count *= extent;
  // Strides of `from` along the axes of `to`, 0 where it is repeated.
  std::vector<std::int64_t> stride(to.size());
  std::int64_t size = 1;
  for (std::size_t axis = 0; axis < from.size(); ++axis) {
    const std::int64_t extent = from_last(from, axis);
    stride[to.size() - 1 - axis] = extent == 1 ? 0 : size;
    size *= extent;
  }
  std::vector<std::int64_t> index(static_cast<std::size_t>(count));
  std::vector<std::int64_t> at(to.size());
  std::int64_t source = 0;
  for (std::int64_t& element : index) {
    element = source;
    for (std::size_t axis = to.size(); axis-- > 0;) {
      source += stride[axis];
      if (++at[axis] < to[axis]) break;
      source -= stride[axis] * to[axis];
      at[axis] = 0;
    }
  }
  return index;
}

}  // namespace guardbit::nets::compute
