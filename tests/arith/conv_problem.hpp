// Random convolutions for the tests, and what must come out: every product of every output through accumulate().
#pragma once

#include "arith/conv.hpp"
#include "tests/arith/gemm_problem.hpp"

namespace guardbit::arith::testing {

struct ConvProblem {
  ConvGeometry g;
  Accumulation accumulation;
  GemmLhs::Type type = GemmLhs::Type::U8;
  std::int32_t zero_point = 0;
  std::vector<std::uint8_t> u8;
  std::vector<std::int8_t> s8;
  std::vector<std::int16_t> s16;
  std::vector<std::int32_t> weight;
  std::vector<std::int64_t> initial;

  [[nodiscard]] GemmLhs input() const {
    if (type == GemmLhs::Type::U8) return GemmLhs::of(u8.data(), 0, zero_point);
    if (type == GemmLhs::Type::S8) return GemmLhs::of(s8.data(), 0, zero_point);
    return GemmLhs::of(s16.data(), 0, zero_point);
  }
  [[nodiscard]] std::int64_t value(std::int64_t i) const {
    const auto at = static_cast<std::size_t>(i);
    const int code = type == GemmLhs::Type::U8 ? u8[at] : type == GemmLhs::Type::S8 ? s8[at] : s16[at];
    return code - zero_point;
  }
};

struct ConvResult {
  std::vector<std::int64_t> out;
  AccumulationEvidence evidence;
};

inline constexpr std::int64_t kFirst = 70;

// By the definition: every product of every output.
inline ConvResult definition(const ConvProblem& problem) {
  const ConvGeometry& g = problem.g;
  ConvResult result;
  std::int64_t index = 0;
  for (std::int64_t n = 0; n < g.images; ++n) {
    for (int p = 0; p < g.p; ++p) {
      for (int q = 0; q < g.q; ++q) {
        for (int k = 0; k < g.k; ++k) {
          std::vector<std::int64_t> products;
          for (int r = 0; r < g.r; ++r) {
            for (int s = 0; s < g.s; ++s) {
              for (int c = 0; c < g.c / g.groups; ++c) {
                const int y = p * g.stride_h - g.pad_top + r * g.dilation_h;
                const int x = q * g.stride_w - g.pad_left + s * g.dilation_w;
                const int channel = k / (g.k / g.groups) * (g.c / g.groups) + c;
                const bool inside = y >= 0 && y < g.h && x >= 0 && x < g.w;
                const std::int64_t v = inside ? problem.value(((n * g.h + y) * g.w + x) * g.c + channel) : 0;
                products.push_back(
                    v * problem.weight[static_cast<std::size_t>(((k * g.r + r) * g.s + s) * (g.c / g.groups) + c)]);
              }
            }
          }
          const std::int64_t start = problem.initial.empty() ? 0 : problem.initial[static_cast<std::size_t>(k)];
          result.out.push_back(accumulate(products, start, problem.accumulation, kFirst + index++, result.evidence));
        }
      }
    }
  }
  return result;
}

// depthwise: as many groups as input channels.
inline ConvProblem random_conv(Random& random, int width, bool wide, bool depthwise = false) {
  ConvProblem problem;
  ConvGeometry& g = problem.g;
  g.images = between(random, 1, 3);
  g.h = between(random, 1, 9);
  g.w = between(random, 1, 9);
  g.groups = pick_one(random, {1, 1, 1, 1, 2, 3, 8});
  g.c = g.groups * pick_one(random, {1, 1, 2, 3, 4, 8, 19});
  if (depthwise) g.groups = g.c;
  g.k = g.groups * pick_one(random, {1, 2, 5, 16, 17, 33});
  if (depthwise) g.k = g.groups * pick_one(random, {1, 1, 1, 2, 3});
  g.r = pick_one(random, {1, 2, 3, 3, 5});
  g.s = pick_one(random, {1, 2, 3, 3, 4});
  g.stride_h = between(random, 1, 3);
  g.stride_w = between(random, 1, 3);
  g.dilation_h = pick_one(random, {1, 1, 1, 2, 3});
  g.dilation_w = pick_one(random, {1, 1, 1, 2, 3});
  g.pad_top = between(random, 0, 3);
  g.pad_left = between(random, 0, 3);
  g.p = between(random, 1, 5);
  g.q = between(random, 1, 5);
  const Overflow mode = pick_one(random, {0, 1, 2, 2}) == 0 ? Overflow::SAT
                        : random.below(4) == 0              ? Overflow::SAT_SYM
                                                            : Overflow::WRAP;
  AccumulatorSpec& spec = problem.accumulation.accumulator;
  spec = {integer_format(width, random.below(8) != 0, mode), pick_one(random, {1, 1, 1, 4, 0, 3})};
  problem.accumulation.fold = pick_one(random, {0, 0, 0, 16, 9});
  if (random.below(6) == 0)
    problem.accumulation.psum = AccumulatorSpec{integer_format(width - 1, true, mode), spec.step};
  problem.type = wide ? GemmLhs::Type::S16 : random.below(2) == 0 ? GemmLhs::Type::U8 : GemmLhs::Type::S8;
  const int low = wide ? -32768 : problem.type == GemmLhs::Type::U8 ? 0 : -128;
  const int high = wide ? 32767 : low + 255;
  problem.zero_point = pick_one(random, {low, 0, between(random, low, high)});
  const int weight_bits = wide ? between(random, 1, 16) : between(random, 1, 8);
  const int spread = 1 << std::clamp(width - weight_bits - between(random, 0, 3), 1, wide ? 15 : 8);
  for (std::int64_t i = 0; i < g.images * g.h * g.w * g.c; ++i) {
    const int code = std::clamp(problem.zero_point + between(random, -spread, spread), low, high);
    if (wide) {
      problem.s16.push_back(static_cast<std::int16_t>(code));
    } else if (problem.type == GemmLhs::Type::U8) {
      problem.u8.push_back(static_cast<std::uint8_t>(code));
    } else {
      problem.s8.push_back(static_cast<std::int8_t>(code));
    }
  }
  const int largest = 1 << (weight_bits - 1);
  for (std::int64_t i = 0; i < g.k * g.depth(); ++i) {
    problem.weight.push_back(between(random, -largest, std::min(largest, wide ? 32767 : 127)));
  }
  if (random.below(3) != 0) {
    const int reach = 1 << std::min(width - (random.below(4) == 0 ? 0 : 2), 29);
    for (int k = 0; k < g.k; ++k) problem.initial.push_back(between(random, -reach, reach));
  }
  return problem;
}

inline std::string describe(const ConvProblem& problem) {
  const ConvGeometry& g = problem.g;
  std::string text = to_string(problem.accumulation.accumulator.format) + " step " +
                     std::to_string(problem.accumulation.accumulator.step) + " fold " +
                     std::to_string(problem.accumulation.fold) + (problem.accumulation.psum ? " psum" : "") + ",";
  for (const std::int64_t v : {g.images, std::int64_t{g.h}, std::int64_t{g.w}, std::int64_t{g.c}, std::int64_t{g.p},
                               std::int64_t{g.q}, std::int64_t{g.k}, std::int64_t{g.r}, std::int64_t{g.s},
                               std::int64_t{g.groups}, std::int64_t{problem.zero_point}}) {
    text += " " + std::to_string(v);
  }
  return text;
}

}  // namespace guardbit::arith::testing
