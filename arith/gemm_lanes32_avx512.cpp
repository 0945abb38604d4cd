// Matrix products for AVX-512: sums narrowed in 32-bit lanes.
#include "arith/detail/gemm_avx512.hpp"

namespace guardbit::arith::detail::avx512 {
namespace {

struct Limits {
  __m512i low, high, mask, one;
  __m128i width;
};

// One narrowing of value + sum, where `wide` is it.
template <LaneFit kFit>
void narrow(const Limits& limits, __m512i& value, __m512i wide, __m512i& count) {
  if constexpr (kFit == LaneFit::Clamp) {
    value = _mm512_min_epi32(_mm512_max_epi32(wide, limits.low), limits.high);
  } else {
    value = _mm512_add_epi32(_mm512_and_si512(_mm512_sub_epi32(wide, limits.low), limits.mask), limits.low);
  }
  count = _mm512_mask_add_epi32(count, _mm512_cmpneq_epi32_mask(value, wide), count, limits.one);
}

// Toggles of one product per group: the changed bits are added up in place at bit `width`; the caller's blocks are
// short enough (kMaxGroups) when width <= 24.
template <int kRows>
void toggle_singles(const PairBlock& in, int first) {
  __m512i value[kRows][2], count[kRows][2];
  const __m512i low = _mm512_set1_epi32(in.low);
  const __m512i bit = _mm512_set1_epi32(static_cast<int>(in.mask + 1));
  for (int r = 0; r < kRows; ++r) {
    for (int h = 0; h < 2; ++h) {
      value[r][h] = _mm512_sub_epi32(load(in.acc + (first + r) * kNr + h * kHalf), low);
      count[r][h] = _mm512_setzero_si512();
    }
  }
  const std::uint32_t* left[kRows];
  for (int r = 0; r < kRows; ++r) left[r] = in.lhs[first + r];
  // Two products share a pair of weights; the odd last one is paired with nothing.
  for (int i = 0; i < in.groups; i += 2) {
    const std::uint32_t* right = in.rhs + i / 2 * kNr;
    const __m512i w[2] = {load(right), load(right + kHalf)};
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const std::uint32_t* x = left[r] + i;
      const __m512i x0 = broadcast(x);
      const __m512i x1 = i + 1 < in.groups ? broadcast(x + 1) : _mm512_setzero_si512();
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h) {
        const __m512i middle = _mm512_dpwssd_epi32(value[r][h], x0, w[h]);
        const __m512i end = _mm512_dpwssd_epi32(middle, x1, w[h]);
        // (before ^ after) & bit
        const __m512i first_change = _mm512_ternarylogic_epi32(value[r][h], middle, bit, 0x28);
        const __m512i second_change = _mm512_ternarylogic_epi32(middle, end, bit, 0x28);
        count[r][h] = _mm512_add_epi32(_mm512_add_epi32(count[r][h], first_change), second_change);
        value[r][h] = end;
      }
    }
  }
  const __m128i width = _mm_cvtsi32_si128(in.width);
  for (int r = 0; r < kRows; ++r) {
    for (int h = 0; h < 2; ++h) {
      const int at = (first + r) * kNr + h * kHalf;
      store(in.acc + at, _mm512_add_epi32(value[r][h], low));
      store(in.count + at, _mm512_add_epi32(load(in.count + at), _mm512_srl_epi32(count[r][h], width)));
    }
  }
}

template <int kRows, LaneFit kFit, bool kSingle>
void lanes32_of(const PairBlock& in, int first) {
  const bool toggle = kFit == LaneFit::Toggle;
  const Limits limits{_mm512_set1_epi32(in.low), _mm512_set1_epi32(in.high),
                      _mm512_set1_epi32(static_cast<int>(toggle ? in.mask + 1 : in.mask)), _mm512_set1_epi32(1),
                      _mm_cvtsi32_si128(in.width)};
  __m512i value[kRows][2], count[kRows][2];
  for (int r = 0; r < kRows; ++r) {
    for (int h = 0; h < 2; ++h) {
      const int at = (first + r) * kNr + h * kHalf;
      value[r][h] = load(in.acc + at);
      if (toggle) value[r][h] = _mm512_sub_epi32(value[r][h], limits.low);
      count[r][h] = load(in.count + at);
    }
  }
  const auto step = [&](const __m512i (&sum)[kRows][2]) {
    for (int r = 0; r < kRows; ++r) {
      for (int h = 0; h < 2; ++h) {
        if (toggle) {
          const __m512i changed = _mm512_ternarylogic_epi32(value[r][h], sum[r][h], limits.mask, 0x28);
          count[r][h] = _mm512_add_epi32(count[r][h], _mm512_srl_epi32(changed, limits.width));
          value[r][h] = sum[r][h];
        } else {
          narrow<kFit>(limits, value[r][h], sum[r][h], count[r][h]);
        }
      }
    }
  };
  const auto dot = [&](__m512i (&sum)[kRows][2], int word, int pair) {
    const __m512i w[2] = {load(in.rhs + pair * kNr), load(in.rhs + pair * kNr + kHalf)};
    for (int r = 0; r < kRows; ++r) {
      const __m512i x = broadcast(in.lhs[first + r] + word);
      for (int h = 0; h < 2; ++h) sum[r][h] = _mm512_dpwssd_epi32(sum[r][h], x, w[h]);
    }
  };
  __m512i sum[kRows][2];
  const int group = kSingle ? 1 : in.group;
  const int words = kSingle ? in.groups : in.pairs;
  for (int i = 0; i < words;) {
    std::memcpy(&sum, &value, sizeof sum);
    const int end = words - i < group ? words : i + group;
    for (; i < end; ++i) dot(sum, i, kSingle ? i / 2 : i);
    step(sum);
  }
  for (int r = 0; r < kRows; ++r) {
    for (int h = 0; h < 2; ++h) {
      const int at = (first + r) * kNr + h * kHalf;
      store(in.acc + at, toggle ? _mm512_add_epi32(value[r][h], limits.low) : value[r][h]);
      store(in.count + at, count[r][h]);
    }
  }
}

template <int kRows>
void lanes32_rows(const PairBlock& in, LaneFit fit, int first) {
  const bool single = in.group == 0;
  switch (fit) {
    case LaneFit::Clamp:
      return single ? lanes32_of<kRows, LaneFit::Clamp, true>(in, first)
                    : lanes32_of<kRows, LaneFit::Clamp, false>(in, first);
    case LaneFit::Wrap:
      return single ? lanes32_of<kRows, LaneFit::Wrap, true>(in, first)
                    : lanes32_of<kRows, LaneFit::Wrap, false>(in, first);
    case LaneFit::Toggle:
      // Changed bits are added up at bit `width`; 32 - width bits must hold their number.
      if (single && in.width < 32 && (std::int64_t{in.groups} >> (32 - in.width)) == 0) {
        return toggle_singles<kRows>(in, first);
      }
      return single ? lanes32_of<kRows, LaneFit::Toggle, true>(in, first)
                    : lanes32_of<kRows, LaneFit::Toggle, false>(in, first);
  }
}

}  // namespace

void lanes32(const PairBlock& in, LaneFit fit) {
  int r = 0;
  for (; r + 4 <= in.rows; r += 4) lanes32_rows<4>(in, fit, r);
  for (; r < in.rows; ++r) lanes32_rows<1>(in, fit, r);
}

}  // namespace guardbit::arith::detail::avx512
