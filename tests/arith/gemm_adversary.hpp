// Products made to hurt the kernels of gemm(): sums that live at the bounds of the format.
#pragma once

#include "tests/arith/gemm_problem.hpp"

namespace guardbit::arith::testing {

enum class Attack { Random, Extremes, Rails, Landing, Bursts };
inline constexpr Attack kAttacks[] = {Attack::Random, Attack::Extremes, Attack::Rails, Attack::Landing,
                                      Attack::Bursts};

// One weight of an attack; `reach` is the largest that the format leaves sense for.
inline int attack_weight(Attack attack, Random& random, std::int64_t k, std::int64_t c, int reach) {
  switch (attack) {
    case Attack::Random:
      return between(random, -reach, std::min(reach, 127));
    case Attack::Extremes:
      return random.below(2) == 0 ? -128 : 127;
    case Attack::Rails:  // pushed to one bound and held there, with a step back now and then
      return random.below(7) == 0 ? (c % 2 == 0 ? -1 : 1) : (c % 2 == 0 ? 1 : -1) * between(random, 0, std::min(reach, 127));
    case Attack::Landing:  // by ones: a bound is reached exactly before it is passed
      return (k + c) / 9 % 2 == 0 ? 1 : -1;
    case Attack::Bursts: {  // far beyond one bound for a while, then beyond the other
      const bool up = k / (3 + c % 23) % 2 == 0;
      return up ? std::min(reach, 127) : -reach;
    }
  }
  return 0;
}

inline int attack_code(Attack attack, Random& random, int low, int zero_point) {
  switch (attack) {
    case Attack::Extremes:
      return low + (random.below(8) == 0 ? between(random, 0, 255) : 255 * static_cast<int>(random.below(2)));
    case Attack::Landing:
      return std::clamp(zero_point + between(random, 0, 1), low, low + 255);
    default:  // zero products are frequent, also at a bound
      return random.below(3) == 0 ? zero_point : between(random, low, low + 255);
  }
}

inline GemmProblem attack_gemm(Attack attack, Random& random, const AccumulatorSpec& accumulator) {
  GemmProblem p;
  const Format& format = accumulator.format;
  p.accumulation.accumulator = accumulator;
  p.rows = pick_one(random, {31, 32, 33, 40});
  p.cols = pick_one(random, {32, 33, 40, 47, 64});
  p.depth = pick_one(random, {33, 48, 63, 64, 65, 96, 127, 128, 131, 160});
  if (random.below(24) == 0) p.depth = pick_one(random, {258, 300, 511, 1200});
  p.type = random.below(2) == 0 ? GemmLhs::Type::U8 : GemmLhs::Type::S8;
  const int low = p.type == GemmLhs::Type::U8 ? 0 : -128;
  p.zero_point = low + pick_one(random, {0, 0, 128, 255, between(random, 0, 255)});
  std::vector<int> codes;
  for (std::int64_t i = 0; i < p.rows * p.depth; ++i) codes.push_back(attack_code(attack, random, low, p.zero_point));
  p.set_codes(codes);
  const int reach = 1 << std::clamp(format.width - 8, 0, 7);
  for (std::int64_t k = 0; k < p.depth; ++k) {
    for (std::int64_t c = 0; c < p.cols; ++c) p.rhs.push_back(attack_weight(attack, random, k, c, reach));
  }
  // Next to a bound, or beyond it; bounds beyond 31 bits are for the general path alone.
  if (attack == Attack::Random) return p;
  const std::int64_t top = (std::int64_t{1} << (format.is_signed ? format.width - 1 : format.width)) - 1;
  const std::int64_t bottom = format.is_signed ? -top - 1 : 0;
  for (std::int64_t c = 0; c < p.cols; ++c) {
    const std::int64_t near = between(random, -5, 5) * (random.below(3) == 0 ? 100 : 1);
    p.initial.push_back(random.below(4) == 0 ? 0 : (c % 2 == 0 ? top : bottom) + near);
  }
  return p;
}

}  // namespace guardbit::arith::testing
