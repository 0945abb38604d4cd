// The inner loop of products of 16-bit operands: sums of pairs of products in 32-bit lanes, added up in 64 bits.
#pragma once

#include <cstdint>

#include "arith/gemm.hpp"

namespace guardbit::arith::detail {

inline constexpr int kPairCols = 32;            // columns of a block
inline constexpr int kPairRows = 4;             // rows at a time
inline constexpr int kPairChunk = 32;           // pairs that are summed in 32 bits
inline constexpr std::int64_t kHighPlane = 256;  // weight = low plane + 256 * high plane, low within int8

// kPairRows rows times one block of columns. Every column's sum begins with `start` and gains, chunk by chunk, the
// products of codes and weights and, where zero points are to be corrected, the chunk's correction. The caller proves
// that a chunk's products fit 32 bits in each plane.
struct PairTile {
  const std::int16_t* left = nullptr;  // [kPairRows], `left_stride` apart: codes, an even number
  std::int64_t left_stride = 0;
  const std::int16_t* right = nullptr;  // [pairs][planes][kPairCols][2]
  int pairs = 0;
  const std::int64_t* start = nullptr;        // [kPairCols]
  const std::int64_t* corrections = nullptr;  // [chunks][kPairCols], or null
  // [kPairRows][kPairCols]: final sums, and the least and the most of the sums at the ends of chunks and at the start
  std::int64_t* sums = nullptr;
  std::int64_t* least = nullptr;
  std::int64_t* most = nullptr;
};

struct PairKernels {
  void (*one_plane)(const PairTile& tile);
  void (*two_planes)(const PairTile& tile);
  // An integer that the root of the sum of squares of `code - offset` of no chunk exceeds.
  std::int64_t (*largest_norm)(const std::int16_t* codes, std::int64_t depth, std::int32_t offset);
};

[[nodiscard]] const PairKernels& pair_kernels(GemmIsa isa);
[[nodiscard]] const PairKernels& pair_kernels_scalar();
[[nodiscard]] const PairKernels& pair_kernels_avx2();
[[nodiscard]] const PairKernels& pair_kernels_avx512();

}  // namespace guardbit::arith::detail
