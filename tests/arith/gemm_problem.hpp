// Random products for the tests of gemm(), and what must come out: an accumulation in 128-bit integers that narrows by
// comparing, adding and subtracting, one product after the other. Shares no code with arith.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "arith/gemm.hpp"
#include "arith/philox.hpp"

namespace guardbit::arith::testing {

struct GemmProblem {
  Accumulation accumulation;
  GemmLhs::Type type = GemmLhs::Type::U8;
  std::int32_t zero_point = 0;
  std::int64_t rows = 0, cols = 0, depth = 0;
  std::vector<std::uint8_t> u8;
  std::vector<std::int8_t> s8;
  std::vector<std::int16_t> s16;
  std::vector<std::int32_t> rhs;
  std::vector<std::int64_t> initial;

  [[nodiscard]] GemmLhs lhs() const {
    if (type == GemmLhs::Type::U8) return GemmLhs::of(u8.data(), depth, zero_point);
    if (type == GemmLhs::Type::S8) return GemmLhs::of(s8.data(), depth, zero_point);
    return GemmLhs::of(s16.data(), depth, zero_point);
  }
  [[nodiscard]] std::int64_t left(std::int64_t r, std::int64_t k) const {
    const auto i = static_cast<std::size_t>(r * depth + k);
    const int code = type == GemmLhs::Type::U8 ? u8[i] : type == GemmLhs::Type::S8 ? s8[i] : s16[i];
    return std::int64_t{code} - zero_point;
  }
  [[nodiscard]] std::int64_t right(std::int64_t k, std::int64_t c) const {
    return rhs[static_cast<std::size_t>(k * cols + c)];
  }
  void set_codes(const std::vector<int>& codes) {
    if (type == GemmLhs::Type::U8) u8.assign(codes.begin(), codes.end());
    if (type == GemmLhs::Type::S8) s8.assign(codes.begin(), codes.end());
    if (type == GemmLhs::Type::S16) s16.assign(codes.begin(), codes.end());
  }
};

struct GemmResult {
  std::vector<std::int64_t> out;
  OverflowCounts counts;
  friend bool operator==(const GemmResult&, const GemmResult&) = default;
};

inline constexpr std::int64_t kFirstOutput = 1000;
inline constexpr std::int64_t kExtraStep = 3;  // row_step - cols

inline int128 narrow_by_hand(int128 value, const Format& format) {
  int128 modulus = 1;
  for (int i = 0; i < format.width; ++i) modulus += modulus;
  int128 low = format.is_signed ? -(modulus / 2) : int128{0};
  const int128 high = low + modulus - 1;
  if (format.overflow == Overflow::WRAP) {
    const int128 beyond = value > high ? (value - high + modulus - 1) / modulus
                          : value < low ? -((low - value + modulus - 1) / modulus)
                                        : 0;
    return value - beyond * modulus;
  }
  if (format.overflow == Overflow::SAT_SYM && format.is_signed) low += 1;
  return value > high ? high : value < low ? low : value;
}

// SAT, SAT_SYM and WRAP without psum.
inline GemmResult gemm_oracle(const GemmProblem& p) {
  GemmResult result;
  const Format& format = p.accumulation.accumulator.format;
  const std::int64_t step = p.accumulation.accumulator.step;
  const std::int64_t fold = p.accumulation.fold;
  for (std::int64_t r = 0; r < p.rows; ++r) {
    for (std::int64_t c = 0; c < p.cols; ++c) {
      const int128 start = p.initial.empty() ? 0 : p.initial[static_cast<std::size_t>(c)];
      int128 exact = start;
      int128 value = narrow_by_hand(start, format);
      std::uint64_t overflows = value != start ? 1 : 0;
      std::int64_t first = 0;
      std::int64_t narrowing = 0;
      int128 group = 0;
      std::int64_t in_group = 0;
      for (std::int64_t k = 0; k < p.depth; ++k) {
        const int128 product = int128{p.left(r, k)} * p.right(k, c);
        exact += product;
        group += product;
        ++in_group;
        const bool fold_ends = fold != 0 && (k + 1) % fold == 0;
        if (in_group != step && !fold_ends && k + 1 != p.depth) continue;
        const int128 narrowed = narrow_by_hand(value + group, format);
        ++narrowing;
        if (narrowed != value + group && overflows++ == 0) first = narrowing;
        value = narrowed;
        group = 0;
        in_group = 0;
      }
      result.out.push_back(static_cast<std::int64_t>(value));
      OverflowCounts& n = result.counts;
      ++n.total;
      n.count += overflows;
      if (overflows != 0) {
        ++n.outputs;
        if (!n.first) n.first = FirstOverflow{kFirstOutput + r * (p.cols + kExtraStep) + c, first};
      }
      if (value != exact) ++n.harmful;
      if (value == exact && overflows != 0) ++n.transient;
    }
  }
  return result;
}

inline int pick_one(Random& random, std::initializer_list<int> choices) {
  return choices.begin()[random.below(static_cast<std::uint32_t>(choices.size()))];
}
inline int between(Random& random, int low, int high) {
  return low + static_cast<int>(random.below(static_cast<std::uint32_t>(high - low + 1)));
}

// Operands are sized so that sums end near the bounds of the format; sometimes some rows are hot, or all is extreme.
inline GemmProblem random_gemm(Random& random, int width) {
  GemmProblem p;
  p.rows = pick_one(random, {1, 2, 5, 8, 9, 13, 16, 21, 30});
  if (random.below(40) == 0) p.rows = between(random, 129, 150);
  p.cols = pick_one(random, {1, 3, 10, 15, 16, 17, 31, 32, 33, 40, 48, 64, 70});
  p.depth = pick_one(random, {1, 2, 3, 4, 7, 16, 27, 31, 33, 64, 75, 90, 127, 128, 129, 144, 160, 200, 260, 288});
  if (random.below(50) == 0) p.depth = between(random, 400, 600);
  const Overflow mode = pick_one(random, {0, 0, 1, 2, 2}) == 0 ? Overflow::SAT
                        : random.below(3) == 0                ? Overflow::SAT_SYM
                                                              : Overflow::WRAP;
  p.accumulation.accumulator.format = integer_format(width, random.below(8) != 0, mode);
  p.accumulation.accumulator.step = pick_one(random, {1, 1, 1, 4, 4, 16, 16, 0, 0, 2, 3, 6});
  p.accumulation.fold = pick_one(random, {0, 0, 0, 0, 32, 16, 27, 100});
  p.type = random.below(2) == 0 ? GemmLhs::Type::U8 : GemmLhs::Type::S8;
  const int code_low = p.type == GemmLhs::Type::U8 ? 0 : -128;
  p.zero_point = code_low + pick_one(random, {0, 0, 128, 255, between(random, 0, 255)});
  const bool extreme = random.below(12) == 0;
  const int weight_bits = extreme ? 8 : std::clamp(between(random, 1, 8), 1, std::max(1, width - 4));
  const int spread_bits = extreme ? 8 : std::clamp(width - 1 - weight_bits - between(random, 0, 5), 1, 8);
  std::vector<int> codes;
  for (std::int64_t r = 0; r < p.rows; ++r) {
    const int bits = random.below(6) == 0 ? 8 : spread_bits;
    for (std::int64_t k = 0; k < p.depth; ++k) {
      const int spread = (1 << bits) - 1;
      codes.push_back(std::clamp(p.zero_point + between(random, -spread, spread), code_low, code_low + 255));
    }
  }
  p.set_codes(codes);
  const int largest = 1 << (weight_bits - 1);
  const bool one_sign = random.below(6) == 0;  // sums that run away
  for (std::int64_t i = 0; i < p.depth * p.cols; ++i) {
    p.rhs.push_back(between(random, one_sign ? 0 : -largest, std::min(largest, 127)));
  }
  if (random.below(3) != 0) {
    const int reach = 1 << std::min(width - (random.below(4) == 0 ? 0 : 2), 29);
    for (std::int64_t c = 0; c < p.cols; ++c) p.initial.push_back(between(random, -reach, reach));
  }
  return p;
}

inline std::string describe(const GemmProblem& p) {
  return to_string(p.accumulation.accumulator.format) + " step " + std::to_string(p.accumulation.accumulator.step) +
         " fold " + std::to_string(p.accumulation.fold) + ", " + std::to_string(p.rows) + " x " +
         std::to_string(p.cols) + " x " + std::to_string(p.depth) + ", zero point " + std::to_string(p.zero_point) +
         (p.type == GemmLhs::Type::U8 ? " u8" : p.type == GemmLhs::Type::S8 ? " s8" : " s16");
}

// Sums and evidence by the definition, output by output; indices as they lie.
inline std::vector<std::int64_t> defined_sums(const GemmProblem& p, AccumulationEvidence& evidence) {
  std::vector<std::int64_t> sums;
  for (std::int64_t r = 0; r < p.rows; ++r) {
    for (std::int64_t c = 0; c < p.cols; ++c) {
      std::vector<std::int64_t> products;
      for (std::int64_t k = 0; k < p.depth; ++k) products.push_back(p.left(r, k) * p.right(k, c));
      const std::int64_t start = p.initial.empty() ? 0 : p.initial[static_cast<std::size_t>(c)];
      sums.push_back(accumulate(products, start, p.accumulation, r * p.cols + c, evidence));
    }
  }
  return sums;
}

inline GemmResult run_gemm(const GemmProblem& p, const PackedWeights& weights, const GemmOptions& options,
                           GemmWork* work = nullptr) {
  GemmResult result;
  AccumulationEvidence evidence;
  const auto size = static_cast<std::size_t>(p.rows * p.cols);
  result.out.resize(size);
  GemmOut out{.stride = p.cols, .first_output = kFirstOutput, .row_step = p.cols + kExtraStep};
  std::vector<std::int32_t> out32;
  if (p.accumulation.accumulator.format.width <= 31 && p.depth % 2 == 0) {
    out32.resize(size);
    out.out32 = out32.data();
  } else {
    out.out64 = result.out.data();
  }
  gemm(p.lhs(), p.rows, weights, p.initial, p.accumulation, out, evidence, options, work);
  if (!out32.empty()) result.out.assign(out32.begin(), out32.end());
  result.counts = evidence.accumulator;
  return result;
}

}  // namespace guardbit::arith::testing
