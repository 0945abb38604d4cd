// What the files of gemm_*_avx512.cpp share. Only they, compiled with those instructions, may include this.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "arith/detail/gemm_kernels.hpp"

namespace guardbit::arith::detail::avx512 {

void panel(const PanelBlock& in);
void watched_panel(const PanelBlock& in, const WatchBlock& watched);
void squares(const SquareBlock& in);
void lanes32(const PairBlock& in, LaneFit fit);
void lanes16(const SingleBlock& in);
void lanes16_bytes(const SingleBlock& in);
void ranges(const PairBlock& in, std::int32_t* least, std::int32_t* most);
void turn(const std::uint8_t* const* rows, int depth, std::int32_t offset, bool singles, std::int16_t* to);
void byte_range(const std::uint8_t* lhs, std::int64_t lhs_stride, std::int64_t rows, std::int64_t count, int* min,
                int* max);

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
