// The inner loop of products of 16-bit operands: sums of pairs of products in 32-bit lanes, added up in 64 bits.
#pragma once

#include <cstdint>

#include "arith/gemm.hpp"

namespace guardbit::arith::detail {

inline constexpr int kPairCols = 32;            // columns of a block
inline constexpr int kPairRows = 4;             // rows at a time
inline constexpr int kMostPairs = 32;           // of a chunk, which is summed in 32 bits
inline constexpr std::int64_t kHighPlane = 256;  // weight = low plane + 256 * high plane, low within int8

inline constexpr int kFollowCols = 8;

// Windows of 2^width codes, one of which begins at `origin`: a sum that wraps is the code of another window. Sums below
// 2^61; 63 bits are all one window.
struct PairWindows {
  std::int64_t origin = 0;
  int width = 63;
};

// kPairRows rows times one block of columns. Every column's sum begins with `start` and gains, chunk by chunk, the
// products of codes and weights and, where zero points are to be corrected, the chunk's correction. The caller proves
// that a chunk's products fit 32 bits in each plane.
struct PairTile {
  const std::int16_t* left = nullptr;  // [kPairRows], `left_stride` apart: codes, an even number
  std::int64_t left_stride = 0;
  const std::int16_t* right = nullptr;  // [pairs][planes][kPairCols][2]
  int pairs = 0;
  int chunk_pairs = kMostPairs;               // the last chunk may have fewer
  const std::int64_t* start = nullptr;        // [kPairCols]
  const std::int64_t* corrections = nullptr;  // [chunks][kPairCols], or null
  // No sum within a chunk lies above the larger of the sums at its ends by more than left_norm * up, or below the
  // smaller one by more than left_norm * down. left_norms [kPairRows], `norm_stride` apart; up and down
  // [chunks][kPairCols]
  const std::int32_t* left_norms = nullptr;
  std::int64_t norm_stride = 0;
  const std::int32_t* up = nullptr;
  const std::int32_t* down = nullptr;
  // [kPairRows][kPairCols]: final sums, and bounds on all sums there were, the start included
  std::int64_t* sums = nullptr;
  std::int64_t* least = nullptr;
  std::int64_t* most = nullptr;
  // For every chunk, rows `chunks` apart: the sums where it begins, [kPairCols]; and for kFollowCols columns at a time
  // whether a bound on a sum of the chunk is outside [low, high], or two are in different windows.
  int chunks = 0;
  std::int64_t* before = nullptr;
  std::uint8_t* open = nullptr;
  std::int64_t low = 0, high = 0;
  PairWindows windows;
};
inline constexpr std::int64_t kFollowBound = std::int64_t{1} << 50;  // of sums, exact in binary64

// One chunk of one row and kFollowCols columns, product by product, with sums below kFollowBound.
struct PairFollow {
  const std::int16_t* codes = nullptr;
  std::int32_t offset = 0;
  const std::int16_t* right = nullptr;  // [pairs][planes][kPairCols][2], from the first of the columns
  int planes = 1;
  int pairs = 0;
  const std::int64_t* begin = nullptr;  // [kFollowCols]: the sums before
  PairWindows windows;                  // of at most 48 bits, or all one
  // [kFollowCols]: the smallest and largest sum, `begin` included, and how often a sum was in another window than the
  // one before
  std::int64_t least[kFollowCols];
  std::int64_t most[kFollowCols];
  std::int64_t changes[kFollowCols];
};

struct PairKernels {
  void (*one_plane)(const PairTile& tile);
  void (*two_planes)(const PairTile& tile);
  void (*follow)(PairFollow& chunk);
  // For each chunk an integer above the root of the sum of squares of its `code - offset`.
  void (*norms)(const std::int16_t* codes, int depth, std::int32_t offset, int chunk_pairs, std::int32_t* norms);
};

[[nodiscard]] const PairKernels& pair_kernels(GemmIsa isa);
[[nodiscard]] const PairKernels& pair_kernels_scalar();
[[nodiscard]] const PairKernels& pair_kernels_avx2();
[[nodiscard]] const PairKernels& pair_kernels_avx512();

}  // namespace guardbit::arith::detail
