// Static range analysis: tensor ranges through the stages, then prefix bounds of every weighted layer.
#include "nets/quantize/range_analysis.hpp"

#include <algorithm>

#include "nets/quantize/conv_shape.hpp"
#include "nets/quantize/softmax_table.hpp"

namespace guardbit::nets {
namespace {

using arith::int128;

constexpr Interval kAnyAccumulator{INT64_MIN, INT64_MAX};

Interval output_range(const IntegerNetwork& network, const IntegerLayer& layer, const std::vector<Interval>& ranges) {
  const auto in = [&](std::size_t i) { return ranges[static_cast<std::size_t>(layer.inputs[i])]; };
  const auto scaled_in = [&](std::size_t i) {
    const int channels = network.layer(layer.inputs[i]).shape.c;
    return i < layer.input_stages.size() ? stage_interval_all(layer.input_stages[i], in(i), channels) : in(i);
  };
  switch (layer.op) {
    case IntegerOp::Input:
      return format_interval(layer.output.format);
    case IntegerOp::Conv2d:
    case IntegerOp::FullyConnected:
      return stage_interval_all(layer.stages, kAnyAccumulator, layer.shape.c);
    case IntegerOp::Add: {
      Interval sum{0, 0};
      for (std::size_t i = 0; i < layer.inputs.size(); ++i) {
        const Interval term = scaled_in(i);
        sum = {sum.low + term.low, sum.high + term.high};
      }
      return stage_interval_all(layer.stages, sum, layer.shape.c);
    }
    case IntegerOp::Concat: {
      Interval all = scaled_in(0);
      for (std::size_t i = 1; i < layer.inputs.size(); ++i) all = hull(all, scaled_in(i));
      return all;
    }
    case IntegerOp::AveragePool:
    case IntegerOp::Requantize:
      return stage_interval_all(layer.stages, in(0), layer.shape.c);
    case IntegerOp::Pad:
      return hull(in(0), {layer.output.zero_point, layer.output.zero_point});
    case IntegerOp::MaxPool:
    case IntegerOp::Flatten:
      return in(0);
    case IntegerOp::Softmax: {  // 0 .. 1; the format cuts it
      const std::int64_t zero = layer.output.zero_point;
      return {zero, zero + (std::int64_t{1} << softmax_fraction_bits(layer.output.scale))};
    }
  }
  __builtin_unreachable();
}

// Bounds of one running sum, product by product.
struct Prefix {
  int128 low = 0, high = 0;
  int128 min = 0, max = 0;  // over the narrowing points seen
  void add(std::int64_t weight, const Interval& x) {
    const int128 a = weight * x.low;
    const int128 b = weight * x.high;
    low += std::min(a, b);
    high += std::max(a, b);
  }
  void narrow() {
    min = std::min(min, low);
    max = std::max(max, high);
  }
};

void widen(ChannelBound& bound, const Prefix& prefix) {
  bound.min = std::min(bound.min, static_cast<std::int64_t>(prefix.min));
  bound.max = std::max(bound.max, static_cast<std::int64_t>(prefix.max));
}

int bits_of(const std::vector<ChannelBound>& bounds) {
  arith::Range range;
  for (const ChannelBound& bound : bounds) {
    range.include(bound.min);
    range.include(bound.max);
  }
  return arith::signed_bits(range);
}

bool fits(const std::vector<ChannelBound>& bounds, const arith::Format& format) {
  const bool symmetric = format.is_signed && format.overflow == arith::Overflow::SAT_SYM;
  const int128 low = symmetric ? -format.max_code() : format.min_code();
  return std::all_of(bounds.begin(), bounds.end(),
                     [&](const ChannelBound& b) { return low <= b.min && b.max <= format.max_code(); });
}

}  // namespace

std::vector<Interval> output_ranges(const IntegerNetwork& network) {
  std::vector<Interval> ranges;
  for (const IntegerLayer& layer : network.layers) {
    const Interval range = output_range(network, layer, ranges);
    const Interval format = format_interval(layer.output.format);
    ranges.push_back({std::clamp(range.low, format.low, format.high), std::clamp(range.high, format.low, format.high)});
  }
  return ranges;
}

LayerProof prove_layer(const IntegerNetwork& network, int index, const std::vector<Interval>& ranges,
                       const arith::Accumulation& accumulation) {
  const IntegerLayer& layer = network.layer(index);
  const ConvShape shape = conv_shape(network, layer);
  const int source = layer.inputs[0];
  const std::int64_t zero = network.layer(source).output.zero_point;
  Interval x = ranges[static_cast<std::size_t>(source)];
  x = {x.low - zero, x.high - zero};
  if (shape.window.padding != Padding{}) x = hull(x, {0, 0});

  const int depth = shape.depth();
  const int fold = accumulation.fold == 0 ? depth : std::min(accumulation.fold, depth);
  const int step_wanted = accumulation.psum ? accumulation.psum->step : accumulation.accumulator.step;
  const int step = step_wanted == 0 ? fold : step_wanted;
  LayerProof proof;
  for (int k = 0; k < shape.k; ++k) {
    const std::int64_t bias = layer.bias.empty() ? 0 : layer.bias[static_cast<std::size_t>(k)];
    ChannelBound psum{k, 0, 0};
    Prefix acc{bias, bias, bias, bias};
    Prefix partial;
    for (int d = 0; d < depth; ++d) {
      const std::int64_t weight = layer.weight.data[static_cast<std::size_t>(std::int64_t{k} * depth + d)];
      const int in_fold = d % fold;
      const bool fold_ends = in_fold + 1 == fold || d + 1 == depth;
      const bool group_ends = fold_ends || (in_fold + 1) % step == 0;
      acc.add(weight, x);
      partial.add(weight, x);
      if (group_ends) partial.narrow();
      if (accumulation.psum ? fold_ends : group_ends) acc.narrow();
      if (fold_ends) {
        widen(psum, partial);
        partial = {};
      }
    }
    ChannelBound total{k, bias, bias};
    widen(total, acc);
    proof.accumulator.push_back(total);
    if (accumulation.psum) proof.psum.push_back(psum);
  }
  proof.accumulator_bits = bits_of(proof.accumulator);
  proof.psum_bits = accumulation.psum ? bits_of(proof.psum) : 0;
  return proof;
}

std::vector<LayerProof> prove(const IntegerNetwork& network, const std::vector<arith::Accumulation>& accumulations) {
  const std::vector<Interval> ranges = output_ranges(network);
  std::vector<LayerProof> proofs(network.layers.size());
  for (std::size_t i = 0; i < proofs.size(); ++i) {
    if (network.layers[i].weighted()) {
      proofs[i] = prove_layer(network, static_cast<int>(i), ranges, accumulations.at(i));
    } else {
      proofs[i].accumulator_bits = 0;
    }
  }
  return proofs;
}

bool certified(const LayerProof& proof, const arith::Accumulation& accumulation) {
  return fits(proof.accumulator, accumulation.accumulator.format) &&
         (!accumulation.psum || fits(proof.psum, accumulation.psum->format));
}

}  // namespace guardbit::nets
