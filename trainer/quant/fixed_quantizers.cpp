#include "trainer/quant/fixed_quantizers.hpp"

#include <algorithm>
#include <cmath>

#include "arith/philox.hpp"
#include "trainer/quant/loops.hpp"

namespace guardbit::trainer {

void FixedQuantizer::forward(std::span<const double> x, std::span<double> y, const RandomKey& key,
                             std::int64_t first) const {
  if (stochastic_ != Stochastic::Off) return forward_random(x, y, key, first);
  const double step = std::ldexp(1.0, point() - width()), inverse = std::ldexp(1.0, width() - point());
  const double high = std::ldexp(1.0, width() - 1) - 1, low = -high - 1;
  // Adding and taking away 1.5 * 2^52 rounds half to even whatever lies within 51 bits.
  constexpr double kRound = 0x1.8p52;
  for (std::size_t i = 0; i < x.size(); ++i) {
    double code = x[i] * inverse;
    code = code < low ? low : code > high ? high : code;
    y[i] = ((code + kRound) - kRound) * step;
  }
}

void FixedQuantizer::forward_random(std::span<const double> x, std::span<double> y, const RandomKey& key,
                                    std::int64_t first) const {
  const double step = std::ldexp(1.0, point() - width()), inverse = std::ldexp(1.0, width() - point());
  const double high = std::ldexp(1.0, width() - 1) - 1, low = -high - 1;
  std::array<std::uint32_t, 4> words{};
  std::int64_t have = -1;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::int64_t element = first + static_cast<std::int64_t>(i);
    if (element / 4 != have) {
      have = element / 4;
      words = arith::philox4x32({static_cast<std::uint32_t>(have), key.stream, static_cast<std::uint32_t>(key.step),
                                 static_cast<std::uint32_t>(key.step >> 32)},
                                {static_cast<std::uint32_t>(key.seed), static_cast<std::uint32_t>(key.seed >> 32)});
    }
    const double scaled = x[i] * inverse, below = std::floor(scaled), fraction = scaled - below;
    const double threshold = stochastic_ == Stochastic::Naive && fraction > 0 ? 0.5 : fraction;
    const bool up = words[static_cast<std::size_t>(element % 4)] * 0x1p-32 < threshold;
    y[i] = std::clamp(below + (up ? 1 : 0), low, high) * step;
  }
}

double FixedQuantizer::backward(std::span<const double> x, std::span<const double> dy, std::span<double> dx) const {
  const double step = std::ldexp(1.0, point() - width());
  const double high = (std::ldexp(1.0, width() - 1) - 1) * step, low = -std::ldexp(1.0, point() - 1);
  loops::pass_within(static_cast<std::int64_t>(x.size()), low, high, x.data(), dy.data(), dx.data());
  return 0;
}

void DfpQuantizer::update(const Observation& seen) {
  const bool zeros = seen.points->non_zero(-width()) == 0;  // at the finest step, so at every step
  if (!zeros || ready_ == 0) point_ = seen.points->point_for_rate(overflow_rate_).value_or(width());
  if (!zeros) ready_ = 1;
}

}  // namespace guardbit::trainer
