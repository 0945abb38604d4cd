// The inner loop of the fast accumulator tile: kLanes outputs of one row, side by side.
//
// Written once, on GCC's vector types, and compiled for three instruction sets (lane_kernel.cpp). All arithmetic is on
// integers that are proven to fit, so every build gives the same numbers.
#pragma once

#include <cstdint>
#include <limits>

namespace guardbit::arith::detail {

inline constexpr int kLanes = 16;

// What happens to a running sum after each group.
enum class Fit : unsigned char {
  None,   // proven to fit: value == exact, only `exact` is kept
  Clamp,  // SAT, SAT_SYM: into [low, high]
  Wrap,   // WRAP: modulo (mask + 1), into [low, low + mask]
};

// One call of the kernel. T is the type of a lane, int32 or int64; the caller proves that no value, no exact sum and
// no group sum leaves it (value + group sum included).
template <typename T>
struct LaneBlock {
  const std::int32_t* lhs;  // [depth]
  const std::int32_t* rhs;  // [depth, kLanes], contiguous
  int depth;
  int step;  // products per group, >= 1; the last group may be shorter
  T low;
  T high;
  T mask;
  T* value;             // [kLanes]
  T* exact;             // [kLanes]
  std::int32_t* count;  // [kLanes], narrowings that changed the sum
  T* exact_min;         // [kLanes], over all rows and blocks of a tile
  T* exact_max;
};

template <typename T>
using LaneKernel = void (*)(const LaneBlock<T>&);

enum class Isa : unsigned char { Baseline, Avx2, Avx512 };

// The widest instruction set of this processor.
[[nodiscard]] Isa best_isa();

[[nodiscard]] LaneKernel<std::int32_t> lane_kernel_32(Isa isa, Fit fit, bool single_step);
[[nodiscard]] LaneKernel<std::int64_t> lane_kernel_64(Isa isa, Fit fit, bool single_step);

}  // namespace guardbit::arith::detail
