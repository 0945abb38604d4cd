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

// Adds a chunk's sums of one row; plain loops, which vectorize.
template <int kLanes, int kPlanes>
void add_chunk(const std::int32_t (&parts)[kPlanes][kLanes], const std::int64_t* correction, std::int32_t norm,
               const std::int32_t* up, const std::int32_t* down, std::int64_t* begins, std::int64_t* sums,
               std::int64_t* least, std::int64_t* most) {
  for (int i = 0; i < kLanes; ++i) {
    const std::int64_t before = sums[i];
    begins[i] = before;
    std::int64_t sum = before + parts[0][i];
    if constexpr (kPlanes == 2) sum += parts[1][i] * kHighPlane;
    if (correction != nullptr) sum += correction[i];
    const std::int64_t low = (sum < before ? sum : before) - std::int64_t{norm} * down[i];
    const std::int64_t high = (sum > before ? sum : before) + std::int64_t{norm} * up[i];
    sums[i] = sum;
    least[i] = low < least[i] ? low : least[i];
    most[i] = high > most[i] ? high : most[i];
  }
}

template <class Vector, int kPlanes>
void pair_tile(const PairTile& t) {
  constexpr int kWidth = Vector::kLanes * Vector::kVectors;
  using Sums = typename Vector::Sums;
  for (int r = 0; r < kPairRows; ++r) {
    for (int c = 0; c < kPairCols; ++c) {
      const int at = r * kPairCols + c;
      t.sums[at] = t.least[at] = t.most[at] = t.start[c];
    }
  }
  for (int col = 0; col < kPairCols; col += kWidth) {
    std::int64_t chunk = 0;
    for (int begin = 0; begin < t.pairs; begin += t.chunk_pairs, ++chunk) {
      const int end = t.pairs - begin < t.chunk_pairs ? t.pairs : begin + t.chunk_pairs;
      Sums sums[kPairRows][kPlanes][Vector::kVectors];
      for (auto& row : sums) {
        for (auto& plane : row) {
          for (Sums& sum : plane) sum = Vector::zero();
        }
      }
      const std::int16_t* right = t.right + (std::int64_t{begin} * kPlanes * kPairCols + col) * 2;
      for (int pair = begin; pair < end; ++pair, right += kPlanes * kPairCols * 2) {
        for (int plane = 0; plane < kPlanes; ++plane) {
          for (int v = 0; v < Vector::kVectors; ++v) {
            const auto weights = Vector::load(right + (plane * kPairCols + v * Vector::kLanes) * 2);
            for (int r = 0; r < kPairRows; ++r) {
              const auto codes = Vector::repeat(t.left + r * t.left_stride + std::int64_t{pair} * 2);
              Vector::add_pairs(sums[r][plane][v], codes, weights);
            }
          }
        }
      }
      for (int r = 0; r < kPairRows; ++r) {
        alignas(64) std::int32_t parts[kPlanes][kWidth];
        for (int plane = 0; plane < kPlanes; ++plane) {
          for (int v = 0; v < Vector::kVectors; ++v) Vector::store(sums[r][plane][v], parts[plane] + v * Vector::kLanes);
        }
        const int at = r * kPairCols + col;
        const std::int64_t right_at = chunk * kPairCols + col;
        add_chunk<kWidth, kPlanes>(parts, t.corrections == nullptr ? nullptr : t.corrections + right_at,
                                   t.left_norms[r * t.norm_stride + chunk], t.up + right_at, t.down + right_at,
                                   t.before + r * t.before_stride + right_at, t.sums + at, t.least + at, t.most + at);
      }
    }
  }
}

// In binary64, where the products and sums are exact; the window is the part of a sum above `width` bits, which the
// addition of 1.5 * 2^52 makes bits of the significand.
inline void follow_chunk(PairFollow& f) {
  constexpr int kLanes = 8;
  constexpr double kMagic = 6755399441055744.0;
  typedef double Real __attribute__((vector_size(kLanes * 8)));
  typedef std::uint64_t Bits __attribute__((vector_size(kLanes * 8)));
  typedef std::int32_t Pairs __attribute__((vector_size(kLanes * 4)));
  const std::int64_t stride = std::int64_t{f.planes} * kPairCols * 2;
  const auto origin = static_cast<double>(f.low);
  for (int first = 0; first < kFollowCols; first += kLanes) {
    Real sum;
    for (int i = 0; i < kLanes; ++i) sum[i] = static_cast<double>(f.begin[first + i]);
    Real least = sum;
    Real most = sum;
    Bits window = (Bits)(sum - origin + kMagic) >> f.width;
    Bits changes = {};
    const std::int16_t* right = f.right + first * 2;
    for (int pair = 0; pair < f.pairs; ++pair, right += stride) {
      Pairs both;
      __builtin_memcpy(&both, right, sizeof both);
      Pairs weights[2] = {(both << 16) >> 16, both >> 16};
      if (f.planes == 2) {
        __builtin_memcpy(&both, right + kPairCols * 2, sizeof both);
        weights[0] += (both << 16) >> 8;
        weights[1] += (both >> 16) << 8;
      }
      for (int i = 0; i < 2; ++i) {
        const auto operand = static_cast<double>(f.codes[pair * 2 + i] - f.offset);
        sum += __builtin_convertvector(weights[i], Real) * operand;
        least = sum < least ? sum : least;
        most = sum > most ? sum : most;
        const Bits now = (Bits)(sum - origin + kMagic) >> f.width;
        changes -= (Bits)(now != window);  // a true lane is -1
        window = now;
      }
    }
    for (int i = 0; i < kLanes; ++i) {
      f.least[first + i] = static_cast<std::int64_t>(least[i]);
      f.most[first + i] = static_cast<std::int64_t>(most[i]);
      f.changes[first + i] = static_cast<std::int64_t>(changes[i]);
    }
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
