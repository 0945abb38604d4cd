// Matrix products for AVX2: exact sums and how far they go on the way.
#include "arith/detail/gemm_avx2.hpp"

namespace guardbit::arith::detail::avx2 {
namespace {

void ranges_of(const PairBlock& in, std::int32_t* least_to, std::int32_t* most_to, int row, int col) {
  constexpr int kUsed = 2;  // registers of 8 columns
  const int at = row * kNr + col;
  __m256i value[kUsed], least[kUsed], most[kUsed];
  for (int v = 0; v < kUsed; ++v) {
    value[v] = load(in.acc + at + v * kWords);
    least[v] = load(least_to + at + v * kWords);
    most[v] = load(most_to + at + v * kWords);
  }
  const bool single = in.group == 0;
  const int words = single ? in.groups : in.pairs;
  const int group = single ? 1 : in.group;
  for (int i = 0; i < words;) {
    const int end = words - i < group ? words : i + group;
    for (; i < end; ++i) {
      const __m256i x = broadcast(in.lhs[row] + i);
      const std::uint32_t* right = in.rhs + (single ? i / 2 : i) * kNr + col;
      for (int v = 0; v < kUsed; ++v) {
        value[v] = _mm256_add_epi32(value[v], _mm256_madd_epi16(x, load(right + v * kWords)));
      }
    }
    for (int v = 0; v < kUsed; ++v) {
      least[v] = _mm256_min_epi32(least[v], value[v]);
      most[v] = _mm256_max_epi32(most[v], value[v]);
    }
  }
  for (int v = 0; v < kUsed; ++v) {
    store(in.acc + at + v * kWords, value[v]);
    store(least_to + at + v * kWords, least[v]);
    store(most_to + at + v * kWords, most[v]);
  }
}

}  // namespace

void ranges(const PairBlock& in, std::int32_t* least, std::int32_t* most) {
  for (int row = 0; row < in.rows; ++row) {
    for (int col = 0; col < kNr; col += 2 * kWords) ranges_of(in, least, most, row, col);
  }
}

}  // namespace guardbit::arith::detail::avx2
