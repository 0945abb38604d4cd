// Floats to codes: the definition, value by value, and the choice between it and the vector loops.
#include "arith/quantize.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "arith/detail/quantize_kernel.hpp"
#include "arith/error.hpp"
#include "arith/format.hpp"
#include "arith/parallel.hpp"
#include "arith/real.hpp"
#include "arith/stochastic.hpp"

namespace guardbit::arith {
namespace {

std::int32_t key_of(float value) {
  const auto bits = std::bit_cast<std::int32_t>(value);
  return bits ^ ((bits >> 31) & INT32_MAX);
}

float float_of(std::int32_t key) { return std::bit_cast<float>(key ^ ((key >> 31) & INT32_MAX)); }

// Widens the observed range. Call it before the values are added to `total`.
void widen(QuantizeStatistics& statistics, std::int32_t lowest, std::int32_t highest) {
  const bool first = statistics.total == statistics.invalid;
  statistics.lowest = float_of(first ? lowest : std::min(lowest, key_of(statistics.lowest)));
  statistics.highest = float_of(first ? highest : std::max(highest, key_of(statistics.highest)));
}

// Bits of two's complement that hold the value; 0 for 0.
std::size_t needed_bits(int128 value) {
  if (value == 0) {
    return 0;
  }
  if (value < INT64_MIN || value > INT64_MAX) {
    return QuantizeStatistics::kBitSlots - 1;
  }
  const auto bits = static_cast<std::uint64_t>(value < 0 ? ~value : value);
  return static_cast<std::size_t>(std::bit_width(bits)) + 1;
}

// round(value, shift) -> Rounded
template <typename Round>
std::int64_t quantize_one(float value, const Format& format, QuantizeStatistics& statistics, Round round) {
  if (std::isnan(value)) {
    ++statistics.total;
    ++statistics.invalid;
    return 0;
  }
  widen(statistics, key_of(value), key_of(value));
  ++statistics.total;
  const Real real = real_of(std::isinf(value) ? std::copysign(0x1p1023, double{value}) : double{value});
  const Rounded rounded = round(real.signed_significand(), -real.exponent - format.frac_bits());
  const Fitted fitted = fit(rounded.value, format);
  if (fitted.overflowed) {
    ++(rounded.value < 0 ? statistics.below : statistics.above);
  }
  statistics.inexact += rounded.inexact ? 1 : 0;
  if (statistics.histogram) {
    ++statistics.needed_bits[needed_bits(rounded.value)];
  }
  return static_cast<std::int64_t>(fitted.value);
}

template <typename Code>
void check(const Format& format, std::size_t in, std::size_t out) {
  if (!format.has_linear_codes() || format.width < 1 || format.width > kMaxWidth ||
      format.min_code() < std::numeric_limits<Code>::min() || format.max_code() > std::numeric_limits<Code>::max()) {
    throw Error("quantize: found " + to_string(format) + ", allowed integer and fixed formats whose codes fit " +
                std::to_string(8 * sizeof(Code)) + (std::is_signed_v<Code> ? " signed" : " unsigned") + " bits");
  }
  if (in != out) {
    throw Error("quantize: found " + std::to_string(in) + " values for " + std::to_string(out) +
                " codes, allowed equal numbers");
  }
}

// Rounded values of a block, for the histogram: the same plan without a range.
void count_bits(detail::QuantizePlan plan, const float* in, std::size_t size, QuantizeStatistics& statistics,
                detail::Isa isa) {
  std::int64_t values[detail::kQuantizeBlock];
  plan.wraps = false;
  plan.low = plan.in_binary32 ? INT32_MIN : INT64_MIN;
  plan.high = plan.in_binary32 ? INT32_MAX : INT64_MAX;
  (void)detail::quantize_block(plan, in, values, size, isa);
  for (std::size_t i = 0; i < size; ++i) {
    const std::int64_t value = values[i];
    const auto bits = static_cast<std::uint64_t>(value ^ (value >> 63));
    ++statistics.needed_bits[value == 0 ? 0 : static_cast<std::size_t>(std::bit_width(bits)) + 1];
  }
}

void add_block(const detail::QuantizeBlock& block, std::size_t size, QuantizeStatistics& statistics) {
  widen(statistics, block.lowest_key, block.highest_key);
  statistics.total += size;
  statistics.above += static_cast<std::uint64_t>(block.above);
  statistics.below += static_cast<std::uint64_t>(block.below);
  statistics.inexact += static_cast<std::uint64_t>(block.inexact);
}

// each(begin, end, statistics) for ranges that make up 0 .. size - 1, whose statistics are merged in order.
template <typename Each>
void in_parts(std::size_t size, int threads, QuantizeStatistics& statistics, const Each& each) {
  const std::size_t units = (size + detail::kQuantizeUnit - 1) / detail::kQuantizeUnit;
  const int parts = part_count(threads, static_cast<std::int64_t>(units));
  if (parts == 1) return each(std::size_t{0}, size, statistics);
  std::vector<QuantizeStatistics> done(static_cast<std::size_t>(parts));
  parallel_parts(parts, static_cast<std::int64_t>(units), [&](int part, std::int64_t first, std::int64_t last) {
    QuantizeStatistics mine{.histogram = statistics.histogram};
    each(static_cast<std::size_t>(first) * detail::kQuantizeUnit,
         std::min(size, static_cast<std::size_t>(last) * detail::kQuantizeUnit), mine);
    done[static_cast<std::size_t>(part)] = mine;
  });
  for (const QuantizeStatistics& part : done) statistics.merge(part);
}

}  // namespace

namespace detail {

std::int64_t quantize_value(float value, const Format& format, QuantizeStatistics& statistics) {
  return quantize_one(value, format, statistics,
                      [&](int128 number, int shift) { return round_shift(number, shift, format.rounding); });
}

template <typename Code>
void quantize_part(const QuantizePlan& plan, const Format& format, std::span<const float> in,
                          std::span<Code> out, QuantizeStatistics& statistics, Isa isa) {
  if (plan.exact_below != 0) {
    auto* codes = reinterpret_cast<std::make_signed_t<Code>*>(out.data());  // the same bits
    const QuantizeBlock block = quantize_block(plan, in.data(), codes, in.size(), isa);
    if (block.largest_magnitude < plan.exact_below) {
      add_block(block, in.size(), statistics);
      if (statistics.histogram) count_bits(plan, in.data(), in.size(), statistics, isa);
      return;
    }
  }
  for (std::size_t i = 0; i < in.size(); ++i) {
    out[i] = static_cast<Code>(quantize_value(in[i], format, statistics));
  }
}

template <typename Code>
void quantize_on(std::span<const float> in, const Format& format, std::span<Code> out, QuantizeStatistics& statistics,
                 Isa isa, int threads) {
  check<Code>(format, in.size(), out.size());
  const QuantizePlan plan = plan_quantize(format);
  in_parts(in.size(), threads, statistics, [&](std::size_t begin, std::size_t end, QuantizeStatistics& mine) {
    for (; begin < end; begin += kQuantizeBlock) {
      const std::size_t size = std::min(kQuantizeBlock, end - begin);
      quantize_part(plan, format, in.subspan(begin, size), out.subspan(begin, size), mine, isa);
    }
  });
}

}  // namespace detail

void QuantizeStatistics::merge(const QuantizeStatistics& other) {
  if (other.total > other.invalid) {
    widen(*this, key_of(other.lowest), key_of(other.highest));
  }
  total += other.total;
  above += other.above;
  below += other.below;
  inexact += other.inexact;
  invalid += other.invalid;
  histogram = histogram || other.histogram;
  for (std::size_t bits = 0; bits < kBitSlots; ++bits) {
    needed_bits[bits] += other.needed_bits[bits];
  }
}

template <typename Code>
void quantize(std::span<const float> in, const Format& format, std::span<Code> out, QuantizeStatistics& statistics,
              int threads) {
  static const detail::Isa isa = detail::best_isa();
  detail::quantize_on(in, format, out, statistics, isa, threads);
}

template <typename Code>
void quantize_stochastic(std::span<const float> in, const Format& format, std::uint64_t seed, std::uint64_t stream,
                         std::uint64_t first_index, std::span<Code> out, QuantizeStatistics& statistics,
                         int threads) {
  check<Code>(format, in.size(), out.size());
  in_parts(in.size(), threads, statistics, [&](std::size_t begin, std::size_t end, QuantizeStatistics& mine) {
    for (std::size_t i = begin; i < end; ++i) {
      const std::uint64_t random = stochastic_word(seed, stream, first_index + i);
      out[i] = static_cast<Code>(quantize_one(in[i], format, mine, [&](int128 number, int shift) {
        return round_shift_stochastic(number, shift, random);
      }));
    }
  });
}

#define GUARDBIT_INSTANTIATE(Code)                                                                                  \
  template void quantize(std::span<const float>, const Format&, std::span<Code>, QuantizeStatistics&, int);         \
  template void quantize_stochastic(std::span<const float>, const Format&, std::uint64_t, std::uint64_t,            \
                                    std::uint64_t, std::span<Code>, QuantizeStatistics&, int);                      \
  template void detail::quantize_on(std::span<const float>, const Format&, std::span<Code>, QuantizeStatistics&,    \
                                    detail::Isa, int);
GUARDBIT_INSTANTIATE(std::int8_t)
GUARDBIT_INSTANTIATE(std::uint8_t)
GUARDBIT_INSTANTIATE(std::int16_t)
GUARDBIT_INSTANTIATE(std::uint16_t)
GUARDBIT_INSTANTIATE(std::int32_t)
GUARDBIT_INSTANTIATE(std::int64_t)
#undef GUARDBIT_INSTANTIATE

}  // namespace guardbit::arith
