// Products of 16-bit operands in AVX2: VPMADDWD and an addition.
#include <immintrin.h>

#include <cstring>

#include "arith/detail/pair_loop.hpp"

namespace guardbit::arith::detail {
namespace {

struct Avx2 {
  static constexpr int kLanes = 8;
  static constexpr int kVectors = 1;
  using Sums = __m256i;
  static __m256i load(const std::int16_t* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }
  static __m256i repeat(const std::int16_t* from) {
    std::int32_t pair = 0;
    std::memcpy(&pair, from, sizeof pair);
    return _mm256_set1_epi32(pair);
  }
  static __m256i zero() { return _mm256_setzero_si256(); }
  static void add_pairs(__m256i& sums, __m256i a, __m256i b) { sums = _mm256_add_epi32(sums, _mm256_madd_epi16(a, b)); }
  static void store(__m256i sums, std::int32_t* to) { _mm256_store_si256(reinterpret_cast<__m256i*>(to), sums); }
};

}  // namespace

const PairKernels& pair_kernels_avx2() { return kPairKernels<Avx2>; }

}  // namespace guardbit::arith::detail
