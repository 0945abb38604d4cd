// What the files of gemm_*_avx512.cpp share. Only they, compiled with those instructions, may include this.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "arith/detail/gemm_kernels.hpp"

namespace guardbit::arith::detail::avx512 {

void dot_quads(const QuadBlock& in);
void product(const ProductBlock& in);
void lanes32(const PairBlock& in, LaneFit fit);
void lanes16(const SingleBlock& in);
void range(const std::int32_t* acc, int rows, std::int32_t low, std::uint32_t mask, std::int32_t* min,
           std::int32_t* max);
void byte_range(const std::uint8_t* const* lhs, int rows, std::int64_t count, int* min, int* max);
[[nodiscard]] std::int64_t square_sum(const std::uint8_t* const* lhs, int rows, std::int64_t count,
                                      std::int32_t offset);

// The header alone compiles without those instructions, too.
#pragma GCC push_options
#pragma GCC target("avx512f")

template <typename T>
[[gnu::always_inline]] inline __m512i broadcast(const T* dword) {
  std::int32_t value;
  std::memcpy(&value, dword, sizeof value);
  return _mm512_set1_epi32(value);
}

[[gnu::always_inline]] inline __m512i load(const void* from) { return _mm512_loadu_si512(from); }
[[gnu::always_inline]] inline void store(void* to, __m512i value) { _mm512_storeu_si512(to, value); }

#pragma GCC pop_options

}  // namespace guardbit::arith::detail::avx512
