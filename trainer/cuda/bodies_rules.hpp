// Bodies around the rules of quantized training: what a rule learns of a tensor, and gradients through it. The formulas
// are those of trainer/quant/element_rules.hpp.
#pragma once

#include "nets/quantize/fixed_point.hpp"
#include "trainer/cuda/bodies_elementwise.hpp"
#include "trainer/cuda/bodies_stages.hpp"
#include "trainer/cuda/bodies_sums.hpp"
#include "trainer/quant/code_operators.hpp"

namespace guardbit::trainer::cuda {

struct InputToCode {
  InputCode<float> code;
  Divider by_channel;
  const float* x;
  Code* y;
  GUARDBIT_HD void operator()(Count i) const {
    y[i] = static_cast<Code>(code(x[i], by_channel.remainder(static_cast<Index>(i))));
  }
};

/// The smallest and largest of strip t of clamp(x): elements t, t + strips, ...
struct StripExtremes {
  Range range;
  Count n, strips;
  const float* x;
  float *low, *high;  // [strips]
  GUARDBIT_HD void operator()(Count t) const {
    float least = range.clamp(x[t]), most = least;
    for (Count i = t + strips; i < n; i += strips) {
      const float v = range.clamp(x[i]);
      least = v < least ? v : least;
      most = v > most ? v : most;
    }
    low[t] = least;
    high[t] = most;
  }
};

/// How the host cuts a tensor for sums (trainer/quant/code_operators.hpp): block b of `blocks` in piece p, numbered
/// p * blocks + b. What lies behind the end is empty.
struct BlockRange {
  Count first = 0, last = 0;
};
struct HostBlocks {
  Count n = 0, piece = 1, blocks = 0;
  explicit HostBlocks(Count elements)
      : n(elements), piece((elements + kPieces - 1) / kPieces), blocks((piece + kBlock - 1) / kBlock) {}
  [[nodiscard]] Count count() const { return kPieces * blocks; }
  [[nodiscard]] GUARDBIT_HD BlockRange operator()(Count index) const {
    const Count p = index / blocks, first = p * piece + index % blocks * kBlock;
    const Count end = (p + 1) * piece < n ? (p + 1) * piece : n;
    const Count last = first + kBlock < end ? first + kBlock : end;
    return {first, last > first ? last : first};
  }
};

/// Lane l of block b, in the order of Observation::observe: body b * kLanes + l.
struct LaneSums {
  Range range;
  HostBlocks blocks;
  const float* x;
  double* sums;
  GUARDBIT_HD void operator()(Count i) const {
    const BlockRange at = blocks(i / kLanes);
    const Count lane = i % kLanes, whole = (at.last - at.first) / kLanes * kLanes;
    double sum = 0;
    for (Count k = at.first + lane; k < at.first + whole; k += kLanes) sum += magnitude(k);
    if (lane == 0)
      for (Count k = at.first + whole; k < at.last; ++k) sum += magnitude(k);
    sums[i] = sum;
  }
  [[nodiscard]] GUARDBIT_HD double magnitude(Count i) const { return std::abs(static_cast<double>(range.clamp(x[i]))); }
};

/// Histograms of nets::ValuePoints of a strip: counts [2, slots, strips], first of `fits`, then of `zero`.
struct StripPoints {
  Range range;
  int width, slots;
  Count n, strips;
  const float* x;
  std::uint32_t* counts;
  GUARDBIT_HD void operator()(Count t) const {
    for (Count slot = 0; slot < 2 * slots; ++slot) counts[slot * strips + t] = 0;
    for (Count i = t; i < n; i += strips) {
      const nets::ValuePoints points = nets::points_of(range.clamp(x[i]), width);
      ++counts[(points.fits + width) * strips + t];
      ++counts[(slots + points.zero + width) * strips + t];
    }
  }
};

struct SumAndSquare {
  const float* x;
  GUARDBIT_HD Sums<2> operator()(Count i, Index) const {
    const auto value = static_cast<double>(x[i]);
    return {{value, value * value}};
  }
};

/// Backward through a rule and the activation function, which stands behind a rule that sees negative values (`behind`)
/// and before any other.
struct RuleBackward {
  Slope slope;
  Range range;
  bool behind;
  const float *x, *y;
  float* dy;
  GUARDBIT_HD void operator()(Count i) const {
    const float value = behind ? x[i] : range.clamp(x[i]);
    const float d = behind && !range.inside(y[i]) ? 0.0F : dy[i];
    double unused = 0;
    const auto passed = static_cast<float>(pass(slope, value, d, unused));
    dy[i] = behind || range.inside(x[i]) ? passed : 0.0F;
  }
};

/// The learned number's gradient in a block of elements, added in their order.
struct LearnedGradient {
  Slope slope;
  Range range;
  HostBlocks blocks;
  const float *x, *dy;
  double* sums;
  GUARDBIT_HD void operator()(Count block) const {
    const BlockRange at = blocks(block);
    double sum = 0;
    for (Count i = at.first; i < at.last; ++i) static_cast<void>(pass(slope, range.clamp(x[i]), dy[i], sum));
    sums[block] = slope.scale * sum;
  }
};

struct RoundNearest {
  FixedRounding rule;
  float* x;
  GUARDBIT_HD void operator()(Count i) const { x[i] = static_cast<float>(rule.nearest(x[i])); }
};

/// Body i does elements 4 i to 4 i + 3: one block of random words.
struct RoundRandom {
  FixedRounding rule;
  RandomKey key;
  Count n;
  float* x;
  GUARDBIT_HD void operator()(Count block) const {
    const auto words = random_words(key, block);
    for (unsigned j = 0; j < 4; ++j) {
      const Count i = 4 * block + j;
      if (i < n) x[i] = static_cast<float>(rule.random(x[i], words[j]));
    }
  }
};

}  // namespace guardbit::trainer::cuda
