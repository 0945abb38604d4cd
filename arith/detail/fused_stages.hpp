// Requantize stages fused into one pass over 32-bit lanes.
//
// A stage list that has this shape for all inputs in [-limit, limit), by exact bounds,
//
//   u = v + bias                                          (both optional, like every line but the last two)
//   High:   x = floor((u * 2^pre * multiplier + 2^32 * base + low_word) / 2^32) >> post      u * 2^pre fits 32 bits
//   Low:    x = (u * multiplier + base) >> post                                              everything fits 32 bits
//   Scale:  x = round(float(u) * scale), ties to even, held within +-2^30
//   code = clamp(x, low, high) + offset; counted when x is outside [count_low, count_high]
//
// with one more term before `>> post`, the correction that ties need (FusedSelect), has a FusedPlan (fuse_stages.cpp).
// `pre`, `multiplier`, `base` and the rest of the upper half are per channel.
//
// One table of loops per instruction set (requantize_scalar.cpp, requantize_avx2.cpp, requantize_avx512.cpp); another
// instruction set is one more file.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "arith/detail/lane_kernel.hpp"
#include "arith/stages.hpp"

namespace guardbit::arith::detail {

inline constexpr int kFusedLanes = 16;  // columns of a tile, on every instruction set

enum class FusedCore : unsigned char { High, Low, Scale };

enum class FusedSelect : unsigned char {
  None,
  Negative,   // `extra` is added before `>> post` where u < 0
  Odd,        // Low only: `extra` is added where bit `post` of u * multiplier is one, that is, where its floor is odd
  Magnitude,  // High only: |u| takes the place of u, and x gets u's sign
};

// Parameters of kFusedLanes neighbouring channels. Plain data: the loops' files call no inline function of others.
struct FusedParameters {
  const std::int32_t *bias, *pre, *multiplier, *base, *post, *extra;
  const float* scale;
  std::uint32_t low_word;
  std::int32_t low, high;              // clamp
  std::int32_t count_low, count_high;  // counted outside
  std::int32_t offset;
  std::int64_t limit;  // a power of two
};

// `rows` rows of kFusedLanes values each. outside[lane]: how many were counted.
struct FusedTile {
  FusedParameters parameters;
  const void* in;
  std::int64_t in_stride;
  void* out;
  std::int64_t out_stride;
  std::int64_t rows;  // below 2^31
  std::int32_t* outside;
};

// False when an input was outside [-limit, limit): then `out` and `outside` are garbage.
using FusedLoop = bool (*)(const FusedTile&);

enum class FusedIn : unsigned char { Int32, Int64 };
enum class FusedOut : unsigned char { Bits8, Bits16, Bits32 };  // of either sign: the low bits are stored

// Not asked for: High with Odd, Low with Magnitude, Scale with any but None.
[[nodiscard]] FusedLoop fused_loop_scalar(FusedCore core, FusedSelect select, bool has_bias, FusedIn in, FusedOut out);
[[nodiscard]] FusedLoop fused_loop_avx2(FusedCore core, FusedSelect select, bool has_bias, FusedIn in, FusedOut out);
[[nodiscard]] FusedLoop fused_loop_avx512(FusedCore core, FusedSelect select, bool has_bias, FusedIn in, FusedOut out);

struct FusedPlan {
  FusedCore core = FusedCore::Low;
  FusedSelect select = FusedSelect::None;
  bool has_bias = false;
  std::int64_t limit = 0;
  std::int64_t period = 1;  // parameters repeat after so many channels: 1 when all channels share them
  // [period + kFusedLanes], repeating, so that any kFusedLanes from any channel on can be loaded.
  std::vector<std::int32_t> bias, pre, multiplier, base, post, extra;
  std::vector<float> scale;
  std::uint32_t low_word = 0;
  std::int32_t low = 0, high = 0, count_low = 0, count_high = 0, offset = 0;
  std::optional<std::size_t> counted;  // the stage that counts
  std::int64_t code_low = 0, code_high = 0;  // every code is within these

  [[nodiscard]] FusedParameters at(std::int64_t channel) const;
};

// Nothing when the list has another shape or no bound proves it. Assumes parameters that check_stages allows.
[[nodiscard]] std::optional<FusedPlan> fuse_stages(const StageList& stages, std::int64_t channels);

}  // namespace guardbit::arith::detail
