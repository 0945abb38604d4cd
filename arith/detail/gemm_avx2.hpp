// What the files of gemm_*_avx2.cpp share. Only they, compiled with those instructions, may include this.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "arith/detail/gemm_kernels.hpp"
#include "arith/detail/gemm_plain.hpp"

namespace guardbit::arith::detail::avx2 {

void add_quads(const QuadBlock& in);
void squares(const SquareBlock& in);
void lanes32(const PairBlock& in, LaneFit fit);
void lanes16(const SingleBlock& in);
void ranges(const PairBlock& in, std::int32_t* least, std::int32_t* most);
void byte_range(const std::uint8_t* lhs, std::int64_t lhs_stride, std::int64_t rows, std::int64_t count, int* min,
                int* max);

inline constexpr int kWords = 8;  // dwords of a register
inline constexpr int kVectors = kNr / kWords;

// The header alone compiles without those instructions, too.
#pragma GCC push_options
#pragma GCC target("avx2")

[[gnu::always_inline]] inline __m256i load(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}
[[gnu::always_inline]] inline void store(void* to, __m256i value) {
  _mm256_storeu_si256(static_cast<__m256i*>(to), value);
}

template <typename T>
[[gnu::always_inline]] inline __m256i broadcast(const T* dword) {
  std::int32_t value;
  std::memcpy(&value, dword, sizeof value);
  return _mm256_set1_epi32(value);
}

// Number k of a row of 16-bit numbers.
[[gnu::always_inline]] inline __m256i broadcast_word(const void* row, int k) {
  std::int16_t value;
  std::memcpy(&value, static_cast<const char*>(row) + 2 * k, sizeof value);
  return _mm256_set1_epi16(value);
}

#pragma GCC pop_options

}  // namespace guardbit::arith::detail::avx2
