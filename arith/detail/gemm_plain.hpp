// Inner loops of gemm.hpp in plain C++ that several instruction sets share. A template parameter keeps their machine
// code apart: each is compiled with its own instructions.
#pragma once

#include "arith/detail/gemm_kernels.hpp"

namespace guardbit::arith::detail {

// Quads of up to kMr rows: acc[r][c] += dot.
struct QuadBlock {
  const std::uint8_t* lhs;  // at the first quad
  std::int64_t lhs_stride;
  int rows;
  const std::int8_t* rhs;
  std::int64_t half_stride;
  int halves;
  std::int64_t quads;
  std::int32_t* acc;  // [kMr][kNr]
};
using AddQuads = void (*)(const QuadBlock&);

// Panels by way of a block of sums, with or without a watch.
template <AddQuads kAddQuads>
void plain_tile(const PanelBlock& in, const WatchBlock* watch, std::int64_t first) {
  std::int32_t sums[kMr * kNr];
  for (int i = 0; i < kMr * kNr; ++i) sums[i] = in.start[i % kNr];
  const int rows = static_cast<int>(in.rows - first < kMr ? in.rows - first : kMr);
  QuadBlock quads{.lhs = in.lhs + first * in.lhs_stride,
                  .lhs_stride = in.lhs_stride,
                  .rows = rows,
                  .rhs = in.rhs,
                  .half_stride = in.half_stride,
                  .halves = in.halves,
                  .quads = in.quads,
                  .acc = sums};
  if (watch == nullptr) {
    kAddQuads(quads);
  } else {
    std::int32_t least_before[kNr], most_before[kNr];
    bool over[kNr] = {};
    for (int c = 0; c < kNr; ++c) least_before[c] = most_before[c] = watch->value[c];
    for (int s = 0; s < watch->segments; ++s) {
      const std::int64_t start = s * watch->segment_quads;
      quads.lhs = in.lhs + first * in.lhs_stride + start * 4;
      quads.rhs = in.rhs + start * kHalf * 4;
      quads.quads = s + 1 == watch->segments ? in.quads - start : watch->segment_quads;
      kAddQuads(quads);
      const float left = watch->left[first / kMr * watch->segments + s];
      for (int c = 0; c < in.halves * kHalf; ++c) {
        std::int32_t least = sums[c];
        std::int32_t most = sums[c];
        for (int r = 1; r < rows; ++r) {
          least = sums[r * kNr + c] < least ? sums[r * kNr + c] : least;
          most = sums[r * kNr + c] > most ? sums[r * kNr + c] : most;
        }
        if (watch->correction != nullptr) {
          const auto lacking = static_cast<std::uint32_t>(watch->correction[s * kNr + c]);
          least = static_cast<std::int32_t>(static_cast<std::uint32_t>(least) + lacking);
          most = static_cast<std::int32_t>(static_cast<std::uint32_t>(most) + lacking);
        }
        const float bound = left * watch->right[s * kNr + c];
        const std::int32_t move = static_cast<std::int32_t>(bound < kMostMove ? bound : kMostMove) + 1;
        over[c] |= (most > most_before[c] ? most : most_before[c]) > watch->high - move;
        over[c] |= (least < least_before[c] ? least : least_before[c]) < watch->low + move;
        least_before[c] = least;
        most_before[c] = most;
      }
    }
    std::uint32_t failing = 0;
    for (int c = 0; c < kNr; ++c) failing |= static_cast<std::uint32_t>(over[c] ? 1 : 0) << c;
    watch->failing[first / kMr] = failing;
  }
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < in.cols; ++c) in.out[(first + r) * in.out_stride + c] = sums[r * kNr + c];
  }
}

template <AddQuads kAddQuads>
void plain_panel(const PanelBlock& in) {
  for (std::int64_t first = 0; first < in.rows; first += kMr) plain_tile<kAddQuads>(in, nullptr, first);
}

template <AddQuads kAddQuads>
void plain_watched_panel(const PanelBlock& in, const WatchBlock& watch) {
  for (std::int64_t first = 0; first < in.rows; first += kMr) plain_tile<kAddQuads>(in, &watch, first);
}

// sum(row, begin, end): of the squares of a row's values begin .. end - 1. Exact, coarse or not.
template <typename SumOfSquares>
void squares_of(const SquareBlock& in, const SumOfSquares& sum) {
  std::int32_t* to = in.squares;
  for (std::int64_t first = 0; first < in.rows; first += kMr) {
    for (std::int64_t k = 0; k < in.depth; k += in.chunk) {
      const std::int64_t end = in.depth - k < in.chunk ? in.depth : k + in.chunk;
      std::int32_t largest = 0;
      for (std::int64_t r = first; r < first + kMr && r < in.rows; ++r) {
        const std::int32_t here = sum(in.lhs + r * in.lhs_stride, k, end);
        largest = here > largest ? here : largest;
      }
      *to++ = largest;
    }
  }
}

template <GemmIsa kIsa>
void plain_squares(const SquareBlock& in) {
  squares_of(in, [&](const std::uint8_t* row, std::int64_t begin, std::int64_t end) {
    std::int32_t sum = 0;
    for (std::int64_t i = begin; i < end; ++i) sum += (row[i] - in.offset) * (row[i] - in.offset);
    return sum;
  });
}

template <GemmIsa kIsa>
void plain_turn(const std::uint8_t* const* rows, int depth, std::int32_t offset, bool singles, std::int16_t* to) {
  for (int c = 0; c < kNr; ++c) {
    for (int k = 0; k < depth; ++k) {
      to[singles ? k * kNr + c : (k / 2 * kNr + c) * 2 + k % 2] = static_cast<std::int16_t>(rows[c][k] - offset);
    }
    if (!singles && depth % 2 != 0) to[(depth / 2 * kNr + c) * 2 + 1] = 0;
  }
}

// The compiler's vectors do well enough here and below.
template <GemmIsa kIsa>
LostRows plain_lost_rows(const std::int32_t* overflows, const std::int32_t* losses, int rows) {
  std::int32_t changed = 0;
  std::int32_t quiet = 0;  // minus the outputs without an overflow
  std::int32_t open = 0;
  for (int c = 0; c < rows * kNr; ++c) {
    const std::int32_t none = -static_cast<std::int32_t>(overflows[c] == 0);
    const std::int32_t lost_none = -static_cast<std::int32_t>(static_cast<std::uint32_t>(losses[c]) << 16 == 0);
    changed += overflows[c];
    quiet += none;
    open |= lost_none & ~none;
  }
  return {changed, rows * kNr + quiet, open != 0};
}

// value = byte - offset
template <GemmIsa kIsa>
void plain_left(const std::uint8_t* from, int depth, std::int32_t offset, LeftForm form, std::uint32_t* to) {
  const auto value = [&](int k) { return static_cast<std::uint32_t>(from[k] - offset) & 0xFFFF; };
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

}  // namespace guardbit::arith::detail
