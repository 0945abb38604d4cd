// Running sums of [rows, cols] outputs in any format, and what they saw: the plain counterpart of the vector lanes.
#pragma once

#include <algorithm>
#include <vector>

#include "arith/detail/tile_state.hpp"
#include "arith/overflow.hpp"

namespace guardbit::arith::detail {

// One narrowing of value + term. The range check in 64 bits decides nearly always; the rest goes through fit().
struct Narrower {
  Format format;
  std::int64_t low;
  std::int64_t high;

  explicit Narrower(const Format& f)
      : format(f),
        low(static_cast<std::int64_t>(f.overflow == Overflow::SAT_SYM && f.is_signed ? -f.max_code() : f.min_code())),
        high(static_cast<std::int64_t>(f.max_code())) {}

  // True when it changed the sum.
  bool add(std::int64_t& value, std::int64_t term) const {
    std::int64_t sum = 0;
    if (!__builtin_add_overflow(value, term, &sum) && low <= sum && sum <= high) {
      value = sum;
      return false;
    }
    const Fitted fitted = fit(int128{value} + term, format);
    value = static_cast<std::int64_t>(fitted.value);
    return fitted.overflowed;
  }
};

class OutputLanes {
 public:
  OutputLanes(int max_rows, int max_cols, const Format& format)
      : narrower_(format), max_rows_(max_rows), max_cols_(max_cols) {
    const std::size_t lanes = static_cast<std::size_t>(max_rows) * static_cast<std::size_t>(max_cols);
    for (auto* array : {&value_, &exact_, &exact_min_, &exact_max_, &first_}) {
      array->resize(lanes);
    }
    overflows_.resize(lanes);
  }

  [[nodiscard]] int rows() const { return rows_; }
  [[nodiscard]] int cols() const { return cols_; }

  void reset(int rows, int cols, std::span<const std::int64_t> initial) {
    require(rows <= max_rows_ && cols <= max_cols_);
    rows_ = rows;
    cols_ = cols;
    for (int c = 0; c < cols; ++c) {
      const std::int64_t start = initial.empty() ? 0 : initial[static_cast<std::size_t>(c)];
      const Fitted fitted = fit(start, narrower_.format);
      for (int r = 0; r < rows; ++r) {
        const std::size_t lane = lane_of(r, c);
        value_[lane] = static_cast<std::int64_t>(fitted.value);
        exact_[lane] = exact_min_[lane] = exact_max_[lane] = start;
        overflows_[lane] = fitted.overflowed ? 1 : 0;
        first_[lane] = 0;
      }
    }
  }

  // acc = narrow(acc + term) for a row of outputs; `exact_term` is what an accumulator that never overflows would add.
  void add_row(int row, const std::int64_t* term, const std::int64_t* exact_term, std::int64_t narrowing) {
    for (int c = 0; c < cols_; ++c) {
      const std::size_t lane = lane_of(row, c);
      if (narrower_.add(value_[lane], term[c]) && overflows_[lane]++ == 0) {
        first_[lane] = narrowing;
      }
      exact_[lane] += exact_term[c];
      exact_min_[lane] = std::min(exact_min_[lane], exact_[lane]);
      exact_max_[lane] = std::max(exact_max_[lane], exact_[lane]);
    }
  }

  void finish(std::int64_t* out, std::int64_t out_stride, std::int64_t first_output, std::int64_t row_step,
              AccumulationEvidence& evidence) const {
    for (int r = 0; r < rows_; ++r) {
      for (int c = 0; c < cols_; ++c) {
        out[r * out_stride + c] = value_[lane_of(r, c)];
        record(lane_of(r, c), first_output + r * row_step + c, evidence);
      }
    }
  }

  void exact_sums(std::int64_t* out) const {
    for (int r = 0; r < rows_; ++r) {
      std::copy_n(exact_.data() + lane_of(r, 0), cols_, out + std::int64_t{r} * cols_);
    }
  }

 private:
  [[nodiscard]] std::size_t lane_of(int row, int col) const {
    return static_cast<std::size_t>(row) * static_cast<std::size_t>(max_cols_) + static_cast<std::size_t>(col);
  }

  void record(std::size_t lane, std::int64_t output, AccumulationEvidence& evidence) const {
    const bool exact = value_[lane] == exact_[lane];
    OverflowCounts mine;
    mine.total = 1;
    mine.harmful = exact ? 0 : 1;
    if (overflows_[lane] != 0) {
      mine.count = overflows_[lane];
      mine.outputs = 1;
      mine.transient = exact ? 1 : 0;
      mine.first = FirstOverflow{output, first_[lane]};
    }
    evidence.accumulator.merge(mine);
    evidence.exact.include(exact_min_[lane]);
    evidence.exact.include(exact_max_[lane]);
  }

  Narrower narrower_;
  int max_rows_, max_cols_;
  int rows_ = 0, cols_ = 0;
  // [max_rows, max_cols]
  std::vector<std::int64_t> value_, exact_, exact_min_, exact_max_;
  std::vector<std::int64_t> first_;  // narrowing index of the first overflow, where there is one
  std::vector<std::uint64_t> overflows_;
};

}  // namespace guardbit::arith::detail
