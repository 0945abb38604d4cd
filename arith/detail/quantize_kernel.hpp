// Vector loops of arith/quantize.hpp: one block of floats whose rounded values are small enough for the floating-point
// unit to be exact. Compiled for three instruction sets; arith/quantize.cpp has the definition and takes the rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "arith/detail/lane_kernel.hpp"
#include "arith/quantize.hpp"

namespace guardbit::arith::detail {

inline constexpr std::size_t kQuantizeBlock = 1024;  // floats; 4 KiB, within the first-level cache with its codes
inline constexpr std::size_t kQuantizeUnit = 16 * kQuantizeBlock;  // of which threads share whole ones

// What one block gave. Keys order floats as integers, -0 below +0.
struct QuantizeBlock {
  std::int64_t above = 0, below = 0, inexact = 0;
  std::int32_t lowest_key = INT32_MAX, highest_key = INT32_MIN;
  std::int32_t largest_magnitude = 0;  // bits of the largest |value|; NaN is above infinity
};

// Which of the nearest-even integers are corrected.
enum class Correction : unsigned char {
  None,
  Ties,     // those of numbers halfway between two
  Inexact,  // those that are not the number itself
};

// How a format is quantized in floating point. `exact_below` are the bits of the smallest magnitude for which it may
// not be exact; 0 when the format has no such loop.
struct QuantizePlan {
  double scale = 1;          // 2^frac_bits
  bool in_binary32 = false;  // else in binary64
  Correction correction = Correction::None;
  bool wraps = false;
  std::int64_t low = 0, high = 0;
  std::int32_t exact_below = 0;
  // For values >= 0 and < 0: is one added to an integer that went down, taken off one that went up?
  std::int32_t add[2] = {0, 0}, take[2] = {0, 0};
};

[[nodiscard]] QuantizePlan plan_quantize(const Format& format);

// Code of `in` to `out`. Exact if the block's largest_magnitude is below plan.exact_below; else `out` is garbage.
// Code: int8, int16, int32, int64.
template <typename Code>
[[nodiscard]] QuantizeBlock quantize_block(const QuantizePlan& plan, const float* in, Code* out, std::size_t size,
                                           Isa isa);

// One value by the definition.
[[nodiscard]] std::int64_t quantize_value(float value, const Format& format, QuantizeStatistics& statistics);

// quantize() on a chosen instruction set.
template <typename Code>
void quantize_on(std::span<const float> in, const Format& format, std::span<Code> out, QuantizeStatistics& statistics,
                 Isa isa, int threads = 1);

}  // namespace guardbit::arith::detail
