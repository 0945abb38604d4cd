// Matrix products for AVX-512 with VNNI: unchecked products of quads, and what a proof asks of the bytes.
#include "arith/detail/gemm_avx512.hpp"

namespace guardbit::arith::detail::avx512 {
namespace {

// acc += dot
template <int kHalves>
[[gnu::always_inline]] inline void add_quads(const QuadBlock& in, __m512i (&acc)[kMr][kHalves]) {
  const std::int8_t* right = in.rhs;
  const std::uint8_t* left[kMr];
  for (int r = 0; r < kMr; ++r) left[r] = in.lhs[r];
  for (std::int64_t q = 0; q < in.quads; ++q, right += kHalf * 4) {
    __m512i w[kHalves];
    for (int h = 0; h < kHalves; ++h) w[h] = load(right + h * in.half_stride);
#pragma GCC unroll 8
    for (int r = 0; r < kMr; ++r) {
      const __m512i x = broadcast(left[r] + q * 4);
      for (int h = 0; h < kHalves; ++h) acc[r][h] = _mm512_dpbusd_epi32(acc[r][h], x, w[h]);
    }
  }
}

template <int kHalves>
void dot_quads_of(const QuadBlock& in) {
  __m512i acc[kMr][kHalves];
  for (int r = 0; r < kMr; ++r) {
    for (int h = 0; h < kHalves; ++h) acc[r][h] = load(in.acc + r * kNr + h * kHalf);
  }
  add_quads<kHalves>(in, acc);
  for (int r = 0; r < kMr; ++r) {
    for (int h = 0; h < kHalves; ++h) store(in.acc + r * kNr + h * kHalf, acc[r][h]);
  }
}

template <int kHalves>
void product_of(const ProductBlock& in) {
  __m512i acc[kMr][kHalves];
  for (int r = 0; r < kMr; ++r) {
    for (int h = 0; h < kHalves; ++h) acc[r][h] = load(in.start + h * kHalf);
  }
  add_quads<kHalves>(in.quads, acc);
  const int last = in.cols - (kHalves - 1) * kHalf;  // columns of the last half
  const auto used = static_cast<__mmask16>((1U << last) - 1);
#pragma GCC unroll 8
  for (int r = 0; r < kMr; ++r) {
    if (r >= in.rows) break;
    std::int32_t* out = in.out + r * in.out_stride;
    if (kHalves == 2) store(out, acc[r][0]);
    _mm512_mask_storeu_epi32(out + (kHalves - 1) * kHalf, used, acc[r][kHalves - 1]);
  }
}

}  // namespace

void product(const ProductBlock& in) { in.quads.halves == 1 ? product_of<1>(in) : product_of<2>(in); }

void dot_quads(const QuadBlock& in) { in.halves == 1 ? dot_quads_of<1>(in) : dot_quads_of<2>(in); }

void byte_range(const std::uint8_t* const* lhs, int rows, std::int64_t count, int* min, int* max) {
  __m512i least = _mm512_set1_epi8(-1);
  __m512i most = _mm512_setzero_si512();
  for (int r = 0; r < rows; ++r) {
    std::int64_t k = 0;
    for (; k + 64 <= count; k += 64) {
      const __m512i x = load(lhs[r] + k);
      least = _mm512_min_epu8(least, x);
      most = _mm512_max_epu8(most, x);
    }
    if (k < count) {
      const __mmask64 used = ~__mmask64{0} >> (64 - (count - k));
      const __m512i x = _mm512_maskz_loadu_epi8(used, lhs[r] + k);
      least = _mm512_mask_min_epu8(least, used, least, x);
      most = _mm512_max_epu8(most, x);
    }
  }
  const auto halve = [](__m512i v, auto op) {
    __m128i x = op(op(_mm512_castsi512_si128(v), _mm512_extracti32x4_epi32(v, 1)),
                   op(_mm512_extracti32x4_epi32(v, 2), _mm512_extracti32x4_epi32(v, 3)));
    x = op(x, _mm_srli_si128(x, 8));
    x = op(x, _mm_srli_si128(x, 4));
    x = op(x, _mm_srli_si128(x, 2));
    x = op(x, _mm_srli_si128(x, 1));
    return _mm_cvtsi128_si32(x) & 255;
  };
  *min = halve(least, [](__m128i a, __m128i b) { return _mm_min_epu8(a, b); });
  *max = halve(most, [](__m128i a, __m128i b) { return _mm_max_epu8(a, b); });
}

std::int64_t square_sum(const std::uint8_t* const* lhs, int rows, std::int64_t count, std::int32_t offset) {
  const __m512i offsets = _mm512_set1_epi16(static_cast<short>(offset));
  std::int64_t largest = 0;
  for (int r = 0; r < rows; ++r) {
    __m512i sum = _mm512_setzero_si512();
    for (std::int64_t k = 0; k < count; k += 32) {
      const __mmask32 used = count - k >= 32 ? ~__mmask32{0} : (__mmask32{1} << (count - k)) - 1;
      const __m512i bytes = _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(used, lhs[r] + k));
      const __m512i value = _mm512_maskz_sub_epi16(used, bytes, offsets);
      sum = _mm512_dpwssd_epi32(sum, value, value);
    }
    // A lane sums at most count / 16 squares below 2^16: 2^28 for the deepest products.
    const std::int64_t all = _mm512_reduce_add_epi64(_mm512_add_epi64(
        _mm512_cvtepi32_epi64(_mm512_castsi512_si256(sum)),
        _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(sum, 1))));
    largest = all > largest ? all : largest;
  }
  return largest;
}

}  // namespace guardbit::arith::detail::avx512
