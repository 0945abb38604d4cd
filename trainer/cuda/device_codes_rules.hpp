// What DeviceCodes does around rules. Sums that the host adds in pieces are added in the same order: blocks here, then
// blocks and pieces on the host.
#pragma once

#include "trainer/cuda/bodies_sums.hpp"
#include "trainer/cuda/device_codes.hpp"

namespace guardbit::trainer::cuda {

template <class Queue>
Observation DeviceCodes<Queue>::observe(const Quantizer& quantizer, Activation activation, const TensorView& x) {
  Observation seen = quantizer.observation();
  if (x.count() == 0) return seen;
  const Range range = range_of(quantizer.is_before_activation() ? Activation::None : activation);
  seen.count = static_cast<std::uint64_t>(x.count());
  find_extremes(seen, range, x);
  if (seen.wants_sum) sum_magnitudes(seen, range, x);
  if (seen.points) count_points(seen, range, x);
  return seen;
}

template <class Queue>
void DeviceCodes<Queue>::find_extremes(Observation& seen, const Range& range, const TensorView& x) {
  const Count strips = std::min(x.count(), kStrips);
  auto* low = results_[0].template take<float>(queue_, strips);
  auto* high = results_[1].template take<float>(queue_, strips);
  queue_.each(strips, StripExtremes{range, x.count(), strips, reals(x), low, high});
  const std::vector<float> lows = downloaded(low, strips), highs = downloaded(high, strips);
  seen.low = static_cast<double>(*std::min_element(lows.begin(), lows.end()));
  seen.high = static_cast<double>(*std::max_element(highs.begin(), highs.end()));
}

template <class Queue>
void DeviceCodes<Queue>::sum_magnitudes(Observation& seen, const Range& range, const TensorView& x) {
  const HostBlocks blocks(x.count());
  auto* sums = results_[0].template take<double>(queue_, blocks.count() * kLanes);
  queue_.each(blocks.count() * kLanes, LaneSums{range, blocks, reals(x), sums});
  const std::vector<double> all = downloaded(sums, blocks.count() * kLanes);
  for (auto one = all.begin(); one != all.end();) {
    double piece = 0;
    for (Count i = 0; i < blocks.blocks * kLanes; ++i) piece += *one++;
    seen.sum_abs += piece;
  }
}

template <class Queue>
void DeviceCodes<Queue>::count_points(Observation& seen, const Range& range, const TensorView& x) {
  const int width = seen.points->width(), slots = nets::PointCounts::slots(width);
  const Count strips = std::min(x.count(), kHistograms);
  auto* counts = results_[0].template take<std::uint32_t>(queue_, 2 * slots * strips);
  queue_.each(strips, StripPoints{range, width, slots, x.count(), strips, reals(x), counts});
  const std::vector<std::uint32_t> all = downloaded(counts, 2 * slots * strips);
  const auto total = [&](int row) {
    std::uint64_t sum = 0;
    for (Count t = 0; t < strips; ++t) sum += all[static_cast<std::size_t>(row * strips + t)];
    return sum;
  };
  for (int slot = 0; slot < slots; ++slot)
    seen.points->add(static_cast<std::size_t>(slot), total(slot), total(slots + slot));
}

template <class Queue>
ChannelMoments DeviceCodes<Queue>::channel_moments(const TensorView& x) {
  const Count channels = x.shape.c, elements = x.count() / channels, width = 2 * channels;
  const int pieces = strips(elements, channels);
  auto* partial = results_[0].template take<double>(queue_, pieces * width);
  queue_.each(pieces * channels, Strips<2, SumAndSquare>{{reals(x)}, elements, pieces, static_cast<int>(channels),
                                                         Divider(channels), partial});
  const Count groups = (pieces + kFold - 1) / kFold;
  auto* folded = results_[1].template take<double>(queue_, groups * width);
  queue_.each(groups * width, Fold{pieces, width, Divider(width), partial, folded});
  const std::vector<double> all = downloaded(folded, groups * width);
  std::vector<double> sums(static_cast<std::size_t>(width));
  for (std::size_t i = 0; i < all.size(); ++i) sums[i % sums.size()] += all[i];
  return moments_of_sums(std::span(sums).first(sums.size() / 2), std::span(sums).subspan(sums.size() / 2), elements);
}

template <class Queue>
double DeviceCodes<Queue>::activation_backward(const Quantizer& quantizer, Activation activation, const TensorView& x,
                                               const TensorView& y, const TensorView& dy) {
  const Slope slope = quantizer.slope();
  const Range range = range_of(activation);
  const bool behind = quantizer.is_before_activation();
  require(!behind || !slope.learns(), "a learned rule before its activation function");
  double learned = 0;
  if (slope.learns()) {
    const HostBlocks blocks(x.count());
    auto* sums = results_[0].template take<double>(queue_, blocks.count());
    queue_.each(blocks.count(), LearnedGradient{slope, range, blocks, reals(x), reals(dy), sums});
    const std::vector<double> all = downloaded(sums, blocks.count());
    for (auto one = all.begin(); one != all.end();) {
      double piece = 0;
      for (Count i = 0; i < blocks.blocks; ++i) piece += *one++;
      learned += piece;
    }
  }
  queue_.each(x.count(), RuleBackward{slope, range, behind, reals(x), reals(y), reals(dy)});
  return learned;
}

template <class Queue>
void DeviceCodes<Queue>::round(const Quantizer& quantizer, const RandomKey& key, const TensorView& x) {
  const FixedRounding rule = quantizer.rounding();
  const Count n = x.count();
  if (rule.stochastic == Stochastic::Off) queue_.each(n, RoundNearest{rule, reals(x)});
  else queue_.each((n + 3) / 4, RoundRandom{rule, key, n, reals(x)});
}

}  // namespace guardbit::trainer::cuda
