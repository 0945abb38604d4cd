// Matrix products for AVX-512: what proofs ask of the bytes.
#include "arith/detail/gemm_avx512.hpp"

namespace guardbit::arith::detail::avx512 {
namespace {

// x^2 <= 4 * ceil(x / 2) * floor(x / 2) + 1: one product of an unsigned and a signed byte.
[[gnu::always_inline]] inline __m512i add_squares(__m512i sum, __m512i x) {
  const __m512i up = _mm512_avg_epu8(x, _mm512_setzero_si512());
  const __m512i down = _mm512_and_si512(_mm512_srli_epi16(x, 1), _mm512_set1_epi8(0x7F));
  return _mm512_dpbusd_epi32(sum, up, down);
}

[[gnu::always_inline]] inline __m256i halve(__m512i sum) {
  return _mm256_add_epi32(_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64(sum, 1));
}

// The largest of the sums of the lanes of eight registers, or of two.
[[gnu::always_inline]] inline int largest_sum(const __m512i (&sum)[8]) {
  const __m256i a = _mm256_hadd_epi32(_mm256_hadd_epi32(halve(sum[0]), halve(sum[1])),
                                      _mm256_hadd_epi32(halve(sum[2]), halve(sum[3])));
  const __m256i b = _mm256_hadd_epi32(_mm256_hadd_epi32(halve(sum[4]), halve(sum[5])),
                                      _mm256_hadd_epi32(halve(sum[6]), halve(sum[7])));
  const __m128i c = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  const __m128i d = _mm_add_epi32(_mm256_castsi256_si128(b), _mm256_extracti128_si256(b, 1));
  __m128i most = _mm_max_epi32(c, d);
  most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0x4E));
  most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0xB1));
  return _mm_cvtsi128_si32(most);
}
[[gnu::always_inline]] inline int largest_sum(const __m512i (&sum)[2]) {
  const __m256i a = _mm256_hadd_epi32(halve(sum[0]), halve(sum[1]));
  __m128i both = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));  // 0 0 1 1
  both = _mm_add_epi32(both, _mm_shuffle_epi32(both, 0xB1));
  return _mm_cvtsi128_si32(_mm_max_epi32(both, _mm_shuffle_epi32(both, 0x4E)));
}

template <bool kOffset, int kTogether>
void squares_of(const SquareBlock& in) {
  constexpr int kSums = kMr / kTogether;
  const __m512i offset = _mm512_set1_epi8(static_cast<char>(in.offset));
  std::int32_t* to = in.squares;
  for (std::int64_t first = 0; first < in.rows; first += kMr) {
    const std::uint8_t* left[kMr];
    for (int r = 0; r < kMr; ++r) {
      left[r] = in.lhs + (first + r < in.rows ? first + r : in.rows - 1) * in.lhs_stride;
    }
    for (std::int64_t k = 0; k < in.depth; k += in.chunk) {
      const std::int64_t end = in.depth - k < in.chunk ? in.depth : k + in.chunk;
      __m512i sum[kSums];
      for (int i = 0; i < kSums; ++i) sum[i] = _mm512_setzero_si512();
      const auto magnitude = [&](int r, std::int64_t at, __mmask64 used) {
        const __m512i x = _mm512_maskz_loadu_epi8(used, left[r] + at);
        return kOffset ? _mm512_or_si512(_mm512_subs_epu8(x, offset), _mm512_maskz_subs_epu8(used, offset, x)) : x;
      };
      const auto add = [&](std::int64_t at, __mmask64 used) {
#pragma GCC unroll 8
        for (int i = 0; i < kSums; ++i) {
          __m512i x = magnitude(i * kTogether, at, used);
#pragma GCC unroll 8
          for (int r = 1; r < kTogether; ++r) x = _mm512_max_epu8(x, magnitude(i * kTogether + r, at, used));
          sum[i] = add_squares(sum[i], x);
        }
      };
      std::int64_t at = k;
      for (; at + 64 <= end; at += 64) add(at, ~__mmask64{0});
      if (at < end) add(at, ~__mmask64{0} >> (64 - (end - at)));
      *to++ = 4 * largest_sum(sum) + static_cast<std::int32_t>(end - k);
    }
  }
}

