// Matrix products for AVX2: sums narrowed in 32-bit lanes.
#include "arith/detail/gemm_avx2.hpp"

namespace guardbit::arith::detail::avx2 {
namespace {

// Two rows of 8 columns at a time: registers are few.
template <LaneFit kFit>
void lanes32_of(const PairBlock& in, int row, int col) {
  const __m256i low = _mm256_set1_epi32(in.low);
  const __m256i high = _mm256_set1_epi32(in.high);
  const __m256i mask = _mm256_set1_epi32(static_cast<int>(in.mask));
  const __m128i width = _mm_cvtsi32_si128(in.width);
  const __m256i bit = _mm256_set1_epi32(1);
  std::int32_t* acc = in.acc + row * kNr + col;
  std::int32_t* counts = in.count + row * kNr + col;
  const std::uint32_t* left = in.lhs[row];
  constexpr int kUsed = 2;  // registers of 8 columns
  __m256i value[kUsed], count[kUsed];
  for (int v = 0; v < kUsed; ++v) {
    value[v] = load(acc + v * kWords);
    if (kFit == LaneFit::Toggle) value[v] = _mm256_sub_epi32(value[v], low);
    count[v] = load(counts + v * kWords);
  }
  const bool single = in.group == 0;
  const int words = single ? in.groups : in.pairs;
  const int group = single ? 1 : in.group;
  for (int i = 0; i < words;) {
    __m256i wide[kUsed] = {value[0], value[1]};
    const int end = words - i < group ? words : i + group;
    for (; i < end; ++i) {
      const __m256i x = broadcast(left + i);
      const std::uint32_t* right = in.rhs + (single ? i / 2 : i) * kNr + col;
      for (int v = 0; v < kUsed; ++v) {
        wide[v] = _mm256_add_epi32(wide[v], _mm256_madd_epi16(x, load(right + v * kWords)));
      }
    }
    for (int v = 0; v < kUsed; ++v) {
      if constexpr (kFit == LaneFit::Toggle) {
        const __m256i changed = _mm256_srl_epi32(_mm256_xor_si256(value[v], wide[v]), width);
        count[v] = _mm256_add_epi32(count[v], _mm256_and_si256(changed, bit));
        value[v] = wide[v];
      } else {
        __m256i fitted;
        if constexpr (kFit == LaneFit::Clamp) {
          fitted = _mm256_min_epi32(_mm256_max_epi32(wide[v], low), high);
        } else {
          fitted = _mm256_add_epi32(_mm256_and_si256(_mm256_sub_epi32(wide[v], low), mask), low);
        }
        // An equal lane is -1: adds 1 - 1.
        count[v] = _mm256_add_epi32(count[v], _mm256_add_epi32(bit, _mm256_cmpeq_epi32(fitted, wide[v])));
        value[v] = fitted;
      }
    }
  }
  for (int v = 0; v < kUsed; ++v) {
    if (kFit == LaneFit::Toggle) value[v] = _mm256_add_epi32(value[v], low);
    store(acc + v * kWords, value[v]);
    store(counts + v * kWords, count[v]);
  }
}

}  // namespace

void lanes32(const PairBlock& in, LaneFit fit) {
  for (int col = 0; col < kNr; col += 2 * kWords) {
    for (int row = 0; row < in.rows; ++row) {
      switch (fit) {
        case LaneFit::Clamp:
          lanes32_of<LaneFit::Clamp>(in, row, col);
          break;
        case LaneFit::Wrap:
          lanes32_of<LaneFit::Wrap>(in, row, col);
          break;
        case LaneFit::Toggle:
          lanes32_of<LaneFit::Toggle>(in, row, col);
          break;
      }
    }
  }
}

}  // namespace guardbit::arith::detail::avx2
