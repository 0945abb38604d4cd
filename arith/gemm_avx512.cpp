// The inner loops of gemm.hpp for AVX-512 with VNNI. This file alone is compiled with those instructions.
#include <immintrin.h>

#include <cstring>

#include "arith/detail/gemm_kernels.hpp"

namespace guardbit::arith::detail {
namespace {

template <typename T>
__m512i broadcast(const T* dword) {
  std::int32_t value;
  std::memcpy(&value, dword, sizeof value);
  return _mm512_set1_epi32(value);
}

__m512i load(const void* from) { return _mm512_loadu_si512(from); }
void store(void* to, __m512i value) { _mm512_storeu_si512(to, value); }

// acc += dot
template <int kHalves>
[[gnu::always_inline]] inline void add_quads(const QuadBlock& in, __m512i (&acc)[kMr][kHalves]) {
  const std::int8_t* right = in.rhs;
  const std::uint8_t* left[kMr];
  for (int r = 0; r < kMr; ++r) left[r] = in.lhs[r];
  for (std::int64_t q = 0; q < in.quads; ++q, right += kHalf * 4) {
    __m512i w[kHalves];
    for (int h = 0; h < kHalves; ++h) w[h] = load(right + h * in.half_stride);
#pragma GCC unroll 8
    for (int r = 0; r < kMr; ++r) {
      const __m512i x = broadcast(left[r] + q * 4);
      for (int h = 0; h < kHalves; ++h) acc[r][h] = _mm512_dpbusd_epi32(acc[r][h], x, w[h]);
    }
  }
}

template <int kHalves>
void dot_quads_of(const QuadBlock& in) {
  __m512i acc[kMr][kHalves];
  for (int r = 0; r < kMr; ++r) {
    for (int h = 0; h < kHalves; ++h) acc[r][h] = load(in.acc + r * kNr + h * kHalf);
  }
  add_quads<kHalves>(in, acc);
  for (int r = 0; r < kMr; ++r) {
    for (int h = 0; h < kHalves; ++h) store(in.acc + r * kNr + h * kHalf, acc[r][h]);
  }
}

template <int kHalves>
void product_of(const ProductBlock& in) {
  __m512i acc[kMr][kHalves];
  for (int r = 0; r < kMr; ++r) {
    for (int h = 0; h < kHalves; ++h) acc[r][h] = load(in.start + h * kHalf);
  }
  add_quads<kHalves>(in.quads, acc);
  const int last = in.cols - (kHalves - 1) * kHalf;  // columns of the last half
  const auto used = static_cast<__mmask16>((1U << last) - 1);
#pragma GCC unroll 8
  for (int r = 0; r < kMr; ++r) {
    if (r >= in.rows) break;
    std::int32_t* out = in.out + r * in.out_stride;
    if (kHalves == 2) store(out, acc[r][0]);
    _mm512_mask_storeu_epi32(out + (kHalves - 1) * kHalf, used, acc[r][kHalves - 1]);
  }
}

void product(const ProductBlock& in) { in.quads.halves == 1 ? product_of<1>(in) : product_of<2>(in); }

void dot_quads(const QuadBlock& in) { in.halves == 1 ? dot_quads_of<1>(in) : dot_quads_of<2>(in); }

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

void lanes32(const PairBlock& in, LaneFit fit) {
  int r = 0;
  for (; r + 4 <= in.rows; r += 4) lanes32_rows<4>(in, fit, r);
  for (; r < in.rows; ++r) lanes32_rows<1>(in, fit, r);
}

// 32 columns of one row in one register.
template <int kRows, Overflow kOverflow, bool kSingle>
void lanes16_of(const SingleBlock& in, int first) {
  const __m512i one = _mm512_set1_epi16(1);
  const __m512i lowest = _mm512_set1_epi16(-32767);
  __m512i value[kRows], count[kRows];
  for (int r = 0; r < kRows; ++r) {
    const std::int32_t* acc = in.acc + (first + r) * kNr;
    value[r] = _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi32_epi16(load(acc))),
                                  _mm512_cvtepi32_epi16(load(acc + kHalf)), 1);
    count[r] = _mm512_setzero_si512();
  }
  const std::uint32_t* left[kRows];
  for (int r = 0; r < kRows; ++r) left[r] = in.lhs[first + r];
  const auto narrow = [&](int r, __m512i sum) {
    const __m512i wrapped = _mm512_add_epi16(value[r], sum);
    __m512i clamped = _mm512_adds_epi16(value[r], sum);
    if constexpr (kOverflow == Overflow::SAT_SYM) clamped = _mm512_max_epi16(clamped, lowest);
    if constexpr (kOverflow == Overflow::SAT_SYM) {
      count[r] = _mm512_mask_add_epi16(count[r], _mm512_cmpneq_epi16_mask(wrapped, clamped), count[r], one);
    } else {
      // They differ where they have different signs: a clamped sum is a bound, a wrapped one is beyond the other.
      count[r] = _mm512_add_epi16(count[r], _mm512_srli_epi16(_mm512_xor_si512(wrapped, clamped), 15));
    }
    value[r] = kOverflow == Overflow::WRAP ? wrapped : clamped;
  };
  if constexpr (kSingle) {
    for (int k = 0; k < in.depth; ++k) {
      const __m512i w = load(in.rhs + k * kNr);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        narrow(r, _mm512_mullo_epi16(broadcast(left[r] + k), w));
      }
    }
  } else {
    for (int k = 0; k < in.depth;) {
      const int end = in.depth - k < in.step ? in.depth : k + in.step;
      __m512i sum[kRows] = {};
      for (; k < end; ++k) {
        const __m512i w = load(in.rhs + k * kNr);
        for (int r = 0; r < kRows; ++r) {
          sum[r] = _mm512_add_epi16(sum[r], _mm512_mullo_epi16(broadcast(left[r] + k), w));
        }
      }
      for (int r = 0; r < kRows; ++r) narrow(r, sum[r]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    const int at = (first + r) * kNr;
    const __m256i low = _mm512_castsi512_si256(value[r]);
    const __m256i high = _mm512_extracti64x4_epi64(value[r], 1);
    store(in.acc + at, _mm512_cvtepi16_epi32(low));
    store(in.acc + at + kHalf, _mm512_cvtepi16_epi32(high));
    const __m512i low_count = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(count[r]));
    const __m512i high_count = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(count[r], 1));
    store(in.count + at, _mm512_add_epi32(load(in.count + at), low_count));
    store(in.count + at + kHalf, _mm512_add_epi32(load(in.count + at + kHalf), high_count));
  }
}

