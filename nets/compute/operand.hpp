// An operand of one operator: codes, their format and their zero point.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "arith/format.hpp"
#include "nets/graph/tensor.hpp"

namespace guardbit::nets::compute {

// value of an element = code - zero_point
struct Operand {
  std::string name;  // as errors call it: a file name
  IntTensor codes;
  arith::Format format = arith::integer_format(8);
  std::int64_t zero_point = 0;
};

inline constexpr int kMaxOperandBits = 32;                           // codes are held in 32 signed bits
inline constexpr std::int64_t kMaxExtent = std::int64_t{1} << 28;    // of one dimension
inline constexpr std::int64_t kMaxElements = std::int64_t{1} << 28;  // of one tensor, below: 2 GiB of accumulators

// "[2, 3]"
[[nodiscard]] std::string shape_text(std::span<const std::int64_t> shape);

// Throws Error beginning with `where` unless the shape has `rank` dimensions (0: any, at least one), each 1 or more.
void check_shape(std::span<const std::int64_t> shape, std::size_t rank, const char* allowed, const std::string& where);

// Throws Error for a format that holds no codes of at most 32 signed bits, or a zero point that is none of its codes.
void check_operand_format(const arith::Format& format, std::int64_t zero_point, const std::string& where);

// The operand with these codes. Throws Error naming the first element that is not a code of the format.
[[nodiscard]] Operand make_operand(std::string name, std::vector<std::int64_t> shape,
                                   std::span<const std::int64_t> codes, const arith::Format& format,
                                   std::int64_t zero_point);

// Largest magnitude of any element's value.
[[nodiscard]] std::int64_t largest_value(const Operand& operand);

}  // namespace guardbit::nets::compute
