// Matrix products for AVX2: unchecked products of quads, and what a proof asks of the bytes.
#include "arith/detail/gemm_avx2.hpp"

namespace guardbit::arith::detail::avx2 {
namespace {

// Eight columns of four rows: every column has two dwords, of products 0, 1 and of products 2, 3 of each quad.
void add_8x4(const QuadBlock& in, const std::int8_t* right, int first, int col) {
  __m256i sum[4][2] = {};
  const std::uint8_t* left[4];
  for (int r = 0; r < 4; ++r) left[r] = in.lhs + (first + r < in.rows ? first + r : in.rows - 1) * in.lhs_stride;
  for (std::int64_t q = 0; q < in.quads; ++q, right += kHalf * 4) {
    const __m256i w = load(right);
    const __m256i low = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(w));
    const __m256i high = _mm256_cvtepi8_epi16(_mm256_extracti128_si256(w, 1));
    for (int r = 0; r < 4; ++r) {
      const __m256i x = _mm256_cvtepu8_epi16(_mm256_castsi256_si128(broadcast(left[r] + q * 4)));
      sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(x, low));
      sum[r][1] = _mm256_add_epi32(sum[r][1], _mm256_madd_epi16(x, high));
    }
  }
  for (int r = 0; r < 4; ++r) {
    // hadd works within halves: columns 0 1 4 5 | 2 3 6 7.
    const __m256i both = _mm256_permute4x64_epi64(_mm256_hadd_epi32(sum[r][0], sum[r][1]), 0xD8);
    std::int32_t* acc = in.acc + (first + r) * kNr + col;
    store(acc, _mm256_add_epi32(load(acc), both));
  }
}

}  // namespace

void add_quads(const QuadBlock& in) {
  for (int h = 0; h < in.halves; ++h) {
    for (int part = 0; part < 2; ++part) {
      for (int first = 0; first < in.rows; first += 4) {
        add_8x4(in, in.rhs + h * in.half_stride + part * 32, first, h * kHalf + part * kWords);
      }
    }
  }
}

void squares(const SquareBlock& in) {
  const __m256i offset = _mm256_set1_epi16(static_cast<short>(in.offset));
  squares_of(in, [&](const std::uint8_t* row, std::int64_t i, std::int64_t end) {
    __m256i lanes = _mm256_setzero_si256();
    for (; i + 16 <= end; i += 16) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + i));
      const __m256i value = _mm256_sub_epi16(_mm256_cvtepu8_epi16(bytes), offset);
      lanes = _mm256_add_epi32(lanes, _mm256_madd_epi16(value, value));
    }
    std::int32_t words[kWords];
    store(words, lanes);
    std::int32_t sum = 0;
    for (const std::int32_t word : words) sum += word;
    for (; i < end; ++i) sum += (row[i] - in.offset) * (row[i] - in.offset);
    return sum;
  });
}

void byte_range(const std::uint8_t* lhs, std::int64_t lhs_stride, std::int64_t rows, std::int64_t count, int* min,
                int* max) {
  __m256i least = _mm256_set1_epi8(-1);
  __m256i most = _mm256_setzero_si256();
  int low = 255;
  int high = 0;
  for (std::int64_t r = 0; r < rows; ++r, lhs += lhs_stride) {
    std::int64_t k = 0;
    for (; k + 32 <= count; k += 32) {
      const __m256i x = load(lhs + k);
      least = _mm256_min_epu8(least, x);
      most = _mm256_max_epu8(most, x);
    }
    for (; k < count; ++k) {
      low = lhs[k] < low ? lhs[k] : low;
      high = lhs[k] > high ? lhs[k] : high;
    }
  }
  alignas(32) std::uint8_t lanes[2][32];
  store(lanes[0], least);
  store(lanes[1], most);
  for (int i = 0; i < 32; ++i) {
    low = lanes[0][i] < low ? lanes[0][i] : low;
    high = lanes[1][i] > high ? lanes[1][i] : high;
  }
  *min = low;
  *max = high;
}

}  // namespace guardbit::arith::detail::avx2
