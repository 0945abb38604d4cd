// Matrix products for AVX-512 with VNNI: sums narrowed in 32-bit lanes.
//
// Besides the loops of gemm_lanes32.hpp, for one product per group (about 3/4 of the time of those):
//
// Toggles (WRAP): the changes of a bit from 0 to 1 and back take turns, so there are twice as many of them as falls
// from 1 to 0, plus the bit at the end, minus the bit at the beginning. Of two sums in a row at most one falls.
//
// Saturation (SAT): with sums scaled so that the format takes the uppermost of 32 bits, VPDPWSSDS saturates where the
// format does. The bits below hold a mark that is neither all ones nor all zeros; saturation replaces it, so a sum
// whose mark changed has overflowed. Scaled values are floor(sum / 2^shift) whatever is below, and no mark moves a
// comparison with a bound: max + 1 scaled is 2^31, min scaled is -2^31.
#include "arith/detail/gemm_avx512.hpp"
#include "arith/detail/gemm_lanes32.hpp"

namespace guardbit::arith::detail::avx512 {
namespace {

// Falls are added up in place at bit `width`.
bool falls_fit(const PairBlock& in) {
  return in.width < 32 && ((std::int64_t{in.groups} / 2 + 1) >> (32 - in.width)) == 0;
}

constexpr int kToggleRows = 4;  // at a time, as many as registers hold

// Pairs of products of kToggleRows rows, from the first on. Assembler, because compilers spill here, which costs a
// seventh of the time. Registers of sum u = 2 * row + half: sum u, falls 8 + u; copies of the sums before the first and
// the second product of a pair: 23 to 26 and 27 to 30.
#define GUARDBIT_PRODUCT(LEFT, SUM, HALF, COPY)        \
  "vmovdqa64 %%zmm" #SUM ", %%zmm" #COPY "\n"          \
  "vpdpwssd %%zmm" #HALF ", %%zmm" #LEFT ", %%zmm" #SUM "\n"
// (value & ~middle) | (middle & ~end)
#define GUARDBIT_FALL(SUM, VALUE, MIDDLE) "vpternlogd $0x74, %%zmm" #SUM ", %%zmm" #MIDDLE ", %%zmm" #VALUE "\n"
#define GUARDBIT_MASK(VALUE) "vpandd %%zmm18, %%zmm" #VALUE ", %%zmm" #VALUE "\n"
#define GUARDBIT_COUNT(VALUE, FALLS) "vpaddd %%zmm" #VALUE ", %%zmm" #FALLS ", %%zmm" #FALLS "\n"
#define GUARDBIT_TWO_ROWS(ROW0, ROW1, S0, S1, S2, S3, F0, F1, F2, F3)                                     \
  "vpbroadcastd (%[left" #ROW0 "],%[i],8), %%zmm19\n"                                                     \
  "vpbroadcastd 4(%[left" #ROW0 "],%[i],8), %%zmm20\n"                                                    \
  "vpbroadcastd (%[left" #ROW1 "],%[i],8), %%zmm21\n"                                                     \
  "vpbroadcastd 4(%[left" #ROW1 "],%[i],8), %%zmm22\n"                                                    \
  GUARDBIT_PRODUCT(19, S0, 16, 23) GUARDBIT_PRODUCT(19, S1, 17, 24)                                       \
  GUARDBIT_PRODUCT(21, S2, 16, 25) GUARDBIT_PRODUCT(21, S3, 17, 26)                                       \
  GUARDBIT_PRODUCT(20, S0, 16, 27) GUARDBIT_PRODUCT(20, S1, 17, 28)                                       \
  GUARDBIT_PRODUCT(22, S2, 16, 29) GUARDBIT_PRODUCT(22, S3, 17, 30)                                       \
  GUARDBIT_FALL(S0, 23, 27) GUARDBIT_FALL(S1, 24, 28) GUARDBIT_FALL(S2, 25, 29) GUARDBIT_FALL(S3, 26, 30) \
  GUARDBIT_MASK(23) GUARDBIT_MASK(24) GUARDBIT_MASK(25) GUARDBIT_MASK(26)                                 \
  GUARDBIT_COUNT(23, F0) GUARDBIT_COUNT(24, F1) GUARDBIT_COUNT(25, F2) GUARDBIT_COUNT(26, F3)
void toggle_pairs(const std::uint32_t* const* left, const std::uint32_t* right, std::int64_t pairs, std::uint32_t bit,
                  __m512i (*value)[2], __m512i (*falls)[2]) {
  if (pairs == 0) return;
  std::int64_t i = 0;
  asm volatile(
      "vpbroadcastd %[bit], %%zmm18\n"
      "vmovdqu64 0(%[value]), %%zmm0\n"
      "vmovdqu64 64(%[value]), %%zmm1\n"
      "vmovdqu64 128(%[value]), %%zmm2\n"
      "vmovdqu64 192(%[value]), %%zmm3\n"
      "vmovdqu64 256(%[value]), %%zmm4\n"
      "vmovdqu64 320(%[value]), %%zmm5\n"
      "vmovdqu64 384(%[value]), %%zmm6\n"
      "vmovdqu64 448(%[value]), %%zmm7\n"
      "vmovdqu64 0(%[falls]), %%zmm8\n"
      "vmovdqu64 64(%[falls]), %%zmm9\n"
      "vmovdqu64 128(%[falls]), %%zmm10\n"
      "vmovdqu64 192(%[falls]), %%zmm11\n"
      "vmovdqu64 256(%[falls]), %%zmm12\n"
      "vmovdqu64 320(%[falls]), %%zmm13\n"
      "vmovdqu64 384(%[falls]), %%zmm14\n"
      "vmovdqu64 448(%[falls]), %%zmm15\n"
      ".p2align 6\n"
      "1:\n"
      "vmovdqu64 (%[right]), %%zmm16\n"
      "vmovdqu64 64(%[right]), %%zmm17\n"
      GUARDBIT_TWO_ROWS(0, 1, 0, 1, 2, 3, 8, 9, 10, 11)
      GUARDBIT_TWO_ROWS(2, 3, 4, 5, 6, 7, 12, 13, 14, 15)
      "add $128, %[right]\n"
      "inc %[i]\n"
      "cmp %[pairs], %[i]\n"
      "jne 1b\n"
      "vmovdqu64 %%zmm0, 0(%[value])\n"
      "vmovdqu64 %%zmm1, 64(%[value])\n"
      "vmovdqu64 %%zmm2, 128(%[value])\n"
      "vmovdqu64 %%zmm3, 192(%[value])\n"
      "vmovdqu64 %%zmm4, 256(%[value])\n"
      "vmovdqu64 %%zmm5, 320(%[value])\n"
      "vmovdqu64 %%zmm6, 384(%[value])\n"
      "vmovdqu64 %%zmm7, 448(%[value])\n"
      "vmovdqu64 %%zmm8, 0(%[falls])\n"
      "vmovdqu64 %%zmm9, 64(%[falls])\n"
      "vmovdqu64 %%zmm10, 128(%[falls])\n"
      "vmovdqu64 %%zmm11, 192(%[falls])\n"
      "vmovdqu64 %%zmm12, 256(%[falls])\n"
      "vmovdqu64 %%zmm13, 320(%[falls])\n"
      "vmovdqu64 %%zmm14, 384(%[falls])\n"
      "vmovdqu64 %%zmm15, 448(%[falls])\n"
      : [i] "+r"(i), [right] "+r"(right)
      : [pairs] "r"(pairs), [bit] "r"(bit), [value] "r"(value), [falls] "r"(falls), [left0] "r"(left[0]),
        [left1] "r"(left[1]), [left2] "r"(left[2]), [left3] "r"(left[3])
      : "cc", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
        "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22",
        "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30");
}
#undef GUARDBIT_PRODUCT
#undef GUARDBIT_FALL
#undef GUARDBIT_MASK
#undef GUARDBIT_COUNT
#undef GUARDBIT_TWO_ROWS

template <int kRows>
void toggle_singles(const PairBlock& in, int first) {
  __m512i value[kRows][2], falls[kRows][2];
  const __m512i low = _mm512_set1_epi32(in.low);
  const __m512i bit = _mm512_set1_epi32(static_cast<int>(in.mask + 1));
  const std::uint32_t* left[kRows];
  for (int r = 0; r < kRows; ++r) {
    left[r] = in.lhs[first + r];
    for (int h = 0; h < 2; ++h) {
      value[r][h] = _mm512_sub_epi32(load(in.acc + (first + r) * kNr + h * kHalf), low);
      falls[r][h] = _mm512_setzero_si512();
    }
  }
  const auto pair = [&](int i, const auto& second) {
    const std::uint32_t* right = in.rhs + i / 2 * kNr;
    const __m512i w[2] = {load(right), load(right + kHalf)};
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const __m512i x0 = broadcast(left[r] + i);
      const __m512i x1 = second(r);
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h) {
        const __m512i middle = _mm512_dpwssd_epi32(value[r][h], x0, w[h]);
        const __m512i end = _mm512_dpwssd_epi32(middle, x1, w[h]);
        // (value & ~middle) | (middle & ~end)
        const __m512i fall = _mm512_ternarylogic_epi32(value[r][h], middle, end, 0x74);
        falls[r][h] = _mm512_add_epi32(falls[r][h], _mm512_and_si512(fall, bit));
        value[r][h] = end;
      }
    }
  };
  int i = 0;
  if constexpr (kRows == kToggleRows) {
    i = in.groups / 2 * 2;
    toggle_pairs(left, in.rhs, i / 2, in.mask + 1, value, falls);
  }
  for (; i + 1 < in.groups; i += 2) {
    pair(i, [&](int r) { return broadcast(left[r] + i + 1); });
  }
  if (i < in.groups) pair(i, [](int) { return _mm512_setzero_si512(); });
  const __m128i width = _mm_cvtsi32_si128(in.width);
  const __m512i one = _mm512_set1_epi32(1);
  for (int r = 0; r < kRows; ++r) {
    for (int h = 0; h < 2; ++h) {
      const int at = (first + r) * kNr + h * kHalf;
      const auto bit_of = [&](__m512i sum) { return _mm512_and_si512(_mm512_srl_epi32(sum, width), one); };
      const __m512i before = bit_of(_mm512_sub_epi32(load(in.acc + at), low));
      const __m512i rise = _mm512_sub_epi32(bit_of(value[r][h]), before);
      const __m512i twice = _mm512_slli_epi32(_mm512_srl_epi32(falls[r][h], width), 1);
      store(in.acc + at, _mm512_add_epi32(value[r][h], low));
      store(in.count + at, _mm512_add_epi32(load(in.count + at), _mm512_add_epi32(twice, rise)));
    }
  }
}

