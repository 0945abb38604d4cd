// Sums narrowed in 32-bit lanes of 256-bit registers, for AVX2 and for AVX-512: comparisons give vectors there, which
// need no detour through masks (see gemm_lanes16.hpp).
#pragma once

#include "arith/detail/gemm_avx2.hpp"

namespace guardbit::arith::detail {

// sum + the products of a pair
template <GemmIsa kIsa>
[[gnu::always_inline]] inline __m256i add_pair(__m256i sum, __m256i x, __m256i w) {
  if constexpr (kIsa == GemmIsa::Avx512) {
    return _mm256_dpwssd_epi32(sum, x, w);
  } else {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(x, w));
  }
}

// All columns of kRows rows. kSingle: every product is a group.
template <GemmIsa kIsa, int kRows, LaneFit kFit, bool kSingle>
void lanes32_of(const PairBlock& in, int first) {
  using namespace avx2;
  const __m256i low = _mm256_set1_epi32(in.low);
  const __m256i high = _mm256_set1_epi32(in.high);
  const __m256i mask = _mm256_set1_epi32(static_cast<int>(in.mask));
  const __m128i width = _mm_cvtsi32_si128(in.width);
  const __m256i one = _mm256_set1_epi32(1);
  constexpr bool kToggle = kFit == LaneFit::Toggle;
  // changed: for Toggle the number of changes, else minus the number of groups that changed nothing
  __m256i value[kRows][kVectors], changed[kRows][kVectors];
  const std::uint32_t* left[kRows];
  for (int r = 0; r < kRows; ++r) {
    left[r] = in.lhs[first + r];
    for (int v = 0; v < kVectors; ++v) {
      value[r][v] = load(in.acc + (first + r) * kNr + v * kWords);
      if constexpr (kToggle) value[r][v] = _mm256_sub_epi32(value[r][v], low);
      changed[r][v] = _mm256_setzero_si256();
    }
  }
  const auto narrow = [&](int r, int v, __m256i wide) {
    if constexpr (kToggle) {
      const __m256i bits = _mm256_srl_epi32(_mm256_xor_si256(value[r][v], wide), width);
      changed[r][v] = _mm256_add_epi32(changed[r][v], _mm256_and_si256(bits, one));
      value[r][v] = wide;
    } else {
      if constexpr (kFit == LaneFit::Clamp) {
        value[r][v] = _mm256_min_epi32(_mm256_max_epi32(wide, low), high);
      } else {
        value[r][v] = _mm256_add_epi32(_mm256_and_si256(_mm256_sub_epi32(wide, low), mask), low);
      }
      changed[r][v] = _mm256_add_epi32(changed[r][v], _mm256_cmpeq_epi32(value[r][v], wide));
    }
  };
  const int words = kSingle ? in.groups : in.pairs;
  const int group = kSingle ? 1 : in.group;
  for (int i = 0; i < words;) {
    if constexpr (kSingle) {
      const std::uint32_t* right = in.rhs + i / 2 * kNr;
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        const __m256i x = broadcast(left[r] + i);
        for (int v = 0; v < kVectors; ++v) narrow(r, v, add_pair<kIsa>(value[r][v], x, load(right + v * kWords)));
      }
      ++i;
    } else {
      __m256i wide[kRows][kVectors];
      for (int r = 0; r < kRows; ++r) {
        for (int v = 0; v < kVectors; ++v) wide[r][v] = value[r][v];
      }
      const int end = words - i < group ? words : i + group;
      for (; i < end; ++i) {
        for (int r = 0; r < kRows; ++r) {
          const __m256i x = broadcast(left[r] + i);
          for (int v = 0; v < kVectors; ++v) {
            wide[r][v] = add_pair<kIsa>(wide[r][v], x, load(in.rhs + i * kNr + v * kWords));
          }
        }
      }
      for (int r = 0; r < kRows; ++r) {
        for (int v = 0; v < kVectors; ++v) narrow(r, v, wide[r][v]);
      }
    }
  }
  const __m256i all = _mm256_set1_epi32(kToggle ? 0 : in.groups);
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      const int at = (first + r) * kNr + v * kWords;
      store(in.acc + at, kToggle ? _mm256_add_epi32(value[r][v], low) : value[r][v]);
      store(in.count + at, _mm256_add_epi32(load(in.count + at), _mm256_add_epi32(all, changed[r][v])));
    }
  }
}

template <GemmIsa kIsa, int kRows, bool kSingle>
void lanes32_rows(const PairBlock& in, LaneFit fit, int first) {
  const auto run = [&]<LaneFit kFit>() { lanes32_of<kIsa, kRows, kFit, kSingle>(in, first); };
  switch (fit) {
    case LaneFit::Clamp:
      return run.template operator()<LaneFit::Clamp>();
    case LaneFit::Wrap:
      return run.template operator()<LaneFit::Wrap>();
    case LaneFit::Toggle:
      return run.template operator()<LaneFit::Toggle>();
  }
}

// kRows rows at a time, as many as registers hold.
template <GemmIsa kIsa, int kRows, bool kSingle>
void lanes32_of_rows(const PairBlock& in, LaneFit fit) {
  int r = 0;
  for (; r + kRows <= in.rows; r += kRows) lanes32_rows<kIsa, kRows, kSingle>(in, fit, r);
  for (; kRows > 1 && r < in.rows; ++r) lanes32_rows<kIsa, 1, kSingle>(in, fit, r);
}

}  // namespace guardbit::arith::detail
