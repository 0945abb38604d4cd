// Products of 16-bit operands in AVX-512: VPDPWSSD.
#include <immintrin.h>

#include <cstring>

#include "arith/detail/pair_loop.hpp"

namespace guardbit::arith::detail {
namespace {

struct Avx512 {
  static constexpr int kLanes = 16;
  static constexpr int kVectors = 2;
  using Sums = __m512i;
  static __m512i load(const std::int16_t* from) { return _mm512_loadu_si512(from); }
  static __m512i repeat(const std::int16_t* from) {
    std::int32_t pair = 0;
    std::memcpy(&pair, from, sizeof pair);
    return _mm512_set1_epi32(pair);
  }
  static __m512i zero() { return _mm512_setzero_si512(); }
  static void add_pairs(__m512i& sums, __m512i a, __m512i b) { sums = _mm512_dpwssd_epi32(sums, a, b); }
  static void store(__m512i sums, std::int32_t* to) { _mm512_store_si512(to, sums); }
};

}  // namespace

const PairKernels& pair_kernels_avx512() { return kPairKernels<Avx512>; }

}  // namespace guardbit::arith::detail