// Dwords of 16 rows become 16 dwords of each row's place: row r, dword q -> register q, lane r.
[[gnu::always_inline]] inline void transpose(__m512i (&x)[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    x[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    x[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    x[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    x[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(x[i], x[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(x[i], x[i + 4], 0xDD);
    t[i + 8] = _mm512_shuffle_i32x4(x[i + 8], x[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(x[i + 8], x[i + 12], 0xDD);
  }
  for (int i = 0; i < 4; ++i) {
    x[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    x[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xDD);
    x[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    x[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xDD);
  }
}

}  // namespace

void squares(const SquareBlock& in) {
  if (in.coarse) {
    in.offset == 0 ? squares_of<false, kMr / 2>(in) : squares_of<true, kMr / 2>(in);
  } else {
    in.offset == 0 ? squares_of<false, 1>(in) : squares_of<true, 1>(in);
  }
}

void byte_range(const std::uint8_t* lhs, std::int64_t lhs_stride, std::int64_t rows, std::int64_t count, int* min,
                int* max) {
  __m512i least = _mm512_set1_epi8(-1);
  __m512i most = _mm512_setzero_si512();
  for (std::int64_t r = 0; r < rows; ++r, lhs += lhs_stride) {
    std::int64_t k = 0;
    for (; k + 64 <= count; k += 64) {
      const __m512i x = load(lhs + k);
      least = _mm512_min_epu8(least, x);
      most = _mm512_max_epu8(most, x);
    }
    if (k < count) {
      const __mmask64 used = ~__mmask64{0} >> (64 - (count - k));
      const __m512i x = _mm512_maskz_loadu_epi8(used, lhs + k);
      least = _mm512_mask_min_epu8(least, used, least, x);
      most = _mm512_max_epu8(most, x);
    }
  }
  const auto fold = [](__m512i v, auto op) {
    __m128i x = op(op(_mm512_castsi512_si128(v), _mm512_extracti32x4_epi32(v, 1)),
                   op(_mm512_extracti32x4_epi32(v, 2), _mm512_extracti32x4_epi32(v, 3)));
    x = op(x, _mm_srli_si128(x, 8));
    x = op(x, _mm_srli_si128(x, 4));
    x = op(x, _mm_srli_si128(x, 2));
    x = op(x, _mm_srli_si128(x, 1));
    return _mm_cvtsi128_si32(x) & 255;
  };
  *min = fold(least, [](__m128i a, __m128i b) { return _mm_min_epu8(a, b); });
  *max = fold(most, [](__m128i a, __m128i b) { return _mm_max_epu8(a, b); });
}

void turn(const std::uint8_t* const* rows, int depth, std::int32_t offset, bool singles, std::int16_t* to) {
  const __m512i offsets = _mm512_set1_epi16(static_cast<short>(offset));
  const __m512i low_bytes = _mm512_set1_epi16(0xFF);
  for (int k = 0; k < depth; k += 64) {
    const int here = depth - k < 64 ? depth - k : 64;
    const __mmask64 used = ~__mmask64{0} >> (64 - here);
    for (int h = 0; h < 2; ++h) {
      __m512i x[16];
      for (int r = 0; r < 16; ++r) x[r] = _mm512_maskz_loadu_epi8(used, rows[h * 16 + r] + k);
      transpose(x);
#pragma GCC unroll 16
      for (int q = 0; q < 16; ++q) {
        if (q * 4 >= here) break;
        const __m512i even = _mm512_sub_epi16(_mm512_and_si512(x[q], low_bytes), offsets);  // bytes 0, 2
        const __m512i odd = _mm512_sub_epi16(_mm512_srli_epi16(x[q], 8), offsets);          // bytes 1, 3
        const int at = k + q * 4;
        if (singles) {
          const __m256i words[4] = {_mm512_cvtepi32_epi16(even), _mm512_cvtepi32_epi16(odd),
                                    _mm512_cvtepi32_epi16(_mm512_srli_epi32(even, 16)),
                                    _mm512_cvtepi32_epi16(_mm512_srli_epi32(odd, 16))};
          for (int i = 0; i < 4 && at + i < depth; ++i) {
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + (at + i) * kNr + h * 16), words[i]);
          }
        } else {
          std::int16_t* pair = to + (at / 2 * kNr + h * 16) * 2;
          store(pair, _mm512_mask_blend_epi16(0xAAAAAAAA, even, _mm512_slli_epi32(odd, 16)));
          if (at + 2 < depth) {
            store(pair + kNr * 2, _mm512_mask_blend_epi16(0xAAAAAAAA, _mm512_srli_epi32(even, 16), odd));
          }
        }
      }
    }
  }
}

}  // namespace guardbit::arith::detail::avx512