void toggle_singles(const PairBlock& in) {
  int r = 0;
  for (; r + kToggleRows <= in.rows; r += kToggleRows) toggle_singles<kToggleRows>(in, r);
  for (; r < in.rows; ++r) toggle_singles<1>(in, r);
}

// Operands shifted so that products take the uppermost bits. Both may have 9 bits and a sign: |byte - offset| <= 255.
constexpr int kMostSideShift = 7;
constexpr int kMostShift = 2 * kMostSideShift;
constexpr int kPiece = 128;  // products that are scaled at once

bool saturates_scaled(const PairBlock& in) {
  const int shift = 32 - in.width;
  const auto span = static_cast<std::uint32_t>(in.high) - static_cast<std::uint32_t>(in.low);
  return in.rows > 2 && shift >= 2 && shift <= kMostShift && span == in.mask;  // not SAT_SYM
}

struct Scaled {
  alignas(64) std::uint32_t left[kMr][kPiece];
  alignas(64) std::uint32_t right[kPiece / 2 * kNr];
};

// `count` dwords of two numbers each, and zeros up to the next 16: an odd last product has no partner
void scale(const std::uint32_t* from, int count, int shift, std::uint32_t* to) {
  const __m128i by = _mm_cvtsi32_si128(shift);
  for (int i = 0; i < count; i += 16) {
    const auto used = static_cast<__mmask16>(count - i >= 16 ? 0xFFFF : (1U << (count - i)) - 1);
    store(to + i, _mm512_sll_epi16(_mm512_maskz_loadu_epi32(used, from + i), by));
  }
}

