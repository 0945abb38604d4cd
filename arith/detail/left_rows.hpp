// The rows of the left operand that are worked on together: their bytes, and what proofs ask of them.
#pragma once

#include <array>

#include "arith/detail/gemm_plan.hpp"

namespace guardbit::arith::detail {

struct ByteRange {
  int min = 0, max = 0;
};

class LeftRows {
 public:
  // A part of the rows whose bytes lie one stride apart; it begins with a whole tile.
  struct Run {
    std::int64_t first = 0, rows = 0;
    const std::uint8_t* base = nullptr;
    std::int64_t stride = 0;
  };

  LeftRows(const GemmPlan& plan, std::int64_t most_rows);

  void read(std::int64_t first, std::int64_t count);

  [[nodiscard]] std::int64_t first() const { return first_; }
  [[nodiscard]] std::int64_t count() const { return count_; }
  [[nodiscard]] std::int64_t tiles() const { return (count_ + kMr - 1) / kMr; }
  [[nodiscard]] std::span<const Run> runs() const { return {runs_.data(), static_cast<std::size_t>(used_runs_)}; }
  // Whole quads may be read: what is beyond the depth meets weights of 0.
  [[nodiscard]] const std::uint8_t* row(std::int64_t r) const {
    const Run& run = runs_[used_runs_ == 2 && r >= runs_[1].first ? 1 : 0];
    return run.base + (r - run.first) * run.stride;
  }

  // At least the norm of every row; `coarse`: a cheaper and looser bound.
  [[nodiscard]] float norm(bool coarse = false);
  // [tiles][segments], at least the norms of the tile's rows in the segments of `chunks_each` chunks.
  [[nodiscard]] const float* tile_norms(std::int64_t chunks_each);
  // The same of some rows of one tile.
  void norms_of(std::int64_t r, std::int64_t rows, std::int64_t chunks_each, float* to);
  [[nodiscard]] Run part(std::int64_t r, std::int64_t rows) const {
    const Run& run = runs_[used_runs_ == 2 && r >= runs_[1].first ? 1 : 0];
    return {r, rows, run.base + (r - run.first) * run.stride, run.stride};
  }
  [[nodiscard]] ByteRange range();

 private:
  void square();
  void run_squares(std::int64_t chunk, bool coarse, std::int32_t* to);

  const GemmPlan& plan_;
  std::int64_t depth_, stride_, chunks_;
  bool direct_;
  std::int64_t first_ = 0, count_ = 0;
  std::array<Run, 2> runs_;
  int used_runs_ = 0;
  LineVector<std::uint8_t> packed_;           // [most rows][stride], or the last tile when rows are read in place
  std::vector<std::int32_t> squares_;         // [tiles][chunks]
  std::vector<std::int32_t> coarse_squares_;  // [tiles]
  std::vector<std::int32_t> row_squares_;     // [chunks]
  std::vector<float> norms_;                  // [tiles][segments]
  std::int64_t norms_each_ = 0;               // chunks per segment of norms_; 0: none
  bool squared_ = false, coarse_ = false, ranged_ = false;
  float norm_ = 0, coarse_norm_ = 0;
  ByteRange range_;
};

}  // namespace guardbit::arith::detail