template <int kRows>
void lanes16_rows(const SingleBlock& in, int first) {
  const bool single = in.step == 1;
  if (in.overflow == Overflow::SAT) {
    return single ? lanes16_of<kRows, Overflow::SAT, true>(in, first)
                  : lanes16_of<kRows, Overflow::SAT, false>(in, first);
  }
  if (in.overflow == Overflow::SAT_SYM) {
    return single ? lanes16_of<kRows, Overflow::SAT_SYM, true>(in, first)
                  : lanes16_of<kRows, Overflow::SAT_SYM, false>(in, first);
  }
  return single ? lanes16_of<kRows, Overflow::WRAP, true>(in, first)
                : lanes16_of<kRows, Overflow::WRAP, false>(in, first);
}

void lanes16(const SingleBlock& in) {
  int r = 0;
  for (; r + 8 <= in.rows; r += 8) lanes16_rows<8>(in, r);
  for (; r < in.rows; ++r) lanes16_rows<1>(in, r);
}

void range(const std::int32_t* acc, int rows, std::int32_t low, std::uint32_t mask, std::int32_t* min,
           std::int32_t* max) {
  const __m512i offset = _mm512_set1_epi32(low);
  const __m512i bits = _mm512_set1_epi32(static_cast<int>(mask));
  __m512i least = _mm512_set1_epi32(INT32_MAX);
  __m512i most = _mm512_set1_epi32(INT32_MIN);
  for (int i = 0; i < rows * kNr; i += kHalf) {
    const __m512i value = _mm512_add_epi32(_mm512_and_si512(_mm512_sub_epi32(load(acc + i), offset), bits), offset);
    least = _mm512_min_epi32(least, value);
    most = _mm512_max_epi32(most, value);
  }
  *min = _mm512_reduce_min_epi32(least);
  *max = _mm512_reduce_max_epi32(most);
}

void byte_range(const std::uint8_t* const* lhs, int rows, std::int64_t count, int* min, int* max) {
  __m512i least = _mm512_set1_epi8(-1);
  __m512i most = _mm512_setzero_si512();
  for (int r = 0; r < rows; ++r) {
    std::int64_t k = 0;
    for (; k + 64 <= count; k += 64) {
      const __m512i x = load(lhs[r] + k);
      least = _mm512_min_epu8(least, x);
      most = _mm512_max_epu8(most, x);
    }
    if (k < count) {
      const __mmask64 used = ~__mmask64{0} >> (64 - (count - k));
      const __m512i x = _mm512_maskz_loadu_epi8(used, lhs[r] + k);
      least = _mm512_mask_min_epu8(least, used, least, x);
      most = _mm512_max_epu8(most, x);
    }
  }
  const auto halve = [](__m512i v, auto op) {
    __m128i x = op(op(_mm512_castsi512_si128(v), _mm512_extracti32x4_epi32(v, 1)),
                   op(_mm512_extracti32x4_epi32(v, 2), _mm512_extracti32x4_epi32(v, 3)));
    x = op(x, _mm_srli_si128(x, 8));
    x = op(x, _mm_srli_si128(x, 4));
    x = op(x, _mm_srli_si128(x, 2));
    x = op(x, _mm_srli_si128(x, 1));
    return _mm_cvtsi128_si32(x) & 255;
  };
  *min = halve(least, [](__m128i a, __m128i b) { return _mm_min_epu8(a, b); });
  *max = halve(most, [](__m128i a, __m128i b) { return _mm_max_epu8(a, b); });
}

