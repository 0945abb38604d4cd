// Inner loops of gemm.hpp for one block of up to kMr rows x kNr columns, one table of functions per instruction set.
// Another instruction set is one more file that fills such a table.
//
// Layouts (a dword holds one column):
//   quads   right: [quad][16] dwords of 4 int8, per half block of 16 columns;  left: rows of uint8
//   pairs   right: [pair][kNr] dwords of 2 int16;                              left: rows of dwords of 2 int16
//   singles right: [k][kNr] int16;                                             left: the same as of pairs
//   bytes   right: [k][kNr] pairs of an int8 and a zero byte;                  left: rows of uint8
// All sums are modulo 2^32 (singles: 2^16); the caller proves that they fit.
#pragma once

#include <cstdint>

#include "arith/gemm.hpp"

namespace guardbit::arith::detail {

inline constexpr int kMr = 8;                // rows of a block
inline constexpr int kHalf = 16;             // columns of a half block
inline constexpr int kNr = 32;               // columns of a block
inline constexpr float kMostMove = 1 << 30;  // what a watched sum may move; bounds beyond it fail all the same

enum class LaneFit : unsigned char {
  Clamp,   // sums are values, clamped into [low, high]
  Wrap,    // sums are values, wrapped into [low, low + mask]
  Toggle,  // sums are exact; counted is how often bit `width` of (sum - low) changes. |group sum| <= 2^width
};

// out[r][c] = start[c] + dot, for rows that lie `lhs_stride` bytes apart; in tiles of kMr rows.
struct PanelBlock {
  const std::uint8_t* lhs;
  std::int64_t lhs_stride;
  std::int64_t rows;
  const std::int8_t* rhs;    // half 0
  std::int64_t half_stride;  // bytes from half 0 to half 1
  int halves;                // 1 or 2
  std::int64_t quads;
  const std::int32_t* start;  // [kNr]
  std::int32_t* out;
  std::int64_t out_stride;
  int cols;  // that are written
};

// What a panel watches while it computes: the running sums at the ends of the segments of the reduction. Between two
// ends no sum of some row of a tile lies further than `left * right` beyond the largest and the smallest of both ends
// (arith/detail/proof_bounds.hpp); where that leaves [low, high], the column fails in the tile.
struct WatchBlock {
  int segments;
  std::int64_t segment_quads;      // of all but the last
  const std::int32_t* value;       // [kNr] at the beginning
  const std::int32_t* correction;  // [segments][kNr], what sums lack at a segment's end; null: nothing
  const float* left;               // [tiles][segments]
  const float* right;              // [segments][kNr]
  std::int32_t low, high;          // within 31 bits
  std::uint32_t* failing;          // [tiles], one bit per column
};

// Squares of the values of rows, per tile of kMr and chunk of the reduction. `coarse`: half a tile's rows are taken as
// one, of their largest magnitudes; a looser bound for half of the work.
struct SquareBlock {
  const std::uint8_t* lhs;
  std::int64_t lhs_stride;
  std::int64_t rows;
  std::int64_t depth;
  std::int64_t chunk;   // bytes, a multiple of 64
  std::int32_t offset;  // value = byte - offset
  bool coarse;
  std::int32_t* squares;  // [tiles][chunks], at least the largest sum of squares of one of the tile's rows
};

struct PairBlock {
  const std::uint32_t* lhs[kMr];  // rows of dwords; step 1: two per pair, (v0, 0) and (0, v1), else one
  const std::uint32_t* rhs;       // [pairs][kNr]
  int rows;
  int pairs;
  int group;   // pairs per group; 0: every product is a group
  int groups;  // in this block
  std::int32_t low, high;
  std::uint32_t mask;  // 2^width - 1
  int width;
  std::int32_t* acc;    // [rows][kNr]
  std::int32_t* count;  // [rows][kNr], += narrowings that changed a sum
};

struct SingleBlock {
  const void* lhs[kMr];     // rows of int16 in pairs of 4 bytes; of lanes16_bytes: of uint8
  const std::int16_t* rhs;  // [depth][kNr]; of lanes16_bytes: as bytes
  int rows;
  int depth;
  int step;
  Overflow overflow;  // SAT, SAT_SYM or WRAP, of int16
  // Of lanes16_bytes: what is in acc, count and loss at first, if not null: [kNr], the same for all rows.
  const std::int32_t* start[3];
  std::int32_t* acc;
  std::int32_t* count;
  std::int32_t* loss;  // [rows][kNr], += exact sum - narrowed sum, modulo 2^16
};

// What a row's bytes become: dwords of 16-bit values.
enum class LeftForm : unsigned char {
  Products,  // (v0, 0), (0, v1), ... per product
  Pairs,     // (v0, v1) per pair; an odd last one is (v, 0)
};

// How weights are laid out for the lanes.
enum class RightForm : unsigned char {
  Pairs,
  Singles,
  Bytes,  // only where there are lanes16_bytes
};

// What lanes tell of the outputs of some rows, kNr each.
struct LostRows {
  std::int32_t changed;  // overflows
  std::int32_t outputs;  // with one
  bool open;             // one with overflows lost nothing modulo 2^16
};

struct GemmKernels {
  void (*panel)(const PanelBlock&);
  void (*watched_panel)(const PanelBlock&, const WatchBlock&);
  void (*squares)(const SquareBlock&);
  void (*lanes32)(const PairBlock&, LaneFit);
  void (*lanes16)(const SingleBlock&);
  // For SAT, step 1 and bytes that are values (offset 0): rows need not be made ready. Null: there is none.
  void (*lanes16_bytes)(const SingleBlock&);
  LostRows (*lost_rows)(const std::int32_t* overflows, const std::int32_t* losses, int rows);
  // Exact sums (count unused); [rows][kNr] smallest and largest of those at the ends of groups, and of what is there.
  void (*ranges)(const PairBlock&, std::int32_t* least, std::int32_t* most);
  // value = byte - offset
  void (*left)(const std::uint8_t* from, int depth, std::int32_t offset, LeftForm form, std::uint32_t* to);
  // Both half blocks of quads, `half_stride` bytes apart.
  void (*expand)(const std::int8_t* from, std::int64_t half_stride, int quads, RightForm form, std::int16_t* to);
  // kNr rows of bytes as the kNr columns of singles or pairs; value = byte - offset.
  void (*turn)(const std::uint8_t* const* rows, int depth, std::int32_t offset, bool singles, std::int16_t* to);
  // Smallest and largest byte of `rows` rows of `count` bytes.
  void (*byte_range)(const std::uint8_t* lhs, std::int64_t lhs_stride, std::int64_t rows, std::int64_t count, int* min,
                     int* max);
};

[[nodiscard]] const GemmKernels& gemm_kernels_scalar();
[[nodiscard]] const GemmKernels& gemm_kernels_avx2();
[[nodiscard]] const GemmKernels& gemm_kernels_avx512();
[[nodiscard]] const GemmKernels& gemm_kernels(GemmIsa isa);

}  // namespace guardbit::arith::detail
