// Normal deviates without the C library's logarithm, whose last bit differs between versions and processors.
#include "arith/philox.hpp"

#include <cmath>

namespace guardbit::arith {
namespace {

// ln(x), 0 < x < 1: x = m * 2^e with m in [sqrt(1/2), sqrt(2)), ln(m) = 2 atanh((m - 1) / (m + 1)).
double logarithm(double x) {
  int exponent = 0;
  double mantissa = std::frexp(x, &exponent);  // exact
  if (mantissa < 0.70710678118654752) {
    mantissa *= 2;
    --exponent;
  }
  const double z = (mantissa - 1) / (mantissa + 1);  // |z| <= 0.1716, so that 12 terms reach 2^-60
  double sum = 0;
  for (int k = 23; k >= 1; k -= 2) {
    sum = sum * z * z + 1.0 / k;
  }
  return 2 * z * sum + exponent * 0.69314718055994531;
}

}  // namespace

double Random::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  double u = 0;
  double v = 0;
  double s = 0;
  do {
    u = 2 * uniform() - 1;
    v = 2 * uniform() - 1;
    s = u * u + v * v;
  } while (s >= 1 || s == 0);
  const double factor = std::sqrt(-2 * logarithm(s) / s);
  spare_ = v * factor;
  has_spare_ = true;
  return u * factor;
}

}  // namespace guardbit::arith
