// Matrix products for AVX-512: operands made ready for the lanes, and the table of all inner loops.
#include <bit>

#include "arith/detail/gemm_avx512.hpp"

namespace guardbit::arith::detail {
namespace avx512 {
namespace {

constexpr int kAhead = 1024;  // values fetched beforehand; both sides have seldom been touched in this call

void left(const std::uint8_t* from, int depth, std::int32_t offset, LeftForm form, std::uint32_t* to) {
  int k = 0;
  if (form == LeftForm::Pairs) {
    const __m512i offsets = _mm512_set1_epi16(static_cast<short>(offset));
    for (; k + 32 <= depth; k += 32) {
      const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + k));
      __builtin_prefetch(from + k + kAhead / 2);
      __builtin_prefetch(to + (k + kAhead) / 2, 1);
      store(to + k / 2, _mm512_sub_epi16(_mm512_cvtepu8_epi16(bytes), offsets));
    }
  } else {
    const __m512i zero_point = _mm512_set1_epi32(offset);
    const __m512i low_word = _mm512_set1_epi32(0xFFFF);
    const __m512i shifts = _mm512_set_epi32(16, 0, 16, 0, 16, 0, 16, 0, 16, 0, 16, 0, 16, 0, 16, 0);
    for (; k + 16 <= depth; k += 16) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + k));
      const __m512i value = _mm512_and_si512(_mm512_sub_epi32(_mm512_cvtepu8_epi32(bytes), zero_point), low_word);
      store(to + k, _mm512_sllv_epi32(value, shifts));
    }
  }
  const auto value = [&](int i) { return static_cast<std::uint32_t>(from[i] - offset) & 0xFFFF; };
  for (; k < depth; ++k) {
    if (form == LeftForm::Products) {
      to[k] = value(k) << (k % 2 * 16);
    } else {
      to[k / 2] = k % 2 == 0 ? value(k) : to[k / 2] | value(k) << 16;
    }
  }
}

LostRows lost_rows(const std::int32_t* overflows, const std::int32_t* losses, int rows) {
  const __m512i low_word = _mm512_set1_epi32(0xFFFF);
  __m512i changed = _mm512_setzero_si512();
  int outputs = 0;
  std::uint32_t open = 0;
  for (int c = 0; c < rows * kNr; c += kHalf) {
    const __m512i count = load(overflows + c);
    const std::uint32_t some = _mm512_test_epi32_mask(count, count);
    changed = _mm512_add_epi32(changed, count);
    outputs += std::popcount(some);
    open |= some & ~std::uint32_t{_mm512_test_epi32_mask(load(losses + c), low_word)};
  }
  return {_mm512_reduce_add_epi32(changed), outputs, open != 0};
}

// Bytes of quads in the order first bytes, second bytes, ... in each 16 bytes.
__m512i in_fours(__m512i quads) {
  return _mm512_shuffle_epi8(quads, _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7,
                                                                         11, 15)));
}

void expand(const std::int8_t* from, std::int64_t half_stride, int quads, RightForm form, std::int16_t* to) {
  constexpr int kBytesAhead = 2048;  // the weights have seldom been touched before in this call
  // Fours of the first (second, ...) bytes of both halves.
  const __m512i first = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29);
  const __m512i third = _mm512_add_epi32(first, _mm512_set1_epi32(2));
  for (int q = 0; q < quads; ++q, from += kHalf * 4, to += 4 * kNr) {
    const __m512i x[2] = {load(from), load(from + half_stride)};
    _mm_prefetch(from + kBytesAhead, _MM_HINT_T0);
    _mm_prefetch(from + half_stride + kBytesAhead, _MM_HINT_T0);
    if (form != RightForm::Pairs) {
      const __m512i a = in_fours(x[0]);
      const __m512i b = in_fours(x[1]);
      const __m512i low = _mm512_permutex2var_epi32(a, first, b);
      const __m512i high = _mm512_permutex2var_epi32(a, third, b);
      const auto widened = [&](__m256i bytes) {
        return form == RightForm::Singles ? _mm512_cvtepi8_epi16(bytes) : _mm512_cvtepu8_epi16(bytes);
      };
      store(to, widened(_mm512_castsi512_si256(low)));
      store(to + kNr, widened(_mm512_extracti64x4_epi64(low, 1)));
      store(to + 2 * kNr, widened(_mm512_castsi512_si256(high)));
      store(to + 3 * kNr, widened(_mm512_extracti64x4_epi64(high, 1)));
      continue;
    }
    for (int h = 0; h < 2; ++h) {
      const __m512i odd = _mm512_srai_epi16(x[h], 8);                         // bytes 1, 3
      const __m512i even = _mm512_srai_epi16(_mm512_slli_epi16(x[h], 8), 8);  // bytes 0, 2
      std::int16_t* half = to + h * kHalf * 2;
      store(half, _mm512_mask_blend_epi16(0xAAAAAAAA, even, _mm512_slli_epi32(odd, 16)));
      store(half + kNr * 2, _mm512_mask_blend_epi16(0xAAAAAAAA, _mm512_srli_epi32(even, 16), odd));
    }
  }
}

}  // namespace
}  // namespace avx512

const GemmKernels& gemm_kernels_avx512() {
  using namespace avx512;
  static constexpr GemmKernels kTable{panel,
                                      watched_panel,
                                      squares,
                                      lanes32,
                                      lanes16,
                                      lanes16_bytes,
                                      lost_rows,
                                      ranges,
                                      left,
                                      expand,
                                      turn,
                                      byte_range};
  return kTable;
}

}  // namespace guardbit::arith::detail
