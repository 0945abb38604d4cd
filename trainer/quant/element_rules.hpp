// What rules do to one element: the formulas, once, for the host and for kernels. A rule gives their numbers
// (Quantizer::slope, Quantizer::rounding).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "arith/host_device.hpp"
#include "arith/philox.hpp"

namespace guardbit::trainer {

/// Adding and taking away 1.5 * 2^52 rounds half to even whatever lies within 51 bits.
[[nodiscard]] GUARDBIT_HD inline double nearest_even(double x) {
  constexpr double kRound = 0x1.8p52;
  return (x + kRound) - kRound;
}

/// The gradient that passes a rule of activations, and that of its learned number.
struct Slope {
  enum class Kind : unsigned char {
    Within,  // 1 where low <= x <= high, else 0
    Step,    // LSQ: the same of x / step; the step hears of round(x / step) - x / step inside, of low and high outside
    Clip,    // PACT: 1 where 0 <= x < high; the clip hears of what reaches it
  };
  Kind kind = Kind::Within;
  double low = 0, high = 0;
  double step = 1;
  double scale = 1;  // of the learned number's gradient

  [[nodiscard]] bool learns() const { return kind != Kind::Within; }
};

[[nodiscard]] GUARDBIT_HD inline double pass_within(double x, double dy, double low, double high) {
  const double kept = x >= low ? dy : 0.0;
  return x <= high ? kept : 0.0;
}

/// dx; `learned` grows by the element's part of the learned number's gradient, before Slope::scale.
[[nodiscard]] GUARDBIT_HD inline double pass_step(const Slope& s, double x, double dy, double& learned) {
  const double v = x / s.step;
  const bool below = v < s.low, above = v > s.high;
  learned += dy * (below ? s.low : above ? s.high : nearest_even(v) - v);
  return below || above ? 0.0 : dy;
}
[[nodiscard]] GUARDBIT_HD inline double pass_clip(const Slope& s, double x, double dy, double& learned) {
  const bool clipped = x >= s.high;
  learned += clipped ? dy : 0.0;
  return clipped || x < 0 ? 0.0 : dy;
}
[[nodiscard]] GUARDBIT_HD inline double pass(const Slope& s, double x, double dy, double& learned) {
  if (s.kind == Slope::Kind::Step) return pass_step(s, x, dy, learned);
  return s.kind == Slope::Kind::Clip ? pass_clip(s, x, dy, learned) : pass_within(x, dy, s.low, s.high);
}

/// How a value between two codes is rounded. Naive: up with probability 1/2; Ulp: up with its fraction as probability.
enum class Stochastic : unsigned char { Off, Naive, Ulp };

/// Names the random numbers of one tensor in one step.
struct RandomKey {
  std::uint64_t seed = 0, step = 0;
  std::uint32_t stream = 0;  // of the tensor
};

/// The random words of elements 4 * block to 4 * block + 3.
[[nodiscard]] GUARDBIT_HD inline std::array<std::uint32_t, 4> random_words(const RandomKey& key, std::int64_t block) {
  return arith::philox4x32({static_cast<std::uint32_t>(block), key.stream, static_cast<std::uint32_t>(key.step),
                            static_cast<std::uint32_t>(key.step >> 32)},
                           {static_cast<std::uint32_t>(key.seed), static_cast<std::uint32_t>(key.seed >> 32)});
}

/// Rounding of gradients to fixed point: codes low..high, real = code * step.
struct FixedRounding {
  double step = 1, inverse = 1;  // powers of two
  double low = 0, high = 0;
  Stochastic stochastic = Stochastic::Off;

  /// Half to even.
  [[nodiscard]] GUARDBIT_HD double nearest(double x) const {
    double code = x * inverse;
    code = code < low ? low : code > high ? high : code;
    return nearest_even(code) * step;
  }
  [[nodiscard]] GUARDBIT_HD double random(double x, std::uint32_t word) const {
    const double scaled = x * inverse, below = std::floor(scaled), fraction = scaled - below;
    const double threshold = stochastic == Stochastic::Naive && fraction > 0 ? 0.5 : fraction;
    const bool up = word * 0x1p-32 < threshold;
    return std::clamp(below + (up ? 1 : 0), low, high) * step;
  }
};

/// The code of an input that load_batch made. Arrays: per channel, or [C, 256] by pixel.
template <class Real>
struct InputCode {
  double pixel_scale;
  const double *mean, *deviation;
  double scale, zero_point, low, high;  // of the codes
  const std::int32_t* codes;
  const Real* reals;

  [[nodiscard]] GUARDBIT_HD std::int32_t operator()(Real value, std::int64_t channel) const {
    const double pixel = (value * deviation[channel] + mean[channel]) / pixel_scale;
    const long nearest_pixel = std::lround(pixel);
    const std::int64_t row = channel * 256 + (nearest_pixel < 0 ? 0 : nearest_pixel > 255 ? 255 : nearest_pixel);
    const double nearest = std::nearbyint(value / scale) + zero_point;
    return reals[row] == value ? codes[row] : static_cast<std::int32_t>(std::clamp(nearest, low, high));
  }
};

}  // namespace guardbit::trainer
