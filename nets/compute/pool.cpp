// Pooling over the valid elements of each window.
#include <fmt/format.h>

#include <algorithm>

#include "arith/error.hpp"
#include "arith/parallel.hpp"
#include "nets/compute/operators.hpp"

namespace guardbit::nets::compute {
namespace {

struct Axis {
  std::int64_t size, kernel, stride, dilation, before, after;
  const char* name;

  // Output extent; every window must hold at least one element.
  [[nodiscard]] std::int64_t outputs(const std::string& where) const {
    const std::int64_t reach = dilation * (kernel - 1) + 1, room = size + before + after - reach;
    if (room < 0) {
      throw Error(fmt::format("{}: found a window of {} elements along {}, allowed at most {} (padding included)",
                              where, reach, name, size + before + after));
    }
    const std::int64_t count = room / stride + 1;
    for (std::int64_t o = 0; o < count; ++o) {
      if (first_tap(o) == end_tap(o)) {
        throw Error(fmt::format("{}: found window {} along {} wholly in the padding, allowed at least one element each",
                                where, o, name));
      }
    }
    return count;
  }
  // Valid taps of output `o` are first_tap(o) <= tap < end_tap(o).
  [[nodiscard]] std::int64_t first_tap(std::int64_t o) const {
    const std::int64_t start = o * stride - before;
    return start >= 0 ? 0 : std::min(kernel, (-start + dilation - 1) / dilation);
  }
  [[nodiscard]] std::int64_t end_tap(std::int64_t o) const {
    const std::int64_t start = o * stride - before;
    if (start >= size) return first_tap(o);
    return std::max(first_tap(o), std::min(kernel, (size - 1 - start) / dilation + 1));
  }
  [[nodiscard]] std::int64_t position(std::int64_t o, std::int64_t tap) const {
    return o * stride - before + tap * dilation;
  }
};

}  // namespace

Pooled pool(const Operand& input, PoolKind kind, const Window& window, const arith::Accumulation& accumulation,
            int threads) {
  check_shape(input.codes.shape, 4, "[N, H, W, C]", input.name);
  const auto& in = input.codes.shape;
  const Axis y{in[1], window.kernel_h, window.stride_h, window.dilation_h, window.padding.top, window.padding.bottom,
               "H"};
  const Axis x{in[2], window.kernel_w, window.stride_w, window.dilation_w, window.padding.left, window.padding.right,
               "W"};
  const std::int64_t p = y.outputs(input.name), q = x.outputs(input.name), c = in[3];
  const std::vector<std::int64_t> shape{in[0], p, q, c};
  check_shape(shape, 4, "[N, P, Q, C] of the output", input.name);

  Pooled result{.accumulated = {.accumulators = WideTensor(shape), .evidence = {}}, .values = WideTensor(shape)};
  const std::int64_t pixels = in[0] * p * q;
  const int parts = arith::part_count(threads, pixels);
  std::vector<arith::AccumulationEvidence> evidence(static_cast<std::size_t>(parts));
  arith::parallel_parts(parts, pixels, [&](int part, std::int64_t first, std::int64_t last) {
    std::vector<std::int64_t> terms;
    for (std::int64_t pixel = first; pixel < last; ++pixel) {
      const std::int64_t n = pixel / (p * q), row = pixel / q % p, column = pixel % q;
      for (std::int64_t channel = 0; channel < c; ++channel) {
        terms.clear();
        for (std::int64_t r = y.first_tap(row); r < y.end_tap(row); ++r) {
          for (std::int64_t s = x.first_tap(column); s < x.end_tap(column); ++s) {
            const std::int64_t at = ((n * in[1] + y.position(row, r)) * in[2] + x.position(column, s)) * c + channel;
            terms.push_back(input.codes.data[static_cast<std::size_t>(at)] - input.zero_point);
          }
        }
        const auto taps = static_cast<std::int64_t>(terms.size());
        if (kind == PoolKind::Max) terms = {*std::max_element(terms.begin(), terms.end())};
        const auto element = static_cast<std::size_t>(pixel * c + channel);
        const std::int64_t sum = arith::accumulate(terms, 0, accumulation, static_cast<std::int64_t>(element),
                                                   evidence[static_cast<std::size_t>(part)]);
        result.accumulated.accumulators.data[element] = sum;
        // Ties away from 0; in 128 bits, because a 64-bit accumulator may hold any value.
        const arith::int128 half = sum >= 0 ? taps / 2 : -(taps / 2);
        result.values.data[element] =
            kind == PoolKind::Max ? sum : static_cast<std::int64_t>((arith::int128{sum} + half) / taps);
      }
    }
  });
  for (const arith::AccumulationEvidence& part : evidence) result.accumulated.evidence.merge(part);
  return result;
}

}  // namespace guardbit::nets::compute
