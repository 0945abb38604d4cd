// Matrix products for AVX-512: exact sums and how far they go on the way.
#include "arith/detail/gemm_avx512.hpp"

namespace guardbit::arith::detail::avx512 {
namespace {

template <int kRows, bool kSingle>
void ranges_of(const PairBlock& in, std::int32_t* least_to, std::int32_t* most_to, int first) {
  __m512i value[kRows][2], least[kRows][2], most[kRows][2];
  const std::uint32_t* left[kRows];
  for (int r = 0; r < kRows; ++r) {
    left[r] = in.lhs[first + r];
    for (int h = 0; h < 2; ++h) {
      const int at = (first + r) * kNr + h * kHalf;
      value[r][h] = load(in.acc + at);
      least[r][h] = load(least_to + at);
      most[r][h] = load(most_to + at);
    }
  }
  const int words = kSingle ? in.groups : in.pairs;
  const int group = kSingle ? 1 : in.group;
  for (int i = 0; i < words;) {
    const int end = words - i < group ? words : i + group;
    for (; i < end; ++i) {
      const std::uint32_t* right = in.rhs + (kSingle ? i / 2 : i) * kNr;
      const __m512i w[2] = {load(right), load(right + kHalf)};
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        const __m512i x = broadcast(left[r] + i);
        for (int h = 0; h < 2; ++h) value[r][h] = _mm512_dpwssd_epi32(value[r][h], x, w[h]);
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      for (int h = 0; h < 2; ++h) {
        least[r][h] = _mm512_min_epi32(least[r][h], value[r][h]);
        most[r][h] = _mm512_max_epi32(most[r][h], value[r][h]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int h = 0; h < 2; ++h) {
      const int at = (first + r) * kNr + h * kHalf;
      store(in.acc + at, value[r][h]);
      store(least_to + at, least[r][h]);
      store(most_to + at, most[r][h]);
    }
  }
}

template <int kRows>
void ranges_rows(const PairBlock& in, std::int32_t* least, std::int32_t* most, int first) {
  in.group == 0 ? ranges_of<kRows, true>(in, least, most, first) : ranges_of<kRows, false>(in, least, most, first);
}

}  // namespace

void ranges(const PairBlock& in, std::int32_t* least, std::int32_t* most) {
  int r = 0;
  for (; r + 4 <= in.rows; r += 4) ranges_rows<4>(in, least, most, r);
  for (; r < in.rows; ++r) ranges_rows<1>(in, least, most, r);
}

}  // namespace guardbit::arith::detail::avx512
