// Matrix products for AVX2: sums narrowed in 16-bit lanes.
#include "arith/detail/gemm_avx2.hpp"

namespace guardbit::arith::detail::avx2 {
namespace {

// 16 columns of kRows rows, a register each.
template <int kRows, Overflow kOverflow>
void lanes16_of(const SingleBlock& in, int first, int col) {
  const __m256i lowest = _mm256_set1_epi16(-32767);
  __m256i value[kRows], equal[kRows];  // equal: minus the number of groups that changed nothing
  for (int r = 0; r < kRows; ++r) {
    const std::int32_t* acc = in.acc + (first + r) * kNr + col;
    value[r] = _mm256_permute4x64_epi64(_mm256_packs_epi32(load(acc), load(acc + kWords)), 0xD8);
    equal[r] = _mm256_setzero_si256();
  }
  int groups = 0;
  for (int k = 0; k < in.depth; ++groups) {
    const int end = in.depth - k < in.step ? in.depth : k + in.step;
    __m256i sum[kRows] = {};
    for (; k < end; ++k) {
      const __m256i w = load(in.rhs + k * kNr + col);
      for (int r = 0; r < kRows; ++r) {
        const __m256i x = broadcast(in.lhs[first + r] + k);
        sum[r] = _mm256_add_epi16(sum[r], _mm256_mullo_epi16(x, w));
      }
    }
    for (int r = 0; r < kRows; ++r) {
      const __m256i wrapped = _mm256_add_epi16(value[r], sum[r]);
      __m256i clamped = _mm256_adds_epi16(value[r], sum[r]);
      if constexpr (kOverflow == Overflow::SAT_SYM) clamped = _mm256_max_epi16(clamped, lowest);
      equal[r] = _mm256_add_epi16(equal[r], _mm256_cmpeq_epi16(wrapped, clamped));
      value[r] = kOverflow == Overflow::WRAP ? wrapped : clamped;
    }
  }
  const __m256i all = _mm256_set1_epi32(groups);
  for (int r = 0; r < kRows; ++r) {
    const int at = (first + r) * kNr + col;
    for (int h = 0; h < 2; ++h) {
      const __m128i v = h == 0 ? _mm256_castsi256_si128(value[r]) : _mm256_extracti128_si256(value[r], 1);
      const __m128i e = h == 0 ? _mm256_castsi256_si128(equal[r]) : _mm256_extracti128_si256(equal[r], 1);
      store(in.acc + at + h * kWords, _mm256_cvtepi16_epi32(v));
      std::int32_t* count = in.count + at + h * kWords;
      store(count, _mm256_add_epi32(load(count), _mm256_add_epi32(all, _mm256_cvtepi16_epi32(e))));
    }
  }
}

template <int kRows>
void lanes16_rows(const SingleBlock& in, int first) {
  for (int col = 0; col < kNr; col += 2 * kWords) {
    if (in.overflow == Overflow::SAT) {
      lanes16_of<kRows, Overflow::SAT>(in, first, col);
    } else if (in.overflow == Overflow::SAT_SYM) {
      lanes16_of<kRows, Overflow::SAT_SYM>(in, first, col);
    } else {
      lanes16_of<kRows, Overflow::WRAP>(in, first, col);
    }
  }
}

}  // namespace

void lanes16(const SingleBlock& in) {
  int r = 0;
  for (; r + 4 <= in.rows; r += 4) lanes16_rows<4>(in, r);
  for (; r < in.rows; ++r) lanes16_rows<1>(in, r);
}

}  // namespace guardbit::arith::detail::avx2
