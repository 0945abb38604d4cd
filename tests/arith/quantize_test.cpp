// Bulk quantization against narrow() of every element: all modes, formats, code types and instruction sets.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "arith/detail/quantize_kernel.hpp"
#include "arith/error.hpp"
#include "arith/format.hpp"
#include "arith/philox.hpp"
#include "arith/real.hpp"

namespace guardbit::arith {
namespace {

using detail::Isa;

std::vector<Isa> available() {
  std::vector<Isa> all{Isa::Baseline};
  if (detail::best_isa() != Isa::Baseline) all.push_back(Isa::Avx2);
  if (detail::best_isa() == Isa::Avx512) all.push_back(Isa::Avx512);
  return all;
}

// Values around the format's grid: ties, neighbours of ties, range ends, beyond; few blocks with infinities and NaN.
std::vector<float> values_for(const Format& format, Random& random, std::size_t size, bool wild) {
  std::vector<float> values;
  const double unit = std::ldexp(1.0, -format.frac_bits());
  const double range = std::ldexp(unit, std::min(format.width, 17));
  const bool wide = random.below(2) == 0;
  for (std::size_t i = 0; i < size; ++i) {
    double value = (random.uniform() - 0.5) * 2 * range;
    switch (random.below(6)) {
      case 0: value = std::floor(value / unit) * unit; break;
      case 1: value = (std::floor(value / unit) + 0.5) * unit; break;
      case 4: value *= wide ? 64 : 1; break;  // up to 2^23 units: beyond the integers of the binary32 loop
      case 2: value = std::ldexp(value, -static_cast<int>(random.below(160))); break;
      case 3: value = std::nextafter(static_cast<float>((std::floor(value / unit) + 0.5) * unit), 0.0F); break;
      default: break;
    }
    if (wild && random.below(500) == 0) {
      const float odd[] = {INFINITY, -INFINITY, NAN, -0.0F, 3e38F, -3e38F, 1e-45F, -1e-45F};
      value = double{odd[random.below(8)]};
    }
    values.push_back(static_cast<float>(value));
  }
  return values;
}

// The definition, written out.
template <typename Code>
QuantizeStatistics expected(const std::vector<float>& in, const Format& format, std::vector<Code>& out) {
  QuantizeStatistics want{.histogram = true};
  out.clear();
  for (const float value : in) {
    const NarrowedReal narrowed = narrow(double{value}, format);
    out.push_back(static_cast<Code>(narrowed.value));
    ++want.total;
    if (narrowed.invalid) {
      ++want.invalid;
      continue;
    }
    const bool first = want.total - want.invalid == 1;
    const auto less = [](float a, float b) { return a < b || (a == b && std::signbit(a) && !std::signbit(b)); };
    if (first || less(value, want.lowest)) want.lowest = value;
    if (first || less(want.highest, value)) want.highest = value;
    if (narrowed.overflowed) ++(value < 0 ? want.below : want.above);
    want.inexact += narrowed.inexact ? 1 : 0;
    std::size_t bits = 0;
    if (!std::isinf(value)) {
      Format wide = format;  // bits of the rounded value: the smallest format without overflow
      wide.overflow = Overflow::SAT;
      wide.is_signed = true;
      const int frac_bits = format.frac_bits();
      for (wide.width = 1; wide.width <= 64; ++wide.width) {
        wide.integer_bits = wide.width - frac_bits;
        if (!narrow(double{value}, wide).overflowed) break;
      }
      bits = static_cast<std::size_t>(wide.width);
      if (bits == 1 && narrow(double{value}, wide).value == 0) bits = 0;
    } else {
      bits = 65;
    }
    ++want.needed_bits[bits];
  }
  return want;
}

template <typename Code>
void compare(const Format& format, Random& random, bool wild) {
  const std::vector<float> in = values_for(format, random, 1024 + 77, wild);
  std::vector<Code> want_codes;
  const QuantizeStatistics want = expected(in, format, want_codes);
  for (const Isa isa : available()) {
    std::vector<Code> codes(in.size());
    QuantizeStatistics got{.histogram = true};
    detail::quantize_on<Code>(in, format, codes, got, isa);
    ASSERT_EQ(codes, want_codes) << to_string(format) << " isa " << static_cast<int>(isa);
    ASSERT_EQ(got, want) << to_string(format) << " isa " << static_cast<int>(isa);
  }
}

TEST(Quantize, EqualsNarrowOfEveryElementInEveryModeAndInstructionSet) {
  Random random(1);
  for (int mode = 0; mode < 8; ++mode) {
    for (const Overflow overflow : {Overflow::SAT, Overflow::SAT_SYM, Overflow::WRAP, Overflow::SAT_ZERO}) {
      for (const bool is_signed : {true, false}) {
        Format format{.kind = Kind::Fixed, .is_signed = is_signed, .rounding = static_cast<Rounding>(mode),
                      .overflow = overflow};
        for (const int integer_bits : {-3, 2, 8, 20}) {
          format.width = 8;
          format.integer_bits = integer_bits;
          if (is_signed) {
            compare<std::int8_t>(format, random, integer_bits == 2);
          } else {
            compare<std::uint8_t>(format, random, integer_bits == 2);
          }
          format.width = is_signed ? 16 : 15;
          compare<std::int16_t>(format, random, integer_bits == 8);
          format.width = 24;
          compare<std::int32_t>(format, random, false);
        }
      }
    }
  }
}

TEST(Quantize, EqualsNarrowForRandomFormats) {
  Random random(2);
  for (int i = 0; i < 300; ++i) {
    Format format{.kind = Kind::Fixed, .is_signed = random.below(2) == 0};
    format.width = static_cast<int>(random.below(63)) + 1;
    format.integer_bits = static_cast<int>(random.below(120)) - 40;
    format.rounding = static_cast<Rounding>(random.below(8));
    format.overflow = static_cast<Overflow>(random.below(format.is_signed ? 5 : 4));
    if (format.overflow == Overflow::WRAP && random.below(3) == 0) {
      format.n_bits = static_cast<int>(random.below(static_cast<std::uint64_t>(format.width)));
    }
    compare<std::int64_t>(format, random, random.below(4) == 0);
    if (!format.is_signed && format.width <= 16) compare<std::uint16_t>(format, random, false);
  }
}

TEST(Quantize, WorksAtTheEndsOfTheExponentRange) {
  Random random(3);
  for (const int integer_bits : {-120, -90, -80, 100, 130, 140, 256, -256}) {
    for (int mode = 0; mode < 8; ++mode) {
      const Format format{.kind = Kind::Fixed, .width = 12, .integer_bits = integer_bits,
                          .rounding = static_cast<Rounding>(mode), .overflow = Overflow::SAT};
      compare<std::int16_t>(format, random, true);
    }
  }
}

TEST(Quantize, TheHistogramGivesTheOverflowsOfEveryWidth) {
  Random random(4);
  Format format{.kind = Kind::Fixed, .width = 16, .integer_bits = 8, .overflow = Overflow::SAT};
  const std::vector<float> in = values_for(format, random, 5000, false);
  std::vector<std::int16_t> codes(in.size());
  QuantizeStatistics all{.histogram = true};
  quantize<std::int16_t>(in, format, codes, all);
  for (int width = 1; width <= 16; ++width) {
    format.width = width;
    format.integer_bits = width - 8;
    QuantizeStatistics one;
    quantize<std::int16_t>(in, format, codes, one);
    std::uint64_t beyond = 0;
    for (std::size_t bits = static_cast<std::size_t>(width) + 1; bits < all.needed_bits.size(); ++bits) {
      beyond += all.needed_bits[bits];
    }
    EXPECT_EQ(one.above + one.below, beyond) << width;
  }
}

TEST(QuantizeStatistics, MergingPartsGivesTheWhole) {
  Random random(5);
  const Format format{.kind = Kind::Fixed, .width = 8, .integer_bits = 3};
  std::vector<float> in = values_for(format, random, 4000, true);
  in[0] = in[1] = in[2500] = NAN;
  std::vector<std::int8_t> codes(in.size());
  QuantizeStatistics whole{.histogram = true};
  quantize<std::int8_t>(in, format, codes, whole);
  QuantizeStatistics merged;
  merged.merge(QuantizeStatistics{});  // nothing seen: no range yet
  for (std::size_t begin = 0; begin < in.size(); begin += 400) {
    QuantizeStatistics part{.histogram = true};
    quantize<std::int8_t>(std::span(in).subspan(begin, 400), format, std::span(codes).subspan(begin, 400), part);
    merged.merge(part);
  }
  EXPECT_EQ(merged, whole);
  EXPECT_GE(whole.invalid, 3U);
}

// Parts of 16384 numbers, the last one short; NaN at the beginning, so that a part's range does not begin there.
TEST(Quantize, CodesAndStatisticsDoNotDependOnThreads) {
  Random random(6);
  for (const std::size_t size : {std::size_t{0}, std::size_t{1000}, std::size_t{16385}, std::size_t{5 * 16384 + 777}}) {
    for (const bool histogram : {false, true}) {
      const Format format{.kind = Kind::Fixed, .width = 12, .integer_bits = 5, .rounding = Rounding::RND_CONV,
                          .overflow = Overflow::SAT};
      std::vector<float> in = values_for(format, random, size, true);
      for (std::size_t i = 0; i < std::min<std::size_t>(size, 3); ++i) in[i] = NAN;
      QuantizeStatistics before{.histogram = histogram};
      std::vector<std::int16_t> first(100);
      quantize<std::int16_t>(values_for(format, random, 100, true), format, first, before);
      std::vector<std::int16_t> want(size), want_stochastic(size);
      QuantizeStatistics one = before;
      QuantizeStatistics one_stochastic = before;
      quantize<std::int16_t>(in, format, want, one);
      quantize_stochastic<std::int16_t>(in, format, 7, 3, 1000, want_stochastic, one_stochastic);
      for (const int threads : {2, 3, 4, 16}) {
        std::vector<std::int16_t> codes(size);
        QuantizeStatistics some = before;
        quantize<std::int16_t>(in, format, codes, some, threads);
        EXPECT_EQ(codes, want) << size << " threads " << threads;
        EXPECT_EQ(some, one) << size << " threads " << threads;
        some = before;
        quantize_stochastic<std::int16_t>(in, format, 7, 3, 1000, codes, some, threads);
        EXPECT_EQ(codes, want_stochastic) << size << " threads " << threads;
        EXPECT_EQ(some, one_stochastic) << size << " threads " << threads;
      }
    }
  }
}

TEST(Quantize, RefusesFormatsThatDoNotFitTheCodes) {
  std::vector<float> in(3);
  std::vector<std::int8_t> codes(3);
  QuantizeStatistics statistics;
  EXPECT_THROW(quantize<std::int8_t>(in, integer_format(9), codes, statistics), Error);
  EXPECT_THROW(quantize<std::int8_t>(in, integer_format(8, false), codes, statistics), Error);
  EXPECT_THROW(quantize<std::int8_t>(in, kE4m3, codes, statistics), Error);
  EXPECT_THROW(quantize<std::int8_t>(in, integer_format(8), std::span(codes).first(2), statistics), Error);
  EXPECT_EQ(statistics, QuantizeStatistics{});
}

}  // namespace
}  // namespace guardbit::arith
