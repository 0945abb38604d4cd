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
void add_chunk(const std::int32_t (&parts)[kPlanes][kLanes], const std::int64_t* correction, std::int64_t* sums,
               std::int64_t* least, std::int64_t* most) {
  for (int i = 0; i < kLanes; ++i) {
    std::int64_t sum = sums[i] + parts[0][i];
    if constexpr (kPlanes == 2) sum += parts[1][i] * kHighPlane;
    if (correction != nullptr) sum += correction[i];
    sums[i] = sum;
    least[i] = sum < least[i] ? sum : least[i];
    most[i] = sum > most[i] ? sum : most[i];
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
    const std::int64_t* correction = t.corrections == nullptr ? nullptr : t.corrections + col;
    for (int begin = 0; begin < t.pairs; begin += kPairChunk) {
      const int end = t.pairs - begin < kPairChunk ? t.pairs : begin + kPairChunk;
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
        add_chunk<kWidth, kPlanes>(parts, correction, t.sums + at, t.least + at, t.most + at);
      }
      if (correction != nullptr) correction += kPairCols;
    }
  }
}

// In binary32, raised by far more than its error: codes are exact, and a lane adds four squares of a chunk.
inline std::int64_t largest_norm(const std::int16_t* codes, std::int64_t depth, std::int32_t offset) {
  constexpr int kLanes = 16;
  const auto zero = static_cast<float>(offset);
  float largest = 0;
  for (std::int64_t begin = 0; begin < depth; begin += kPairChunk * 2) {
    const std::int64_t end = depth - begin < kPairChunk * 2 ? depth : begin + kPairChunk * 2;
    float squares[kLanes] = {};
    std::int64_t k = begin;
    for (; k + kLanes <= end; k += kLanes) {
      for (int i = 0; i < kLanes; ++i) {
        const float value = static_cast<float>(codes[k + i]) - zero;
        squares[i] += value * value;
      }
    }
    for (; k < end; ++k) {
      const float value = static_cast<float>(codes[k]) - zero;
      squares[0] += value * value;
    }
    float sum = 0;
    for (const float square : squares) sum += square;
    largest = sum > largest ? sum : largest;
  }
  return static_cast<std::int64_t>(std::sqrt(double{largest} * (1 + 1e-4))) + 1;
}

template <class Vector>
constexpr PairKernels kPairKernels{pair_tile<Vector, 1>, pair_tile<Vector, 2>, largest_norm};

}  // namespace
}  // namespace guardbit::arith::detail
