#include "trainer/quant/element_ops.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "arith/parallel.hpp"
#include "trainer/host_backend.hpp"
#include "trainer/quant/loops.hpp"

namespace guardbit::trainer {

namespace {

// Elements that go through a quantizer at a time.
using Block = std::array<double, kBlock>;

// body(piece, first, last) over 0..n-1, in at most kPieces pieces of whole units.
template <class Body>
void for_pieces(const HostLoops& how, std::int64_t n, const Body& body) {
  const std::int64_t size = (n + kPieces - 1) / kPieces;
  const std::int64_t pieces = size == 0 ? 0 : (n + size - 1) / size;
  arith::parallel_parts(arith::part_count(how.threads, pieces), pieces,
                        [&](int, std::int64_t first, std::int64_t last) {
                          for (std::int64_t piece = first; piece < last; ++piece)
                            body(static_cast<std::size_t>(piece), piece * size, std::min(n, (piece + 1) * size));
                        });
}

template <class Body>
void with_real(const HostLoops& how, const Body& body) {
  if (how.wide) body(double{});
  else body(float{});
}

// An activation function as bounds.
template <class Real>
struct Bounds {
  Real low, high;
  explicit Bounds(Activation activation)
      : low(activation == Activation::None ? -std::numeric_limits<Real>::infinity() : Real{0}),
        high(activation == Activation::Relu6 ? Real{6} : std::numeric_limits<Real>::infinity()) {}
  void apply(std::size_t count, const Real* x, double* y) const {
    loops::clamp(static_cast<std::int64_t>(count), low, high, x, y);
  }
  void mask(std::size_t count, const Real* y, Real* d) const {
    loops::mask(static_cast<std::int64_t>(count), low, high, y, d);
  }
};

// Calls visit(first element, count) for blocks of elements first..last-1.
template <class Visit>
void for_blocks(std::int64_t first, std::int64_t last, const Visit& visit) {
  for (std::int64_t i = first; i < last; i += kBlock)
    visit(i, static_cast<std::size_t>(std::min<std::int64_t>(last - i, kBlock)));
}

}  // namespace

void dequantize(const HostLoops& how, const nets::IntTensor& codes, const nets::TensorFormat& format,
                const TensorView& y) {
  with_real(how, [&](auto real) {
    using Real = decltype(real);
    const auto zero = static_cast<std::int32_t>(format.zero_point);
    for_pieces(how, y.count(), [&](std::size_t, std::int64_t first, std::int64_t last) {
      loops::dequantize(last - first, format.scale, zero, codes.data.data() + first, elements<Real>(y) + first);
    });
  });
}

void accumulators_to_real(const HostLoops& how, const nets::WideTensor& accumulators,
                          const std::vector<double>& scales, const TensorView& y) {
  const auto channels = static_cast<std::size_t>(y.shape.c);
  std::vector<double> all(channels, scales[0]);
  if (scales.size() == channels) all = scales;
  with_real(how, [&](auto real) {
    using Real = decltype(real);
    const std::int64_t pixels = y.count() / y.shape.c;
    for_pieces(how, pixels, [&](std::size_t, std::int64_t first, std::int64_t last) {
      loops::scale_channels(last - first, y.shape.c, accumulators.data.data() + first * y.shape.c, all.data(),
                            elements<Real>(y) + first * y.shape.c);
    });
  });
}

Observation observe(const HostLoops& how, const Quantizer& quantizer, Activation activation, const TensorView& x) {
  std::vector<Observation> parts(kPieces, quantizer.observation());
  with_real(how, [&](auto real) {
    using Real = decltype(real);
    const Bounds<Real> bounds(quantizer.is_before_activation() ? Activation::None : activation);
    for_pieces(how, x.count(), [&](std::size_t piece, std::int64_t first, std::int64_t last) {
      Block values;
      for_blocks(first, last, [&](std::int64_t i, std::size_t count) {
        bounds.apply(count, elements<Real>(x) + i, values.data());
        parts[piece].observe(std::span(values).first(count));
      });
    });
  });
  for (std::size_t i = 1; i < parts.size(); ++i) parts[0].merge(parts[i]);
  return parts[0];
}

ChannelMoments channel_moments(const HostLoops& how, const TensorView& x) {
  const auto channels = static_cast<std::size_t>(x.shape.c);
  const std::int64_t pixels = x.count() / x.shape.c;
  std::vector<std::vector<double>> sums(kPieces), squares(kPieces);
  with_real(how, [&](auto real) {
    using Real = decltype(real);
    for_pieces(how, pixels, [&](std::size_t piece, std::int64_t first, std::int64_t last) {
      std::vector<double> sum(channels), square(channels);
      loops::channel_sums(last - first, x.shape.c, elements<Real>(x) + first * x.shape.c, sum.data(), square.data());
      sums[piece] = std::move(sum);
      squares[piece] = std::move(square);
    });
  });
  std::vector<double> sum(channels), square(channels);
  for (std::size_t piece = 0; piece < sums.size() && !sums[piece].empty(); ++piece) {
    for (std::size_t c = 0; c < channels; ++c) {
      sum[c] += sums[piece][c];
      square[c] += squares[piece][c];
    }
  }
  return moments_of_sums(sum, square, pixels);
}

double activation_backward(const HostLoops& how, const Quantizer& quantizer, Activation activation,
                           const TensorView& x, const TensorView& y, const TensorView& dy) {
  std::array<double, kPieces> learned{};
  with_real(how, [&](auto real) {
    using Real = decltype(real);
    // The activation function stands behind a rule that sees negative values, and before any other.
    const bool behind = quantizer.is_before_activation();
    const Bounds<Real> mask(activation), before(behind ? Activation::None : activation);
    for_pieces(how, x.count(), [&](std::size_t piece, std::int64_t first, std::int64_t last) {
      Block values, gradient;
      for_blocks(first, last, [&](std::int64_t i, std::size_t count) {
        Real* d = elements<Real>(dy) + i;
        before.apply(count, elements<Real>(x) + i, values.data());
        if (behind) mask.mask(count, elements<Real>(y) + i, d);
        std::copy_n(d, count, gradient.begin());
        const std::span<double> g = std::span(gradient).first(count);
        learned[piece] += quantizer.backward(std::span(values).first(count), g, g);
        for (std::size_t k = 0; k < count; ++k) d[k] = static_cast<Real>(gradient[k]);
        if (!behind) mask.mask(count, elements<Real>(x) + i, d);
      });
    });
  });
  double sum = 0;
  for (const double part : learned) sum += part;
  return sum;
}

void round(const HostLoops& how, const Quantizer& quantizer, const RandomKey& key, const TensorView& x) {
  with_real(how, [&](auto real) {
    using Real = decltype(real);
    for_pieces(how, x.count(), [&](std::size_t, std::int64_t first, std::int64_t last) {
      Block values;
      for_blocks(first, last, [&](std::int64_t i, std::size_t count) {
        Real* at = elements<Real>(x) + i;
        std::copy_n(at, count, values.begin());
        const std::span<double> v = std::span(values).first(count);
        quantizer.forward(v, v, key, i);
        for (std::size_t k = 0; k < count; ++k) at[k] = static_cast<Real>(values[k]);
      });
    });
  });
}

void codes_of_input(const HostLoops& how, const InputCodes& input, const nets::TensorFormat& format,
                    const TensorView& x, nets::IntTensor& to) {
  const std::int64_t channels = x.shape.c;
  with_real(how, [&](auto real) {
    using Real = decltype(real);
    const std::vector<Real> reals(input.reals.begin(), input.reals.end());
    const InputCode<Real> code{.pixel_scale = input.pixel_scale, .mean = input.mean.data(),
                               .deviation = input.deviation.data(), .scale = format.scale,
                               .zero_point = static_cast<double>(format.zero_point),
                               .low = static_cast<double>(format.format.min_code()),
                               .high = static_cast<double>(format.format.max_code()), .codes = input.codes.data(),
                               .reals = reals.data()};
    for_pieces(how, x.count(), [&](std::size_t, std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first; i < last; ++i)
        to.data[static_cast<std::size_t>(i)] = code(elements<Real>(x)[i], i % channels);
    });
  });
}

}  // namespace guardbit::trainer
