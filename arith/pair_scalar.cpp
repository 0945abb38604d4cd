// Products of 16-bit operands on any processor, and the choice of the kernels.
#include <cstring>

#include "arith/detail/pair_loop.hpp"

namespace guardbit::arith::detail {
namespace {

struct Plain {
  static constexpr int kLanes = 8;
  static constexpr int kVectors = 1;
  struct Pairs {
    std::int16_t v[kLanes][2];
  };
  struct Sums {
    std::int32_t v[kLanes];
  };
  static Pairs load(const std::int16_t* from) {
    Pairs pairs;
    std::memcpy(&pairs, from, sizeof pairs);
    return pairs;
  }
  static const std::int16_t* repeat(const std::int16_t* from) { return from; }
  static Sums zero() { return {}; }
  static void add_pairs(Sums& sums, const std::int16_t* a, const Pairs& b) {
    for (int i = 0; i < kLanes; ++i) sums.v[i] += a[0] * b.v[i][0] + a[1] * b.v[i][1];
  }
  static void store(const Sums& sums, std::int32_t* to) { std::memcpy(to, &sums, sizeof sums); }
};

}  // namespace

const PairKernels& pair_kernels_scalar() { return kPairKernels<Plain>; }

const PairKernels& pair_kernels(GemmIsa isa) {
  switch (isa) {
    case GemmIsa::Scalar:
      break;
    case GemmIsa::Avx2:
      return pair_kernels_avx2();
    case GemmIsa::Avx512:
      return pair_kernels_avx512();
  }
  return pair_kernels_scalar();
}

}  // namespace guardbit::arith::detail
