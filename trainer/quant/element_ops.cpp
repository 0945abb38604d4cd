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

constexpr std::int64_t kPieces = 8;
constexpr std::size_t kBlock = 1024;  // elements that go through a quantizer at a time
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

std::vector<double> to_doubles(const HostLoops& how, const TensorView& x) {
  std::vector<double> y;
  with_real(how, [&](auto real) {
    using Real = decltype(real);
    y.assign(elements<Real>(x), elements<Real>(x) + x.count());
  });
  return y;
}

// Calls visit(first element, count) for blocks of elements first..last-1.
template <class Visit>
void for_blocks(std::int64_t first, std::int64_t last, const Visit& visit) {
  for (std::int64_t i = first; i < last; i += static_cast<std::int64_t>(kBlock))
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
  ChannelMoments result{std::vector<double>(channels), std::vector<double>(channels), pixels};
  for (std::size_t c = 0; c < channels; ++c) {
    double sum = 0, square = 0;
    for (std::size_t piece = 0; piece < sums.size() && !sums[piece].empty(); ++piece) {
      sum += sums[piece][c];
      square += squares[piece][c];
    }
    const auto n = static_cast<double>(pixels);
    result.mean[c] = sum / n;
    result.variance[c] = std::max(0.0, square / n - result.mean[c] * result.mean[c]);
  }
  return result;
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

void quantize_gradient(const HostLoops& how, const QuantizerChain& chain, bool due, const RandomKey& key,
                       const TensorView& x, const ChainWatch& watch) {
  for (const auto& quantizer : chain.all()) {
    if (!quantizer->enabled()) continue;
    if (quantizer->wants_update(due)) quantizer->update(observe(how, *quantizer, Activation::None, x));
    std::vector<double> before;
    if (watch) before = to_doubles(how, x);
    with_real(how, [&](auto real) {
      using Real = decltype(real);
      for_pieces(how, x.count(), [&](std::size_t, std::int64_t first, std::int64_t last) {
        Block values;
        for_blocks(first, last, [&](std::int64_t i, std::size_t count) {
          Real* at = elements<Real>(x) + i;
          std::copy_n(at, count, values.begin());
          const std::span<double> v = std::span(values).first(count);
          quantizer->forward(v, v, key, i);
          for (std::size_t k = 0; k < count; ++k) at[k] = static_cast<Real>(values[k]);
        });
      });
    });
    if (watch) watch(*quantizer, std::move(before), to_doubles(how, x));
  }
}

void quantize_gradient(const QuantizerChain& chain, bool due, const RandomKey& key, std::vector<double>& x,
                       const ChainWatch& watch) {
  for (const auto& quantizer : chain.all()) {
    if (!quantizer->enabled()) continue;
    if (quantizer->wants_update(due)) {
      Observation seen = quantizer->observation();
      seen.observe(x);
      quantizer->update(seen);
    }
    std::vector<double> before;
    if (watch) before = x;
    quantizer->forward(x, x, key, 0);
    if (watch) watch(*quantizer, std::move(before), x);
  }
}

InputCodes::InputCodes(const nets::IntegerNetwork& network)
    : preprocess_(network.preprocess), format_(network.layer(0).output), table_(nets::input_code_table(network)),
      narrow_(preprocess_table<float>(preprocess_, network.layer(0).shape.c)),
      wide_(preprocess_table<double>(preprocess_, network.layer(0).shape.c)) {}

void InputCodes::codes(const HostLoops& how, const TensorView& x, nets::IntTensor& to) const {
  const std::int64_t channels = x.shape.c;
  const auto low = static_cast<double>(format_.format.min_code());
  const auto high = static_cast<double>(format_.format.max_code());
  with_real(how, [&](auto real) {
    using Real = decltype(real);
    const Real* table = nullptr;
    if constexpr (std::is_same_v<Real, float>) table = narrow_.data();
    else table = wide_.data();
    const auto of = [](const std::vector<double>& list, std::int64_t c) {
      return list[list.size() == 1 ? 0 : static_cast<std::size_t>(c)];
    };
    for_pieces(how, x.count(), [&](std::size_t, std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first; i < last; ++i) {
        const std::int64_t c = i % channels;
        const Real value = elements<Real>(x)[i];
        const double pixel = (value * of(preprocess_.std, c) + of(preprocess_.mean, c)) / preprocess_.scale;
        const auto row = static_cast<std::size_t>(c * 256 + std::clamp<std::int64_t>(std::lround(pixel), 0, 255));
        const double nearest = std::nearbyint(value / format_.scale) + static_cast<double>(format_.zero_point);
        to.data[static_cast<std::size_t>(i)] =
            table[row] == value ? table_[row] : static_cast<std::int32_t>(std::clamp(nearest, low, high));
      }
    });
  });
}

}  // namespace guardbit::trainer
