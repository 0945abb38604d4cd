// Making, checking and using the table of a softmax.
#include "nets/quantize/softmax_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "arith/error.hpp"
#include "arith/int128.hpp"
#include "nets/quantize/fixed_point.hpp"

namespace guardbit::nets {
namespace {

constexpr int kSeriesBits = 60;  // fraction bits of the numbers below
constexpr std::int64_t kSeriesOne = std::int64_t{1} << kSeriesBits;

constexpr std::int64_t product(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>((arith::int128{a} * b) >> kSeriesBits);
}

// exp(-16 * x) for 0 <= x < 1: the Taylor series of exp(-x), squared four times. Off by less than 2^-50.
constexpr std::int64_t exponential(std::int64_t x) {
  std::int64_t sum = kSeriesOne;
  std::int64_t term = kSeriesOne;
  for (int n = 1; term != 0; ++n) {
    term = product(term, x) / n;
    sum += n % 2 == 1 ? -term : term;
  }
  for (int square = 0; square < 4; ++square) sum = product(sum, sum);
  return sum;
}

}  // namespace

std::vector<std::int32_t> softmax_table(double scale) {
  if (!std::isfinite(scale) || scale <= 0) {
    throw Error(fmt::format("softmax: found input scale {}, allowed finite and above 0", scale));
  }
  std::vector<std::int32_t> table;
  for (std::size_t k = 0; k < kSoftmaxEntries; ++k) {
    const double y = static_cast<double>(k) * scale;
    std::int32_t entry = 0;  // 65535 * exp(-16) is far below 1/2
    if (y < 16) {
      const std::int64_t e = exponential(static_cast<std::int64_t>(std::ldexp(y, kSeriesBits - 4)));
      const arith::int128 scaled = arith::int128{kSoftmaxOne} * e + kSeriesOne / 2;
      entry = static_cast<std::int32_t>(scaled >> kSeriesBits);
    }
    // The last bits of the series must not make the table rise where the scale is next to nothing.
    table.push_back(table.empty() ? entry : std::min(entry, table.back()));
  }
  return table;
}

TensorFormat softmax_output(const TensorFormat& input) {
  const int width = input.format.width;
  TensorFormat output;
  if (input.format.kind == arith::Kind::Fixed) {
    output.format = fixed_format(width, 1);
    output.scale = std::ldexp(1.0, 1 - width);
  } else {
    output.format = arith::integer_format(width, input.format.is_signed);
    output.scale = std::ldexp(1.0, -width);
    output.zero_point = static_cast<std::int64_t>(output.format.min_code());
  }
  return output;
}

int softmax_fraction_bits(double scale) {
  for (int bits = 1; bits <= kSoftmaxMostFractionBits; ++bits) {
    if (scale == std::ldexp(1.0, -bits)) return bits;
  }
  return -1;
}

void check_softmax(const IntegerLayer& layer, const TensorFormat& input) {
  if (input.format.width > kSoftmaxCodeBits) {
    throw Error(fmt::format("found inputs of format {}, allowed up to {} bits: the table has {} entries",
                            arith::to_string(input.format), kSoftmaxCodeBits, kSoftmaxEntries));
  }
  if (layer.shape.c > kSoftmaxChannels) {
    throw Error(fmt::format("found {} channels, allowed up to {}", layer.shape.c, kSoftmaxChannels));
  }
  if (softmax_fraction_bits(layer.output.scale) < 0) {
    throw Error(fmt::format("found output scale {}, allowed 2^-1 to 2^-{}", layer.output.scale,
                            kSoftmaxMostFractionBits));
  }
  const std::vector<std::int32_t>& table = layer.exponentials;
  if (table.size() != kSoftmaxEntries) {
    throw Error(fmt::format("found {} exponentials, allowed {}", table.size(), kSoftmaxEntries));
  }
  for (std::size_t k = 0; k < table.size(); ++k) {
    const std::int32_t least = k == 0 ? 1 : 0;
    const std::int32_t most = k == 0 ? kSoftmaxOne : table[k - 1];
    if (table[k] < least || table[k] > most) {
      throw Error(fmt::format("found exponential {} at {}, allowed {} to {}{}", table[k], k, least, most,
                              k == 0 ? "" : ": they may not rise"));
    }
  }
}

TableSoftmax::TableSoftmax(const IntegerLayer& layer)
    : table_(layer.exponentials),
      shift_(kSoftmaxReciprocalBits - softmax_fraction_bits(layer.output.scale)),
      zero_point_(layer.output.zero_point),
      largest_(static_cast<std::int64_t>(layer.output.format.max_code())) {}

void TableSoftmax::operator()(std::span<const std::int32_t> codes, std::span<std::int32_t> out) const {
  const std::int32_t top = *std::max_element(codes.begin(), codes.end());
  const auto entry = [&](std::int32_t code) { return std::int64_t{table_[static_cast<std::size_t>(top - code)]}; };
  std::int64_t sum = 0;
  for (const std::int32_t code : codes) sum += entry(code);
  const std::int64_t reciprocal = (std::int64_t{1} << kSoftmaxReciprocalBits) / sum;
  const std::int64_t half = std::int64_t{1} << (shift_ - 1);
  for (std::size_t c = 0; c < codes.size(); ++c) {
    const std::int64_t share = (entry(codes[c]) * reciprocal + half) >> shift_;
    out[c] = static_cast<std::int32_t>(std::min(share + zero_point_, largest_));
  }
}

}  // namespace guardbit::nets
