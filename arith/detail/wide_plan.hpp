// What WideConv knows before it sees codes: packed weights, and bounds that hold for every input.
#pragma once

#include <vector>

#include "arith/detail/pair_kernel.hpp"
#include "arith/wide_conv.hpp"

namespace guardbit::arith {

// Up to kPairCols filters of one group.
struct WideBlock {
  int group = 0;
  int channel = 0;  // the first
  int cols = 0;
  bool redo = false;                         // an initial value overflows
  std::vector<std::int16_t> weights;         // as PairTile::right
  std::vector<std::int64_t> corrections;     // as PairTile::corrections; empty where the offset is 0
  std::int64_t start[detail::kPairCols] = {};  // initial values
  std::vector<std::int32_t> up, down;          // as those of PairTile
};

struct WideConv::Plan {
  ConvGeometry geometry;
  Accumulation accumulation;
  const detail::PairKernels* kernels = nullptr;
  const std::int32_t* weight = nullptr;  // [k][depth], while this is made
  bool available = false;
  bool proven = false;      // nothing can overflow
  std::int32_t shift = 0;   // of codes
  std::int32_t offset = 0;  // operand = shifted code - offset
  int depth = 0;
  int planes = 2;
  int chunk_pairs = detail::kMostPairs;
  bool positive = false;  // no operand is below 0
  bool follows = false;   // chunks can be followed product by product: groups of one, sums below kFollowBound
  bool wraps = false;     // and then counted: WRAP of a width that a follower takes
  std::int64_t low = 0, high = 0;  // of the accumulator
  Accumulation redone;             // a tile's: with wider sums where nothing can overflow
  std::vector<WideBlock> blocks;

  Plan(const std::int32_t* weights, const ConvGeometry& g, const CodeRange& codes,
       std::span<const std::int64_t> initial, const Accumulation& a, GemmIsa isa);
  [[nodiscard]] int pairs() const { return (depth + 1) / 2; }
  [[nodiscard]] int chunks() const { return (pairs() + chunk_pairs - 1) / chunk_pairs; }
  [[nodiscard]] std::int32_t packed_weight(const WideBlock& block, int column, int k) const;

 private:
  bool take_codes(const CodeRange& codes);
  void choose_planes(const CodeRange& codes);
  bool prove(const CodeRange& codes, std::span<const std::int64_t> initial);
  void pack(WideBlock& block, std::span<const std::int64_t> initial) const;
  [[nodiscard]] std::int32_t weight_at(int channel, int k) const { return weight[std::int64_t{channel} * depth + k]; }
  // Whether a weight can lift (sign 0) or lower (1) a sum.
  [[nodiscard]] bool counts_as(std::int32_t w, int sign) const { return !positive || (sign == 0 ? w > 0 : w < 0); }
  void pack_chunk(WideBlock& block, int column, int chunk) const;
};

}  // namespace guardbit::arith
