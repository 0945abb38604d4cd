// The pair kernels, written once on a class of vector operations; included by the file of each instruction set.
//
// Vector: kLanes sums of 32 bits; kVectors of them that a row's sums may take at a time; load(int16*), repeat(int16*)
// of one pair, zero(), add_pairs(sums, a, b), store(sums, int32*). Nothing here instantiates a template of the library:
// the linker might keep this file's copy for all.
#pragma once

#include <cmath>

#include "arith/detail/pair_kernel.hpp"

namespace guardbit::arith::detail {
namespace {

typedef std::int64_t Longs __attribute__((vector_size(kFollowCols * 8)));
typedef std::uint64_t Bits __attribute__((vector_size(kFollowCols * 8)));
typedef double Reals __attribute__((vector_size(kFollowCols * 8)));
typedef std::int32_t Ints __attribute__((vector_size(kFollowCols * 4)));

// 1.5 * 2^52: added to a number below 2^51, it leaves that as an integer in the low bits of the significand.
constexpr double kMagic = 6755399441055744.0;

template <class V, class T>
[[gnu::always_inline]] inline void load(const T* from, V& to) {
  __builtin_memcpy(&to, from, sizeof to);
}
template <class V, class T>
[[gnu::always_inline]] inline void store(const V& from, T* to) {
  __builtin_memcpy(to, &from, sizeof from);
}

// norm * factors, below 2^50, in 64 bits.
[[gnu::always_inline]] inline void times(double norm, const std::int32_t* factors, Longs& to) {
  Ints narrow;
  load(factors, narrow);
  to = (Longs)(__builtin_convertvector(narrow, Reals) * norm + kMagic) - (Longs)(Reals{} + kMagic);
}

[[gnu::always_inline]] inline bool any(const Longs& v) {
  typedef std::int64_t Half __attribute__((vector_size(kFollowCols * 4)));
  Half halves[2];
  __builtin_memcpy(halves, &v, sizeof v);
  const Half both = halves[0] | halves[1];
  return (both[0] | both[1] | both[2] | both[3]) != 0;
}

// kFollowCols columns of a chunk of one row: adds the chunk's sums, and bounds all that there were.
template <int kPlanes>
[[gnu::always_inline]] inline void add_chunk(const PairTile& t, int row, int chunk, int col,
                                             const std::int32_t* const (&parts)[kPlanes]) {
  constexpr std::int64_t kPositive = std::int64_t{1} << 62;
  const std::int64_t right = std::int64_t{chunk} * kPairCols + col;
  const std::int64_t left = std::int64_t{row} * t.chunks + chunk;
  const std::int64_t at = std::int64_t{row} * kPairCols + col;
  Longs before;
  load(t.sums + at, before);
  store(before, t.before + left * kPairCols + col);
  Ints narrow;
  load(parts[0], narrow);
  Longs sum = before + __builtin_convertvector(narrow, Longs);
  if constexpr (kPlanes == 2) {
    load(parts[1], narrow);
    sum += __builtin_convertvector(narrow, Longs) << 8;  // kHighPlane
  }
  if (t.corrections != nullptr) {
    Longs correction;
    load(t.corrections + right, correction);
    sum += correction;
  }
  store(sum, t.sums + at);
  const auto norm = static_cast<double>(t.left_norms[row * t.norm_stride + chunk]);
  Longs up;
  Longs down;
  times(norm, t.up + right, up);
  times(norm, t.down + right, down);
  const Longs low = (sum < before ? sum : before) - down;
  const Longs high = (sum > before ? sum : before) + up;
  Longs least;
  Longs most;
  load(t.least + at, least);
  load(t.most + at, most);
  store(low < least ? low : least, t.least + at);
  store(high > most ? high : most, t.most + at);
  const std::int64_t origin = t.windows.origin - kPositive;
  const Bits windows = ((Bits)(low - origin) >> t.windows.width) ^ ((Bits)(high - origin) >> t.windows.width);
  const Longs open = (Longs)windows | (low < t.low) | (high > t.high);
  t.open[(left * kPairCols + col) / kFollowCols] = any(open) ? 1 : 0;
}

// Sums of a chunk: [kPairRows][kPlanes][columns]. Unrolled, so that they stay in registers.
template <class Vector, int kPlanes>
[[gnu::always_inline]] inline void add_pairs(const std::int16_t* left, std::int64_t left_stride,
                                             const std::int16_t* right, int pairs, std::int32_t* out) {
  constexpr int kVectors = kPlanes * Vector::kVectors;  // of a row
  typename Vector::Sums sums[kPairRows * kVectors];
#pragma GCC unroll 16
  for (auto& sum : sums) sum = Vector::zero();
  for (int pair = 0; pair < pairs; ++pair, left += 2, right += kPlanes * kPairCols * 2) {
    decltype(Vector::repeat(nullptr)) codes[kPairRows];
#pragma GCC unroll 4
    for (int r = 0; r < kPairRows; ++r) codes[r] = Vector::repeat(left + r * left_stride);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const int plane = v / Vector::kVectors;
      const auto weights = Vector::load(right + (plane * kPairCols + v % Vector::kVectors * Vector::kLanes) * 2);
#pragma GCC unroll 4
      for (int r = 0; r < kPairRows; ++r) Vector::add_pairs(sums[r * kVectors + v], codes[r], weights);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kPairRows * kVectors; ++i) Vector::store(sums[i], out + i * Vector::kLanes);
}

template <class Vector, int kPlanes>
void pair_tile(const PairTile& t) {
  constexpr int kWidth = Vector::kLanes * Vector::kVectors;
  for (int r = 0; r < kPairRows; ++r) {
    for (int c = 0; c < kPairCols; ++c) {
      const int at = r * kPairCols + c;
      t.sums[at] = t.least[at] = t.most[at] = t.start[c];
    }
  }
  for (int col = 0; col < kPairCols; col += kWidth) {
    int chunk = 0;
    for (int begin = 0; begin < t.pairs; begin += t.chunk_pairs, ++chunk) {
      const int pairs = t.pairs - begin < t.chunk_pairs ? t.pairs - begin : t.chunk_pairs;
      alignas(64) std::int32_t parts[kPairRows][kPlanes][kWidth];
      const std::int16_t* left = t.left + std::int64_t{begin} * 2;
      const std::int16_t* right = t.right + (std::int64_t{begin} * kPlanes * kPairCols + col) * 2;
      add_pairs<Vector, kPlanes>(left, t.left_stride, right, pairs, parts[0][0]);
      for (int r = 0; r < kPairRows; ++r) {
        for (int i = 0; i < kWidth; i += kFollowCols) {
          const std::int32_t* from[kPlanes];
          for (int plane = 0; plane < kPlanes; ++plane) from[plane] = parts[r][plane] + i;
          add_chunk<kPlanes>(t, r, chunk, col + i, from);
        }
      }
    }
  }
}

// In binary64, where the products and sums are exact; the window is the part of a sum above `width` bits.
inline void follow_chunk(PairFollow& f) {
  const std::int64_t stride = std::int64_t{f.planes} * kPairCols * 2;
  const auto origin = static_cast<double>(f.windows.origin);
  Reals sum;
  for (int i = 0; i < kFollowCols; ++i) sum[i] = static_cast<double>(f.begin[i]);
  Reals least = sum;
  Reals most = sum;
  Bits window = (Bits)(sum - origin + kMagic) >> f.windows.width;
  Bits changes = {};
  const std::int16_t* right = f.right;
  for (int pair = 0; pair < f.pairs; ++pair, right += stride) {
    Ints both;
    __builtin_memcpy(&both, right, sizeof both);
    Ints weights[2] = {(both << 16) >> 16, both >> 16};
    if (f.planes == 2) {
      __builtin_memcpy(&both, right + kPairCols * 2, sizeof both);
      weights[0] += (both << 16) >> 8;
      weights[1] += (both >> 16) << 8;
    }
    for (int i = 0; i < 2; ++i) {
      const auto operand = static_cast<double>(f.codes[pair * 2 + i] - f.offset);
      sum += __builtin_convertvector(weights[i], Reals) * operand;
      least = sum < least ? sum : least;
      most = sum > most ? sum : most;
      const Bits now = (Bits)(sum - origin + kMagic) >> f.windows.width;
      changes -= (Bits)(now != window);  // a true lane is -1
      window = now;
    }
  }
  for (int i = 0; i < kFollowCols; ++i) {
    f.least[i] = static_cast<std::int64_t>(least[i]);
    f.most[i] = static_cast<std::int64_t>(most[i]);
    f.changes[i] = static_cast<std::int64_t>(changes[i]);
  }
}

// In binary32, raised by far more than its error: operands are exact, and a lane adds at most eight squares.
inline void chunk_norms(const std::int16_t* codes, int depth, std::int32_t offset, int chunk_pairs,
                        std::int32_t* norms) {
  constexpr int kLanes = 8;
  const auto zero = static_cast<float>(offset);
  for (int begin = 0; begin < depth; begin += chunk_pairs * 2) {
    const int end = depth - begin < chunk_pairs * 2 ? depth : begin + chunk_pairs * 2;
    float squares[kLanes] = {};
    int k = begin;
    for (; k + kLanes <= end; k += kLanes) {
      for (int i = 0; i < kLanes; ++i) {
        const float value = static_cast<float>(codes[k + i]) - zero;
        squares[i] += value * value;
      }
    }
    for (int i = 0; k < end; ++k, ++i) {
      const float value = static_cast<float>(codes[k]) - zero;
      squares[i] += value * value;
    }
    float sum = 0;
    for (const float square : squares) sum += square;
    *norms++ = static_cast<std::int32_t>(std::sqrt(double{sum} * (1 + 1e-4))) + 1;
  }
}

template <class Vector>
constexpr PairKernels kPairKernels{pair_tile<Vector, 1>, pair_tile<Vector, 2>, follow_chunk, chunk_norms};

}  // namespace
}  // namespace guardbit::arith::detail
