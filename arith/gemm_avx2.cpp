// The inner loops of gemm.hpp for AVX2. This file alone is compiled with those instructions.
#include <immintrin.h>

#include <cstring>

#include "arith/detail/gemm_kernels.hpp"

namespace guardbit::arith::detail {
namespace {

constexpr int kWords = 8;     // dwords of a register
constexpr int kVectors = kNr / kWords;

__m256i load(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }
void store(void* to, __m256i value) { _mm256_storeu_si256(static_cast<__m256i*>(to), value); }

template <typename T>
__m256i broadcast(const T* dword) {
  std::int32_t value;
  std::memcpy(&value, dword, sizeof value);
  return _mm256_set1_epi32(value);
}

// Eight columns of four rows: every column has two dwords, of products 0, 1 and of products 2, 3 of each quad.
void dot_quads_8x4(const QuadBlock& in, const std::int8_t* right, int first, int col) {
  __m256i sum[4][2] = {};
  for (std::int64_t q = 0; q < in.quads; ++q, right += kHalf * 4) {
    const __m256i w = load(right);
    const __m256i low = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(w));
    const __m256i high = _mm256_cvtepi8_epi16(_mm256_extracti128_si256(w, 1));
    for (int r = 0; r < 4; ++r) {
      const __m256i x = _mm256_cvtepu8_epi16(_mm256_castsi256_si128(broadcast(in.lhs[first + r] + q * 4)));
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

void dot_quads(const QuadBlock& in) {
  for (int h = 0; h < in.halves; ++h) {
    for (int part = 0; part < 2; ++part) {
      for (int first = 0; first < kMr; first += 4) {
        dot_quads_8x4(in, in.rhs + h * in.half_stride + part * 32, first, h * kHalf + part * kWords);
      }
    }
  }
}

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

// 16 columns of kRows rows, a register each.
template <int kRows, Overflow kOverflow>
void lanes16_of(const SingleBlock& in, int first, int col) {
  const __m256i lowest = _mm256_set1_epi16(-32767);
  __m256i value[kRows], equal[kRows];  // equal: minus the number of groups that changed nothing
  for (int r = 0; r < kRows; ++r) {
    const std::int32_t* acc = in.acc + (first + r) * kNr + col;
    value[r] = _mm256_permute4x64_epi64(_mm256_packs_epi32(load(acc), load(acc + kWords)), 0xD8);
    equal[r] = _mm256_setzero_si256();
  }
  int groups = 0;
  for (int k = 0; k < in.depth; ++groups) {
    const int end = in.depth - k < in.step ? in.depth : k + in.step;
    __m256i sum[kRows] = {};
    for (; k < end; ++k) {
      const __m256i w = load(in.rhs + k * kNr + col);
      for (int r = 0; r < kRows; ++r) {
        const __m256i x = broadcast(in.lhs[first + r] + k);
        sum[r] = _mm256_add_epi16(sum[r], _mm256_mullo_epi16(x, w));
      }
    }
    for (int r = 0; r < kRows; ++r) {
      const __m256i wrapped = _mm256_add_epi16(value[r], sum[r]);
      __m256i clamped = _mm256_adds_epi16(value[r], sum[r]);
      if constexpr (kOverflow == Overflow::SAT_SYM) clamped = _mm256_max_epi16(clamped, lowest);
      equal[r] = _mm256_add_epi16(equal[r], _mm256_cmpeq_epi16(wrapped, clamped));
      value[r] = kOverflow == Overflow::WRAP ? wrapped : clamped;
    }
  }
  const __m256i all = _mm256_set1_epi32(groups);
  for (int r = 0; r < kRows; ++r) {
    const int at = (first + r) * kNr + col;
    for (int h = 0; h < 2; ++h) {
      const __m128i v = h == 0 ? _mm256_castsi256_si128(value[r]) : _mm256_extracti128_si256(value[r], 1);
      const __m128i e = h == 0 ? _mm256_castsi256_si128(equal[r]) : _mm256_extracti128_si256(equal[r], 1);
      store(in.acc + at + h * kWords, _mm256_cvtepi16_epi32(v));
      std::int32_t* count = in.count + at + h * kWords;
      store(count, _mm256_add_epi32(load(count), _mm256_add_epi32(all, _mm256_cvtepi16_epi32(e))));
    }
  }
}

template <int kRows>
void lanes16_rows(const SingleBlock& in, int first) {
  for (int col = 0; col < kNr; col += 2 * kWords) {
    if (in.overflow == Overflow::SAT) {
      lanes16_of<kRows, Overflow::SAT>(in, first, col);
    } else if (in.overflow == Overflow::SAT_SYM) {
      lanes16_of<kRows, Overflow::SAT_SYM>(in, first, col);
    } else {
      lanes16_of<kRows, Overflow::WRAP>(in, first, col);
    }
  }
}

void lanes16(const SingleBlock& in) {
  int r = 0;
  for (; r + 4 <= in.rows; r += 4) lanes16_rows<4>(in, r);
  for (; r < in.rows; ++r) lanes16_rows<1>(in, r);
}

std::int32_t lanes_of(__m256i v, bool smallest) {
  alignas(32) std::int32_t lanes[kWords];
  store(lanes, v);
  std::int32_t best = lanes[0];
  for (const std::int32_t lane : lanes) best = (smallest ? lane < best : lane > best) ? lane : best;
  return best;
}

void range(const std::int32_t* acc, int rows, std::int32_t low, std::uint32_t mask, std::int32_t* min,
           std::int32_t* max) {
  const __m256i offset = _mm256_set1_epi32(low);
  const __m256i bits = _mm256_set1_epi32(static_cast<int>(mask));
  __m256i least = _mm256_set1_epi32(INT32_MAX);
  __m256i most = _mm256_set1_epi32(INT32_MIN);
  for (int i = 0; i < rows * kVectors * kWords; i += kWords) {
    const __m256i value = _mm256_add_epi32(_mm256_and_si256(_mm256_sub_epi32(load(acc + i), offset), bits), offset);
    least = _mm256_min_epi32(least, value);
    most = _mm256_max_epi32(most, value);
  }
  *min = lanes_of(least, true);
  *max = lanes_of(most, false);
}

void byte_range(const std::uint8_t* const* lhs, int rows, std::int64_t count, int* min, int* max) {
  __m256i least = _mm256_set1_epi8(-1);
  __m256i most = _mm256_setzero_si256();
  int low = 255;
  int high = 0;
  for (int r = 0; r < rows; ++r) {
    std::int64_t k = 0;
    for (; k + 32 <= count; k += 32) {
      const __m256i x = load(lhs[r] + k);
      least = _mm256_min_epu8(least, x);
      most = _mm256_max_epu8(most, x);
    }
    for (; k < count; ++k) {
      low = lhs[r][k] < low ? lhs[r][k] : low;
      high = lhs[r][k] > high ? lhs[r][k] : high;
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

// The compiler's vectors do well enough here.
void left(const std::uint8_t* from, int depth, std::int32_t offset, LeftForm form, std::uint32_t* to) {
  const auto value = [&](int k) { return static_cast<std::uint32_t>(from[k] - offset) & 0xFFFF; };
  if (form == LeftForm::Singles) {
    for (int k = 0; k < depth; ++k) to[k] = value(k) * 0x10001U;
    return;
  }
  const bool products = form == LeftForm::Products;
  for (int k = 0; k + 1 < depth; k += 2) {
    if (products) {
      to[k] = value(k);
      to[k + 1] = value(k + 1) << 16;
    } else {
      to[k / 2] = value(k) | value(k + 1) << 16;
    }
  }
  if (depth % 2 != 0) to[products ? depth - 1 : depth / 2] = value(depth - 1);
}

void expand(const std::int8_t* from, int quads, bool singles, std::int16_t* to) {
  for (int q = 0; q < quads; ++q, from += kHalf * 4, to += 4 * kNr) {
    for (int v = 0; v < 2; ++v) {
      const __m256i x = load(from + v * 32);  // 8 columns
      const int col = v * kWords;
      if (singles) {
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

// By way of a block of sums.
void product(const ProductBlock& in) {
  std::int32_t sums[kMr * kNr];
  for (int i = 0; i < kMr * kNr; ++i) sums[i] = in.start[i % kNr];
  QuadBlock quads = in.quads;
  quads.acc = sums;
  dot_quads(quads);
  for (int r = 0; r < in.rows; ++r) {
    for (int c = 0; c < in.cols; ++c) in.out[r * in.out_stride + c] = sums[r * kNr + c];
  }
}

std::int64_t square_sum(const std::uint8_t* const* lhs, int rows, std::int64_t count, std::int32_t offset) {
  std::int64_t largest = 0;
  for (int r = 0; r < rows; ++r) {
    std::int64_t sum = 0;
    for (std::int64_t k = 0; k < count; ++k) sum += (lhs[r][k] - offset) * (lhs[r][k] - offset);
    largest = sum > largest ? sum : largest;
  }
  return largest;
}

}  // namespace

const GemmKernels& gemm_kernels_avx2() {
  static constexpr GemmKernels kTable{dot_quads, product, lanes32, lanes16, range, square_sum, left, expand, byte_range};
  return kTable;
}

}  // namespace guardbit::arith::detail
