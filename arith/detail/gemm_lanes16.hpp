// Sums narrowed in 16-bit lanes, for AVX2 and for AVX-512.
//
// Both use registers of 256 bits: comparing gives a vector of -1 and 0 there, which one more instruction adds up. On
// Zen 4 that and plain additions run on all four vector pipes; a comparison into a mask shares two of them with the
// multiplication and the saturating addition.
#pragma once

#include "arith/detail/gemm_avx2.hpp"

namespace guardbit::arith::detail {

// All columns of kRows rows: 16 lanes a register.
template <GemmIsa kIsa, int kRows, Overflow kOverflow, bool kSingle>
void lanes16_of(const SingleBlock& in, int first) {
  using namespace avx2;
  constexpr int kUsed = kNr / 16;
  const __m256i lowest = _mm256_set1_epi16(-32767);
  constexpr bool kWraps = kOverflow == Overflow::WRAP;
  // equal: minus the number of groups that changed nothing; exact: modulo 2^16
  __m256i value[kRows][kUsed], equal[kRows][kUsed], exact[kRows][kUsed];
  const void* left[kRows];
  for (int r = 0; r < kRows; ++r) {
    left[r] = in.lhs[first + r];
    for (int v = 0; v < kUsed; ++v) {
      const std::int32_t* acc = in.acc + (first + r) * kNr + v * 16;
      value[r][v] = _mm256_permute4x64_epi64(_mm256_packs_epi32(load(acc), load(acc + kWords)), 0xD8);
      equal[r][v] = _mm256_setzero_si256();
      exact[r][v] = value[r][v];
    }
  }
  const auto narrow = [&](int r, int v, __m256i sum) {
    const __m256i wrapped = _mm256_add_epi16(value[r][v], sum);
    __m256i clamped = _mm256_adds_epi16(value[r][v], sum);
    if constexpr (kOverflow == Overflow::SAT_SYM) clamped = _mm256_max_epi16(clamped, lowest);
    equal[r][v] = _mm256_add_epi16(equal[r][v], _mm256_cmpeq_epi16(wrapped, clamped));
    value[r][v] = kWraps ? wrapped : clamped;
    if constexpr (!kWraps) exact[r][v] = _mm256_add_epi16(exact[r][v], sum);
  };
  int groups = 0;
  if constexpr (kSingle) {
    groups = in.depth;
    for (int k = 0; k < in.depth; ++k) {
      __m256i w[kUsed];
      for (int v = 0; v < kUsed; ++v) w[v] = load(in.rhs + k * kNr + v * 16);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const __m256i x = broadcast_word(left[r], k);
        for (int v = 0; v < kUsed; ++v) narrow(r, v, _mm256_mullo_epi16(x, w[v]));
      }
    }
  } else {
    for (int k = 0; k < in.depth; ++groups) {
      const int end = in.depth - k < in.step ? in.depth : k + in.step;
      __m256i sum[kRows][kUsed] = {};
      for (; k < end; ++k) {
        __m256i w[kUsed];
        for (int v = 0; v < kUsed; ++v) w[v] = load(in.rhs + k * kNr + v * 16);
        for (int r = 0; r < kRows; ++r) {
          const __m256i x = broadcast_word(left[r], k);
          for (int v = 0; v < kUsed; ++v) sum[r][v] = _mm256_add_epi16(sum[r][v], _mm256_mullo_epi16(x, w[v]));
        }
      }
      for (int r = 0; r < kRows; ++r) {
        for (int v = 0; v < kUsed; ++v) narrow(r, v, sum[r][v]);
      }
    }
  }
  const __m256i all = _mm256_set1_epi32(groups);
  for (int r = 0; r < kRows; ++r) {
    for (int h = 0; h < 2 * kUsed; ++h) {
      const auto half = [h](__m256i x) {
        return h % 2 == 0 ? _mm256_castsi256_si128(x) : _mm256_extracti128_si256(x, 1);
      };
      const int at = (first + r) * kNr + h * kWords;
      store(in.acc + at, _mm256_cvtepi16_epi32(half(value[r][h / 2])));
      const __m256i changed = _mm256_add_epi32(all, _mm256_cvtepi16_epi32(half(equal[r][h / 2])));
      store(in.count + at, _mm256_add_epi32(load(in.count + at), changed));
      if constexpr (!kWraps) {
        const __m256i loss = _mm256_cvtepi16_epi32(half(_mm256_sub_epi16(exact[r][h / 2], value[r][h / 2])));
        store(in.loss + at, _mm256_add_epi32(load(in.loss + at), loss));
      }
    }
  }
}

template <GemmIsa kIsa, int kRows>
void lanes16_rows(const SingleBlock& in, int first) {
  const auto run = [&]<Overflow kOverflow>() {
    in.step == 1 ? lanes16_of<kIsa, kRows, kOverflow, true>(in, first)
                 : lanes16_of<kIsa, kRows, kOverflow, false>(in, first);
  };
  switch (in.overflow) {
    case Overflow::SAT:
      return run.template operator()<Overflow::SAT>();
    case Overflow::SAT_SYM:
      return run.template operator()<Overflow::SAT_SYM>();
    default:
      return run.template operator()<Overflow::WRAP>();
  }
}

// kRows rows at a time, as many as registers hold.
template <GemmIsa kIsa, int kRows>
void lanes16_of_rows(const SingleBlock& in) {
  int r = 0;
  for (; r + kRows <= in.rows; r += kRows) lanes16_rows<kIsa, kRows>(in, r);
  for (; r < in.rows; ++r) lanes16_rows<kIsa, 1>(in, r);
}

}  // namespace guardbit::arith::detail
