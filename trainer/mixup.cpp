#include "trainer/mixup.hpp"

#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

#include "arith/philox.hpp"

namespace guardbit::trainer {

namespace {

constexpr std::uint64_t kStream = std::uint64_t{3} << 62;  // apart from those of trainer/augment.cpp

// (0, 1): never 0, whose logarithm is wanted.
double open_uniform(arith::Random& random) { return random.uniform() + 0x1p-54; }

double normal(arith::Random& random) {  // Box and Muller, one of the two
  const double radius = std::sqrt(-2 * std::log(open_uniform(random)));
  return radius * std::cos(2 * std::numbers::pi * random.uniform());
}

// The logarithm of a Gamma(shape) number: Marsaglia and Tsang, ACM TOMS 26 (2000); below 1 by their
// Gamma(shape) = Gamma(shape + 1) * U^(1 / shape), which in logarithms does not underflow.
double log_gamma_number(double shape, arith::Random& random) {
  if (shape < 1) {
    const double above = log_gamma_number(shape + 1, random);
    return above + std::log(open_uniform(random)) / shape;
  }
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  while (true) {
    const double x = normal(random), root = 1 + c * x, u = open_uniform(random);
    if (root <= 0) continue;
    const double v = root * root * root;
    if (std::log(u) < x * x / 2 + d - d * v + d * std::log(v)) return std::log(d * v);
  }
}

}  // namespace

Mixup draw_mixup(double alpha, std::int64_t images, std::uint64_t seed, std::uint64_t step) {
  arith::Random random(seed, kStream | step);
  const double a = log_gamma_number(alpha, random), b = log_gamma_number(alpha, random);
  Mixup mixup;
  mixup.share = 1 / (1 + std::exp(b - a));
  mixup.partner.resize(static_cast<std::size_t>(images));
  std::iota(mixup.partner.begin(), mixup.partner.end(), 0);
  for (std::size_t i = mixup.partner.size(); i > 1; --i)
    std::swap(mixup.partner[i - 1], mixup.partner[random.below(i)]);
  return mixup;
}

}  // namespace guardbit::trainer