std::int64_t square_sum(const std::uint8_t* const* lhs, int rows, std::int64_t count, std::int32_t offset) {
  const __m512i offsets = _mm512_set1_epi16(static_cast<short>(offset));
  std::int64_t largest = 0;
  for (int r = 0; r < rows; ++r) {
    __m512i sum = _mm512_setzero_si512();
    for (std::int64_t k = 0; k < count; k += 32) {
      const __mmask32 used = count - k >= 32 ? ~__mmask32{0} : (__mmask32{1} << (count - k)) - 1;
      const __m512i bytes = _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(used, lhs[r] + k));
      const __m512i value = _mm512_maskz_sub_epi16(used, bytes, offsets);
      sum = _mm512_dpwssd_epi32(sum, value, value);
    }
    // A lane sums at most count / 16 squares below 2^16: 2^28 for the deepest products.
    const std::int64_t all = _mm512_reduce_add_epi64(_mm512_add_epi64(
        _mm512_cvtepi32_epi64(_mm512_castsi512_si256(sum)),
        _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(sum, 1))));
    largest = all > largest ? all : largest;
  }
  return largest;
}

void left(const std::uint8_t* from, int depth, std::int32_t offset, LeftForm form, std::uint32_t* to) {
  const __m512i zero_point = _mm512_set1_epi32(offset);
  const __m512i low_word = _mm512_set1_epi32(0xFFFF);
  int k = 0;
  if (form == LeftForm::Pairs) {
    const __m512i offsets = _mm512_set1_epi16(static_cast<short>(offset));
    for (; k + 32 <= depth; k += 32) {
      const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + k));
      store(to + k / 2, _mm512_sub_epi16(_mm512_cvtepu8_epi16(bytes), offsets));
    }
  } else {
    const __m512i shifts = _mm512_set_epi32(16, 0, 16, 0, 16, 0, 16, 0, 16, 0, 16, 0, 16, 0, 16, 0);
    for (; k + 16 <= depth; k += 16) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + k));
      const __m512i value = _mm512_and_si512(_mm512_sub_epi32(_mm512_cvtepu8_epi32(bytes), zero_point), low_word);
      store(to + k, form == LeftForm::Singles ? _mm512_or_si512(value, _mm512_slli_epi32(value, 16))
                                              : _mm512_sllv_epi32(value, shifts));
    }
  }
  const auto value = [&](int i) { return static_cast<std::uint32_t>(from[i] - offset) & 0xFFFF; };
  for (; k < depth; ++k) {
    switch (form) {
      case LeftForm::Singles:
        to[k] = value(k) * 0x10001U;
        break;
      case LeftForm::Products:
        to[k] = value(k) << (k % 2 * 16);
        break;
      case LeftForm::Pairs:
        to[k / 2] = k % 2 == 0 ? value(k) : to[k / 2] | value(k) << 16;
        break;
    }
  }
}

void expand(const std::int8_t* from, int quads, bool singles, std::int16_t* to) {
  for (int q = 0; q < quads; ++q, from += kHalf * 4, to += 4 * kNr) {
    const __m512i x = load(from);
    if (singles) {
      const __m512i bytes[4] = {_mm512_slli_epi32(x, 24), _mm512_slli_epi32(x, 16), _mm512_slli_epi32(x, 8), x};
      for (int i = 0; i < 4; ++i) {
        const __m256i words = _mm512_cvtepi32_epi16(_mm512_srai_epi32(bytes[i], 24));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i * kNr), words);
      }
    } else {
      const __m512i odd = _mm512_srai_epi16(x, 8);                         // bytes 1, 3
      const __m512i even = _mm512_srai_epi16(_mm512_slli_epi16(x, 8), 8);  // bytes 0, 2
      store(to, _mm512_mask_blend_epi16(0xAAAAAAAA, even, _mm512_slli_epi32(odd, 16)));
      store(to + kNr * 2, _mm512_mask_blend_epi16(0xAAAAAAAA, _mm512_srli_epi32(even, 16), odd));
    }
  }
}

}  // namespace

const GemmKernels& gemm_kernels_avx512() {
  static constexpr GemmKernels kTable{dot_quads, product, lanes32, lanes16, range, square_sum, left, expand, byte_range};
  return kTable;
}

}  // namespace guardbit::arith::detail
