#include "nets/compute/operand.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "arith/error.hpp"

namespace guardbit::nets::compute {

std::string shape_text(std::span<const std::int64_t> shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

void check_shape(std::span<const std::int64_t> shape, std::size_t rank, const char* allowed,
                 const std::string& where) {
  const bool right_rank = rank == 0 ? !shape.empty() : shape.size() == rank;
  arith::int128 elements = 1;
  bool right_extents = true;
  for (const std::int64_t extent : shape) {
    right_extents = right_extents && extent >= 1 && extent <= kMaxExtent && elements < kMaxElements;
    elements *= extent;
  }
  if (!right_rank || !right_extents || elements >= kMaxElements) {
    throw Error(fmt::format("{}: found shape {}, allowed {}, extents of 1 or more, less than 2^28 elements", where,
                            shape_text(shape), allowed));
  }
}

void check_operand_format(const arith::Format& format, std::int64_t zero_point, const std::string& where) {
  const int limit = format.is_signed ? kMaxOperandBits : kMaxOperandBits - 1;
  if (!format.has_linear_codes() || format.width < 1 || format.width > limit) {
    throw Error(fmt::format("{}: found {}, allowed integer and fixed formats of 1 to {} bits ({} unsigned)", where,
                            arith::to_string(format), kMaxOperandBits, kMaxOperandBits - 1));
  }
  if (!format.contains(zero_point)) {
    throw Error(fmt::format("{}: found zero point {}, allowed a code of {}", where, zero_point,
                            arith::to_string(format)));
  }
}

Operand make_operand(std::string name, std::vector<std::int64_t> shape, std::span<const std::int64_t> codes,
                     const arith::Format& format, std::int64_t zero_point) {
  check_operand_format(format, zero_point, name);
  const auto outside = std::find_if(codes.begin(), codes.end(), [&](std::int64_t c) { return !format.contains(c); });
  if (outside != codes.end()) {
    throw Error(fmt::format("{}: element {}: found {}, allowed codes of {} ({} to {})", name, outside - codes.begin(),
                            *outside, arith::to_string(format), static_cast<std::int64_t>(format.min_code()),
                            static_cast<std::int64_t>(format.max_code())));
  }
  Operand operand{.name = std::move(name), .codes = {}, .format = format, .zero_point = zero_point};
  operand.codes.shape = std::move(shape);
  operand.codes.data.assign(codes.begin(), codes.end());
  return operand;
}

std::int64_t largest_value(const Operand& operand) {
  if (operand.codes.data.empty()) return 0;
  const auto [low, high] = std::minmax_element(operand.codes.data.begin(), operand.codes.data.end());
  return std::max(operand.zero_point - *low, *high - operand.zero_point);
}

}  // namespace guardbit::nets::compute
