// Proofs that an accumulator cannot overflow: exact integer bounds over every input code, not measurements.
//
// For each output channel the running sum bias + sum q[i] * (x[i] - Z) is bounded at every narrowing point of the
// declared order, with every x[i] free in the range that the producing layer can emit; padded taps contribute 0.
// Ranges come from formats and stages alone, so the proof holds even if earlier layers overflow.
#pragma once

#include "arith/accumulate.hpp"
#include "nets/quantize/integer_network.hpp"
#include "nets/quantize/stage_range.hpp"

namespace guardbit::nets {

// Codes that each layer's output can take: its stages' interval (relu and clamp included), never wider than its format.
[[nodiscard]] std::vector<Interval> output_ranges(const IntegerNetwork& network);

// One row of the certificate: exact extremes of the running sum over all narrowing points of one output channel.
struct ChannelBound {
  int channel = 0;
  std::int64_t min = 0, max = 0;
  friend constexpr bool operator==(const ChannelBound&, const ChannelBound&) = default;
};

struct LayerProof {
  int accumulator_bits = 1;               // smallest signed width that can never overflow
  int psum_bits = 0;                      // the same for in-array partial sums; 0: the accumulation has none
  std::vector<ChannelBound> accumulator;  // one per channel, bias included
  std::vector<ChannelBound> psum;         // one per channel, over all folds; empty: none
};

// Narrowing points are those of `accumulation` (its step and fold); its formats are ignored.
[[nodiscard]] LayerProof prove_layer(const IntegerNetwork& network, int layer, const std::vector<Interval>& ranges,
                                     const arith::Accumulation& accumulation = {});

// proven_bits of every layer (0 where not weighted) under its own accumulation.
[[nodiscard]] std::vector<LayerProof> prove(const IntegerNetwork& network,
                                            const std::vector<arith::Accumulation>& accumulations);

// Can the accumulator (and psum) of this layer never overflow with the formats of `accumulation`? Signed and unsigned.
[[nodiscard]] bool certified(const LayerProof& proof, const arith::Accumulation& accumulation);

}  // namespace guardbit::nets
