// Packing of 16-bit weights, and bounds on the sums that they can make.
#include "arith/detail/wide_plan.hpp"

#include <algorithm>
#include <cmath>

#include "arith/detail/tile_state.hpp"
#include "arith/error.hpp"
#include "arith/narrow.hpp"

namespace guardbit::arith {
namespace {

using detail::kPairCols;

constexpr std::int64_t kMaxDepth = 1 << 14;                   // of what a thread holds
constexpr std::int64_t kMaxStart = std::int64_t{1} << 60;     // of initial values
constexpr int kLeastPairs = 4;   // of a chunk
constexpr int kChunks = 8;       // at least, where it can be: bounds on shorter ones are tighter
constexpr int kProvenWidth = 48;                              // that vector lanes and followers take

// The weight's part in a plane: all of it, or the low byte with its sign, or what is left above.
std::int16_t part_of(std::int32_t weight, int plane, int planes) {
  if (planes == 1) return static_cast<std::int16_t>(weight);
  const auto low = static_cast<std::int8_t>(weight);
  return static_cast<std::int16_t>(plane == 0 ? low : (weight - low) / detail::kHighPlane);
}

}  // namespace

WideConv::Plan::Plan(const std::int32_t* weights, const ConvGeometry& g, const CodeRange& codes,
                     std::span<const std::int64_t> initial, const Accumulation& a, GemmIsa isa)
    : geometry(g), accumulation(a), kernels(&detail::pair_kernels(isa)), weight(weights), redone(a) {
  check_accumulation(a, "wide convolution");
  if (!isa_supported(isa)) throw Error("wide convolution: this processor lacks the instruction set asked for");
  detail::require(g.groups >= 1 && g.c % g.groups == 0 && g.k % g.groups == 0);
  detail::require(initial.empty() || static_cast<int>(initial.size()) == g.k);
  if (a.psum || g.depth() > kMaxDepth || !take_codes(codes)) return;
  depth = static_cast<int>(g.depth());
  chunk_pairs = kLeastPairs;
  while (chunk_pairs < detail::kMostPairs && chunk_pairs * kChunks < pairs()) chunk_pairs *= 2;
  const auto [least, most] = std::minmax_element(weights, weights + std::int64_t{g.k} * depth);
  if (*least < INT16_MIN || *most > INT16_MAX) return;
  const Format& format = a.accumulator.format;
  high = static_cast<std::int64_t>(format.max_code());
  low = format.overflow == Overflow::SAT_SYM && format.is_signed ? -high : static_cast<std::int64_t>(format.min_code());
  if (!prove(codes, initial)) return;
  available = true;
  choose_planes(codes);
  for (int group = 0; group < g.groups; ++group) {
    for (int first = 0; first < g.group_k(); first += kPairCols) {
      WideBlock& block = blocks.emplace_back();
      block.group = group;
      block.channel = group * g.group_k() + first;
      block.cols = std::min(kPairCols, g.group_k() - first);
      pack(block, initial);
    }
  }
  weight = nullptr;
}

// Codes in 16 bits with a sign.
bool WideConv::Plan::take_codes(const CodeRange& codes) {
  const std::int32_t least = std::min(codes.low, codes.zero_point);
  const std::int32_t most = std::max(codes.high, codes.zero_point);
  shift = least >= INT16_MIN && most <= INT16_MAX ? 0 : -INT16_MIN;
  offset = codes.zero_point - shift;
  return least - shift >= INT16_MIN && most - shift <= INT16_MAX;
}

// One plane where no chunk's products can leave 32 bits; two always do: 64 products of at most 2^15 * 2^7.
void WideConv::Plan::choose_planes(const CodeRange& codes) {
  std::int64_t largest = 0;
  for (int channel = 0; channel < geometry.k; ++channel) {
    for (int begin = 0; begin < depth; begin += chunk_pairs * 2) {
      std::int64_t sum = 0;
      for (int k = begin; k < std::min(depth, begin + chunk_pairs * 2); ++k) sum += std::abs(weight_at(channel, k));
      largest = std::max(largest, sum);
    }
  }
  const std::int64_t code = std::max({codes.high - shift, shift - codes.low, std::abs(offset)});
  planes = largest * code <= INT32_MAX ? 1 : 2;
}

// False when a sum could leave 62 bits. As arith/depthwise.cpp, Depthwise::plan.
bool WideConv::Plan::prove(const CodeRange& codes, std::span<const std::int64_t> initial) {
  const std::int64_t x_low = std::min(0, codes.low - codes.zero_point);
  const std::int64_t x_high = std::max(0, codes.high - codes.zero_point);
  positive = x_low == 0;
  const std::int64_t lanes_high = (std::int64_t{1} << (kProvenWidth - 1)) - 1;
  bool lanes = true;
  proven = true;
  for (int channel = 0; channel < geometry.k; ++channel) {
    const std::int64_t start = initial.empty() ? 0 : initial[static_cast<std::size_t>(channel)];
    if (start < -kMaxStart || start > kMaxStart) return false;
    std::int64_t up = 0;
    std::int64_t down = 0;
    for (int k = 0; k < depth; ++k) {
      const std::int64_t w = weight_at(channel, k);
      up += w > 0 ? x_high * w : x_low * w;
      down -= w > 0 ? x_low * w : x_high * w;
    }
    proven = proven && start + up <= high && start - down >= low;
    lanes = lanes && start + up <= lanes_high && start - down >= -lanes_high;
  }
  const Format& format = accumulation.accumulator.format;
  follows = lanes && accumulation.accumulator.step == 1;  // lanes are below kFollowBound
  wraps = follows && !proven && format.overflow == Overflow::WRAP && format.n_bits == 0 && format.width <= kProvenWidth;
  if (proven && lanes) redone.accumulator.format = integer_format(kProvenWidth);  // the same sums, in lanes
  return true;
}

void WideConv::Plan::pack(WideBlock& block, std::span<const std::int64_t> initial) const {
  block.weights.resize(static_cast<std::size_t>(pairs()) * static_cast<std::size_t>(planes) * kPairCols * 2);
  const auto size = static_cast<std::size_t>(chunks()) * kPairCols;
  block.up.resize(size);
  block.down.resize(size);
  if (offset != 0) block.corrections.resize(size);
  for (int c = 0; c < block.cols; ++c) {
    const int channel = block.channel + c;
    block.start[c] = initial.empty() ? 0 : initial[static_cast<std::size_t>(channel)];
    block.redo = block.redo || fit(block.start[c], accumulation.accumulator.format).overflowed;
    for (int chunk = 0; chunk < chunks(); ++chunk) pack_chunk(block, c, chunk);
  }
}

std::int32_t WideConv::Plan::packed_weight(const WideBlock& block, int column, int k) const {
  const auto at = static_cast<std::size_t>((std::int64_t{k} / 2 * planes * kPairCols + column) * 2 + k % 2);
  const std::int32_t first = block.weights[at];
  constexpr auto kHigh = static_cast<std::int32_t>(detail::kHighPlane);
  return planes == 1 ? first : first + block.weights[at + kPairCols * 2] * kHigh;
}

// Weights, correction, and bounds. A prefix p of a chunk's sum from b to e, with operands x' and weights w' before it
// and x'', w'' behind it, has p - b <= |x'| |w'| and p - e <= |x''| |w''| (Cauchy and Schwarz), and |x'|^2 + |x''|^2 =
// |x|^2. So it lies above both by at most |x| |w'| |w''| / sqrt(|w'|^2 + |w''|^2), for whatever share of |x| x' has.
// Where no x is negative, only positive weights before and negative ones behind it lift p, and the opposite lowers it.
void WideConv::Plan::pack_chunk(WideBlock& block, int c, int chunk) const {
  const int begin = chunk * chunk_pairs * 2;
  const int end = std::min(depth, begin + chunk_pairs * 2);
  std::int64_t sum = 0;
  double behind[2] = {};  // sums of squares, which are exact: of weights that count as positive, and as negative
  for (int k = begin; k < end; ++k) {
    const std::int32_t w = weight_at(block.channel + c, k);
    sum += w;
    for (int sign = 0; sign < 2; ++sign) behind[sign] += counts_as(w, sign) ? double(w) * double(w) : 0;
    for (int plane = 0; plane < planes; ++plane) {
      const std::int64_t pair = (std::int64_t{k} / 2 * planes + plane) * kPairCols;
      block.weights[static_cast<std::size_t>((pair + c) * 2 + k % 2)] = part_of(w, plane, planes);
    }
  }
  double before[2] = {};
  double most[2] = {};  // the bound's square over |x|^2, upward and downward
  for (int k = begin; k < end; ++k) {
    const std::int32_t w = weight_at(block.channel + c, k);
    for (int sign = 0; sign < 2; ++sign) {
      const double square = counts_as(w, sign) ? double(w) * double(w) : 0;
      before[sign] += square;
      behind[sign] -= square;
    }
    for (int way = 0; way < 2; ++way) {
      const double both = before[way] + behind[1 - way];
      if (both > 0) most[way] = std::max(most[way], before[way] * behind[1 - way] / both);
    }
  }
  const auto at = static_cast<std::size_t>(chunk * kPairCols + c);
  block.up[at] = static_cast<std::int32_t>(std::sqrt(most[0])) + 1;
  block.down[at] = static_cast<std::int32_t>(std::sqrt(most[1])) + 1;
  if (offset != 0) block.corrections[at] = -offset * sum;
}

}  // namespace guardbit::arith
