// The inner loop of depthwise convolution: kLanes neighbouring outputs of a row of outputs, side by side.
#pragma once

#include "arith/detail/lane_kernel.hpp"

namespace guardbit::arith::detail {

// Outputs of one image row, channel after channel of pixel after pixel. Arrays "per channel" repeat: they hold
// channels + kLanes elements, so that kLanes from any channel on are those of the outputs from there on. T is the type
// of a lane; the caller proves that no value, no exact sum and no group's sum leaves it.
template <typename T>
struct DepthwiseRow {
  const std::int32_t* const* taps = nullptr;  // [depth]: what outputs 0, 1, ... multiply at this place of the reduction
  const std::int32_t* weights = nullptr;      // [depth] times per channel
  std::int64_t stride = 0;                    // between them
  std::int64_t channels = 0;
  const int* ends = nullptr;  // [groups]: the end of each group of products
  int groups = 0;
  T low = 0, high = 0, mask = 0;
  const T* exact = nullptr;  // per channel: initial values,
  const T* value = nullptr;  // narrowed,
  const T* count = nullptr;  // and the overflows of that
};

// Sums over all outputs that went through a lane.
template <typename T>
struct DepthwiseTotals {
  T low[kLanes], high[kLanes];  // of the exact sums after the groups
  T count[kLanes], outputs[kLanes], transient[kLanes], harmful[kLanes];
};

// `blocks` times kLanes outputs, the first of which is output 0 of channel 0. Writes their final values to `out`.
template <typename T>
using DepthwiseKernel = void (*)(const DepthwiseRow<T>& row, std::int64_t blocks, std::int64_t* out,
                                 DepthwiseTotals<T>& totals);

// Fit::None only where nothing can overflow; it counts nothing.
[[nodiscard]] DepthwiseKernel<std::int32_t> depthwise_kernel_32(Isa isa, Fit fit, bool single_step);
[[nodiscard]] DepthwiseKernel<std::int64_t> depthwise_kernel_64(Isa isa, Fit fit, bool single_step);

}  // namespace guardbit::arith::detail
