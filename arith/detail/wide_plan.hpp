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
  std::int64_t start[detail::kPairCols] = {};     // initial values
  std::int64_t half_norm[detail::kPairCols] = {};  // at least half the root of the squares of any chunk's weights
};

struct WideConv::Plan {
  ConvGeometry geometry;
  Accumulation accumulation;
  const detail::PairKernels* kernels = nullptr;
  const std::int32_t* weight = nullptr;  // [k][depth]
  bool available = false;
  bool proven = false;      // nothing can overflow
  std::int32_t shift = 0;   // of codes
  std::int32_t offset = 0;  // operand = shifted code - offset
  int depth = 0;
  int planes = 2;
  std::int64_t low = 0, high = 0;  // of the accumulator
  Accumulation redone;             // a tile's: with wider sums where nothing can overflow
  std::vector<WideBlock> blocks;

  Plan(const std::int32_t* weights, const ConvGeometry& g, const CodeRange& codes,
       std::span<const std::int64_t> initial, const Accumulation& a, GemmIsa isa);
  [[nodiscard]] int pairs() const { return (depth + 1) / 2; }
  [[nodiscard]] int chunks() const { return (pairs() + detail::kPairChunk - 1) / detail::kPairChunk; }
  [[nodiscard]] std::int32_t weight_at(int channel, int k) const { return weight[std::int64_t{channel} * depth + k]; }

 private:
  bool take_codes(const CodeRange& codes);
  void choose_planes(const CodeRange& codes);
  bool prove(const CodeRange& codes, std::span<const std::int64_t> initial);
  void pack(WideBlock& block, std::span<const std::int64_t> initial) const;
};

}  // namespace guardbit::arith
