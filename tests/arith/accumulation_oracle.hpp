// A second accumulation for tests, from the definition in 128-bit integers: every exact sum is taken again from the
// start, ranges and wraps come from division instead of masks. Shares no code with arith.
#pragma once

#include <cstdint>
#include <vector>

#include "arith/accumulate.hpp"

namespace guardbit::arith::testing {

inline int128 power_of_two(int exponent) {
  int128 power = 1;
  for (int i = 0; i < exponent; ++i) power *= 2;
  return power;
}

// The code that the overflow mode (n_bits 0) gives, by its definition on numbers.
inline int128 oracle_narrow(int128 value, const Format& format) {
  const int128 modulus = power_of_two(format.width);
  const int128 low = format.is_signed ? -(modulus / 2) : int128{0};
  const int128 high = low + modulus - 1;
  const bool inside = value >= low && value <= high;
  const auto wrapped = [&](int128 v) {
    int128 residue = (v - low) % modulus;
    if (residue < 0) residue += modulus;
    return low + residue;
  };
  switch (format.overflow) {
    case Overflow::SAT:
      return inside ? value : value < low ? low : high;
    case Overflow::SAT_ZERO:
      return inside ? value : int128{0};
    case Overflow::SAT_SYM:
      if (format.is_signed && value < -high) return -high;
      return value < low ? low : value > high ? high : value;
    case Overflow::WRAP:
      return wrapped(value);
    case Overflow::WRAP_SM: {
      // A triangle wave: walking out of the range turns back at its ends.
      int128 block = (value - low) / modulus;
      if ((value - low) % modulus < 0) --block;
      const int128 inner = wrapped(value);
      return block % 2 == 0 ? inner : int128{-1} - inner;
    }
  }
  return 0;
}

struct OracleSum {
  int128 value = 0;
  std::uint64_t overflows = 0;
  std::int64_t first = -1;
  std::int64_t seen = 0;
  void add(int128 term, const Format& format) {
    const int128 narrowed = oracle_narrow(value + term, format);
    if (narrowed != value + term) {
      if (overflows == 0) first = seen;
      ++overflows;
    }
    value = narrowed;
    ++seen;
  }
};

inline void oracle_record(const OracleSum& sum, int128 exact, std::int64_t output, OverflowCounts& counts) {
  ++counts.total;
  counts.count += sum.overflows;
  if (sum.overflows > 0) ++counts.outputs;
  if (sum.overflows > 0 && sum.value == exact) ++counts.transient;
  if (sum.value != exact) ++counts.harmful;
  if (sum.overflows > 0) {
    const FirstOverflow found{output, sum.first};
    if (!counts.first || found.output < counts.first->output) counts.first = found;
  }
}

inline std::int64_t oracle_accumulate(const std::vector<std::int64_t>& products, std::int64_t initial,
                                      const Accumulation& a, std::int64_t output, AccumulationEvidence& evidence) {
  const auto depth = static_cast<std::int64_t>(products.size());
  const std::int64_t fold = a.fold == 0 ? depth : a.fold;
  const std::int64_t folds = depth == 0 ? 0 : (depth + fold - 1) / fold;
  const auto exact_sum = [&](std::int64_t begin, std::int64_t end) {
    int128 sum = 0;
    for (std::int64_t k = begin; k < end; ++k) sum += products[static_cast<std::size_t>(k)];
    return sum;
  };
  OracleSum acc;
  acc.add(initial, a.accumulator.format);
  evidence.exact.include(initial);
  for (std::int64_t f = 0; f < folds; ++f) {
    const std::int64_t begin = f * fold;
    const std::int64_t end = begin + fold < depth ? begin + fold : depth;
    const int configured = a.psum ? a.psum->step : a.accumulator.step;
    const std::int64_t step = configured == 0 ? fold : configured;
    OracleSum psum;
    for (std::int64_t k = begin; k < end; k += step) {
      const std::int64_t stop = k + step < end ? k + step : end;
      if (a.psum) {
        psum.add(exact_sum(k, stop), a.psum->format);
      } else {
        acc.add(exact_sum(k, stop), a.accumulator.format);
        evidence.exact.include(static_cast<std::int64_t>(initial + exact_sum(0, stop)));
      }
    }
    if (a.psum) {
      oracle_record(psum, exact_sum(begin, end), output * folds + f, evidence.psum);
      acc.add(psum.value, a.accumulator.format);
      evidence.exact.include(static_cast<std::int64_t>(initial + exact_sum(0, end)));
    }
  }
  oracle_record(acc, initial + exact_sum(0, depth), output, evidence.accumulator);
  return static_cast<std::int64_t>(acc.value);
}

}  // namespace guardbit::arith::testing