template <int kRows>
void saturate_piece(const PairBlock& in, const Scaled& scaled, int first, int pairs) {
  using avx2::kVectors;
  using avx2::kWords;
  const int shift = 32 - in.width;
  const __m128i by = _mm_cvtsi32_si128(shift);
  const __m256i middle = _mm256_set1_epi32(static_cast<int>(static_cast<std::uint32_t>(in.low) + (in.mask >> 1) + 1));
  const __m256i below = _mm256_set1_epi32((1 << shift) - 1);
  const __m256i mark = _mm256_set1_epi32(1 << (shift - 1));
  __m256i value[kRows][kVectors], same[kRows][kVectors];  // same: minus the number of sums that did not overflow
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      const __m256i acc = _mm256_sub_epi32(avx2::load(in.acc + (first + r) * kNr + v * kWords), middle);
      value[r][v] = _mm256_or_si256(_mm256_sll_epi32(acc, by), mark);
      same[r][v] = _mm256_setzero_si256();
    }
  }
  for (int p = 0; p < pairs; ++p) {
    const std::uint32_t* right = scaled.right + p * kNr;
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
#pragma GCC unroll 2
      for (int r = 0; r < kRows; ++r) {
        const __m256i x = avx2::broadcast(scaled.left[first + r] + 2 * p + i);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          const __m256i sum = _mm256_dpwssds_epi32(value[r][v], x, avx2::load(right + v * kWords));
          value[r][v] = _mm256_ternarylogic_epi32(sum, below, mark, 0xBA);  // (sum & ~below) | mark
          same[r][v] = _mm256_add_epi32(same[r][v], _mm256_cmpeq_epi32(value[r][v], sum));
        }
      }
    }
  }
  const __m256i all = _mm256_set1_epi32(2 * pairs);
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      const int at = (first + r) * kNr + v * kWords;
      avx2::store(in.acc + at, _mm256_add_epi32(_mm256_sra_epi32(value[r][v], by), middle));
      avx2::store(in.count + at,
                  _mm256_add_epi32(avx2::load(in.count + at), _mm256_add_epi32(all, same[r][v])));
    }
  }
}

