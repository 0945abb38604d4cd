#include "trainer/quant/fixed_quantizers.hpp"

#include <cmath>

namespace guardbit::trainer {

FixedRounding FixedQuantizer::rounding() const {
  const double high = std::ldexp(1.0, width() - 1) - 1;
  return {.step = std::ldexp(1.0, point() - width()), .inverse = std::ldexp(1.0, width() - point()), .low = -high - 1,
          .high = high, .stochastic = stochastic_};
}

void FixedQuantizer::forward(std::span<const double> x, std::span<double> y, const RandomKey& key,
                             std::int64_t first) const {
  const FixedRounding rule = rounding();
  if (stochastic_ == Stochastic::Off) {
    for (std::size_t i = 0; i < x.size(); ++i) y[i] = rule.nearest(x[i]);
    return;
  }
  std::array<std::uint32_t, 4> words{};
  std::int64_t have = -1;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::int64_t element = first + static_cast<std::int64_t>(i);
    if (element / 4 != have) {
      have = element / 4;
      words = random_words(key, have);
    }
    y[i] = rule.random(x[i], words[static_cast<std::size_t>(element % 4)]);
  }
}

Slope FixedQuantizer::slope() const {
  const double step = std::ldexp(1.0, point() - width());
  return {.low = -std::ldexp(1.0, point() - 1), .high = (std::ldexp(1.0, width() - 1) - 1) * step};
}

void DfpQuantizer::update(const Observation& seen) {
  const bool zeros = seen.points->non_zero(-width()) == 0;  // at the finest step, so at every step
  if (!zeros || ready_ == 0) point_ = seen.points->point_for_rate(overflow_rate_).value_or(width());
  if (!zeros) ready_ = 1;
}

}  // namespace guardbit::trainer
