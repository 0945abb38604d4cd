// Matrix products for AVX2: weights made ready for the lanes, and the table of all inner loops.
#include "arith/detail/gemm_avx2.hpp"
#include "arith/detail/gemm_plain.hpp"

namespace guardbit::arith::detail {
namespace avx2 {
namespace {

void expand(const std::int8_t* from, std::int64_t half_stride, int quads, RightForm form, std::int16_t* to) {
  for (int q = 0; q < quads; ++q, from += kHalf * 4, to += 4 * kNr) {
    for (int v = 0; v < kVectors; ++v) {
      const __m256i x = load(from + v / 2 * half_stride + v % 2 * 32);  // 8 columns
      const int col = v * kWords;
      if (form == RightForm::Singles) {
        for (int i = 0; i < 4; ++i) {
          const __m256i byte = _mm256_srai_epi32(_mm256_sll_epi32(x, _mm_cvtsi32_si128(24 - 8 * i)), 24);
          const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(byte, byte), 0xD8);
          _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i * kNr + col), _mm256_castsi256_si128(words));
        }
      } else {
        // Words of a dword: bytes 0 and 1 sign-extended, then bytes 2 and 3.
        const __m256i odd = _mm256_srai_epi16(x, 8);                         // bytes 1, 3
        const __m256i even = _mm256_srai_epi16(_mm256_slli_epi16(x, 8), 8);  // bytes 0, 2
        const __m256i low = _mm256_blend_epi16(even, _mm256_slli_epi32(odd, 16), 0xAA);
        const __m256i high = _mm256_blend_epi16(_mm256_srli_epi32(even, 16), odd, 0xAA);
        store(to + col * 2, low);
        store(to + kNr * 2 + col * 2, high);
      }
    }
  }
}

}  // namespace
}  // namespace avx2

const GemmKernels& gemm_kernels_avx2() {
  using namespace avx2;
  static constexpr GemmKernels kTable{plain_panel<add_quads>,
                                      plain_watched_panel<add_quads>,
                                      squares,
                                      lanes32,
                                      lanes16,
                                      nullptr,
                                      plain_lost_rows<GemmIsa::Avx2>,
                                      ranges,
                                      plain_left<GemmIsa::Avx2>,
                                      expand,
                                      plain_turn<GemmIsa::Avx2>,
                                      byte_range};
  return kTable;
}

}  // namespace guardbit::arith::detail