void saturate_singles(const PairBlock& in) {
  const int shift = 32 - in.width;
  const int right_shift = shift / 2;
  Scaled scaled;
  for (int k = 0; k < in.groups; k += kPiece) {
    const int here = in.groups - k < kPiece ? in.groups - k : kPiece;
    const int pairs = (here + 1) / 2;
    scale(in.rhs + k / 2 * kNr, pairs * kNr, right_shift, scaled.right);
    for (int r = 0; r < in.rows; ++r) scale(in.lhs[r] + k, here, shift - right_shift, scaled.left[r]);
    int r = 0;
    for (; r + 2 <= in.rows; r += 2) saturate_piece<2>(in, scaled, r, pairs);
    if (r < in.rows) saturate_piece<1>(in, scaled, r, pairs);
  }
}

// Groups of pairs, where narrowings are few: registers of 512 bits.
template <int kRows, LaneFit kFit>
void grouped(const PairBlock& in, int first) {
  constexpr bool kToggle = kFit == LaneFit::Toggle;
  const __m512i low = _mm512_set1_epi32(in.low);
  const __m512i high = _mm512_set1_epi32(in.high);
  const __m512i mask = _mm512_set1_epi32(static_cast<int>(in.mask));
  const __m512i one = _mm512_set1_epi32(1);
  const __m128i width = _mm_cvtsi32_si128(in.width);
  __m512i value[kRows][2], count[kRows][2];
  for (int r = 0; r < kRows; ++r) {
    for (int h = 0; h < 2; ++h) {
      const int at = (first + r) * kNr + h * kHalf;
      value[r][h] = load(in.acc + at);
      if (kToggle) value[r][h] = _mm512_sub_epi32(value[r][h], low);
      count[r][h] = load(in.count + at);
    }
  }
  const auto narrow = [&](__m512i& sum, __m512i wide, __m512i& changes) {
    if constexpr (kToggle) {
      const __m512i bits = _mm512_srl_epi32(_mm512_xor_si512(sum, wide), width);
      changes = _mm512_add_epi32(changes, _mm512_and_si512(bits, one));
      sum = wide;
    } else {
      if constexpr (kFit == LaneFit::Clamp) {
        sum = _mm512_min_epi32(_mm512_max_epi32(wide, low), high);
      } else {
        sum = _mm512_add_epi32(_mm512_and_si512(_mm512_sub_epi32(wide, low), mask), low);
      }
      changes = _mm512_mask_add_epi32(changes, _mm512_cmpneq_epi32_mask(sum, wide), changes, one);
    }
  };
  __m512i wide[kRows][2];
  for (int i = 0; i < in.pairs;) {
    std::memcpy(&wide, &value, sizeof wide);
    const int end = in.pairs - i < in.group ? in.pairs : i + in.group;
    for (; i < end; ++i) {
      const __m512i w[2] = {load(in.rhs + i * kNr), load(in.rhs + i * kNr + kHalf)};
      for (int r = 0; r < kRows; ++r) {
        const __m512i x = broadcast(in.lhs[first + r] + i);
        for (int h = 0; h < 2; ++h) wide[r][h] = _mm512_dpwssd_epi32(wide[r][h], x, w[h]);
      }
    }
    for (int r = 0; r < kRows; ++r) {
      for (int h = 0; h < 2; ++h) narrow(value[r][h], wide[r][h], count[r][h]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int h = 0; h < 2; ++h) {
      const int at = (first + r) * kNr + h * kHalf;
      store(in.acc + at, kToggle ? _mm512_add_epi32(value[r][h], low) : value[r][h]);
      store(in.count + at, count[r][h]);
    }
  }
}

template <LaneFit kFit>
void grouped(const PairBlock& in) {
  int r = 0;
  for (; r + 4 <= in.rows; r += 4) grouped<4, kFit>(in, r);
  for (; r < in.rows; ++r) grouped<1, kFit>(in, r);
}

}  // namespace

void lanes32(const PairBlock& in, LaneFit fit) {
  if (in.group != 0) {
    return fit == LaneFit::Clamp  ? grouped<LaneFit::Clamp>(in)
           : fit == LaneFit::Wrap ? grouped<LaneFit::Wrap>(in)
                                  : grouped<LaneFit::Toggle>(in);
  }
  if (fit == LaneFit::Toggle && falls_fit(in)) return toggle_singles(in);
  if (fit == LaneFit::Clamp && saturates_scaled(in)) return saturate_singles(in);
  lanes32_of_rows<GemmIsa::Avx512, 2, true>(in, fit);
}

}  // namespace guardbit::arith::detail::avx512
