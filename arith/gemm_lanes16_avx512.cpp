// Matrix products for AVX-512: sums narrowed in 16-bit lanes.
#include "arith/detail/gemm_avx512.hpp"

namespace guardbit::arith::detail::avx512 {
namespace {

// 32 columns of one row in one register.
template <int kRows, Overflow kOverflow, bool kSingle>
void lanes16_of(const SingleBlock& in, int first) {
  const __m512i one = _mm512_set1_epi16(1);
  const __m512i lowest = _mm512_set1_epi16(-32767);
  __m512i value[kRows], count[kRows];
  for (int r = 0; r < kRows; ++r) {
    const std::int32_t* acc = in.acc + (first + r) * kNr;
    value[r] = _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi32_epi16(load(acc))),
                                  _mm512_cvtepi32_epi16(load(acc + kHalf)), 1);
    count[r] = _mm512_setzero_si512();
  }
  const std::uint32_t* left[kRows];
  for (int r = 0; r < kRows; ++r) left[r] = in.lhs[first + r];
  const auto narrow = [&](int r, __m512i sum) {
    const __m512i wrapped = _mm512_add_epi16(value[r], sum);
    __m512i clamped = _mm512_adds_epi16(value[r], sum);
    if constexpr (kOverflow == Overflow::SAT_SYM) clamped = _mm512_max_epi16(clamped, lowest);
    if constexpr (kOverflow == Overflow::SAT_SYM) {
      count[r] = _mm512_mask_add_epi16(count[r], _mm512_cmpneq_epi16_mask(wrapped, clamped), count[r], one);
    } else {
      // They differ where they have different signs: a clamped sum is a bound, a wrapped one is beyond the other.
      count[r] = _mm512_add_epi16(count[r], _mm512_srli_epi16(_mm512_xor_si512(wrapped, clamped), 15));
    }
    value[r] = kOverflow == Overflow::WRAP ? wrapped : clamped;
  };
  if constexpr (kSingle) {
    for (int k = 0; k < in.depth; ++k) {
      const __m512i w = load(in.rhs + k * kNr);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        narrow(r, _mm512_mullo_epi16(broadcast(left[r] + k), w));
      }
    }
  } else {
    for (int k = 0; k < in.depth;) {
      const int end = in.depth - k < in.step ? in.depth : k + in.step;
      __m512i sum[kRows] = {};
      for (; k < end; ++k) {
        const __m512i w = load(in.rhs + k * kNr);
        for (int r = 0; r < kRows; ++r) {
          sum[r] = _mm512_add_epi16(sum[r], _mm512_mullo_epi16(broadcast(left[r] + k), w));
        }
      }
      for (int r = 0; r < kRows; ++r) narrow(r, sum[r]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    const int at = (first + r) * kNr;
    const __m256i low = _mm512_castsi512_si256(value[r]);
    const __m256i high = _mm512_extracti64x4_epi64(value[r], 1);
    store(in.acc + at, _mm512_cvtepi16_epi32(low));
    store(in.acc + at + kHalf, _mm512_cvtepi16_epi32(high));
    const __m512i low_count = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(count[r]));
    const __m512i high_count = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(count[r], 1));
    store(in.count + at, _mm512_add_epi32(load(in.count + at), low_count));
    store(in.count + at + kHalf, _mm512_add_epi32(load(in.count + at + kHalf), high_count));
  }
}

template <int kRows>
void lanes16_rows(const SingleBlock& in, int first) {
  const bool single = in.step == 1;
  if (in.overflow == Overflow::SAT) {
    return single ? lanes16_of<kRows, Overflow::SAT, true>(in, first)
                  : lanes16_of<kRows, Overflow::SAT, false>(in, first);
  }
  if (in.overflow == Overflow::SAT_SYM) {
    return single ? lanes16_of<kRows, Overflow::SAT_SYM, true>(in, first)
                  : lanes16_of<kRows, Overflow::SAT_SYM, false>(in, first);
  }
  return single ? lanes16_of<kRows, Overflow::WRAP, true>(in, first)
                : lanes16_of<kRows, Overflow::WRAP, false>(in, first);
}

}  // namespace

void lanes16(const SingleBlock& in) {
  int r = 0;
  for (; r + 8 <= in.rows; r += 8) lanes16_rows<8>(in, r);
  for (; r < in.rows; ++r) lanes16_rows<1>(in, r);
}

}  // namespace guardbit::arith::detail::avx512
