// The accumulator tile for every accumulation: any width, step, fold and psum, one group of one row at a time.
#include <algorithm>
#include <optional>
#include <vector>

#include "arith/detail/tile_state.hpp"
#include "arith/overflow.hpp"

namespace guardbit::arith::detail {
namespace {

constexpr std::int64_t kNone = -1;

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

// A block of operands for one row: lhs [depth], rhs [depth, cols].
struct Operands {
  const std::int32_t* lhs;
  const std::int32_t* rhs;
  std::int64_t rhs_stride;
  int depth;
};

// The first psum overflow of a row: column, fold, narrowing within the fold.
struct FirstPsumOverflow {
  int col = 0;
  std::int64_t fold = 0;
  std::int64_t narrowing = 0;
};

int group_end(int begin, int fold_end, int step) {
  return step == 0 || fold_end - begin <= step ? fold_end : begin + step;
}

class GeneralTile final : public AccumulatorTile::State {
 public:
  GeneralTile(int rows, int cols, const Accumulation& accumulation)
      : accumulation_(accumulation), max_rows_(rows), max_cols_(cols) {
    const std::size_t lanes = static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols);
    for (auto* array : {&value_, &exact_, &exact_min_, &exact_max_, &first_}) {
      array->resize(lanes);
    }
    overflows_.resize(lanes);
    first_psum_.resize(static_cast<std::size_t>(rows));
    for (auto* array : {&group_sum_, &psum_value_, &psum_exact_, &psum_first_}) {
      array->resize(static_cast<std::size_t>(cols));
    }
  }

  void reset(int rows, int cols, std::span<const std::int64_t> initial) override {
    require(rows <= max_rows_ && cols <= max_cols_);
    rows_ = rows;
    cols_ = cols;
    narrowings_ = 1;
    depth_ = 0;
    folds_ = 0;
    psum_ = {};
    std::fill(first_psum_.begin(), first_psum_.end(), std::nullopt);
    for (int c = 0; c < cols; ++c) {
      const std::int64_t start = initial.empty() ? 0 : initial[static_cast<std::size_t>(c)];
      const Fitted fitted = fit(start, accumulation_.accumulator.format);
      for (int r = 0; r < rows; ++r) {
        const std::size_t lane = lane_of(r, c);
        value_[lane] = static_cast<std::int64_t>(fitted.value);
        exact_[lane] = exact_min_[lane] = exact_max_[lane] = start;
        overflows_[lane] = fitted.overflowed ? 1 : 0;
        first_[lane] = fitted.overflowed ? 0 : kNone;
      }
    }
  }

  void accumulate(const std::int32_t* lhs, std::int64_t lhs_stride, const std::int32_t* rhs, std::int64_t rhs_stride,
                  int depth) override {
    const int unit = call_unit(accumulation_);
    require(depth_ == 0 || (unit != 0 && depth_ % unit == 0));
    const std::int64_t narrowings = narrowings_;
    const std::int64_t folds = folds_;
    for (int r = 0; r < rows_; ++r) {
      narrowings_ = narrowings;  // every row sees the same
      folds_ = folds;
      accumulate_row(r, {lhs + r * lhs_stride, rhs, rhs_stride, depth});
    }
    depth_ += depth;
  }

  void finish(std::int64_t* out, std::int64_t out_stride, std::int64_t first_output, std::int64_t row_step,
              AccumulationEvidence& evidence) override {
    for (int r = 0; r < rows_; ++r) {
      for (int c = 0; c < cols_; ++c) {
        out[r * out_stride + c] = value_[lane_of(r, c)];
        record(lane_of(r, c), first_output + r * row_step + c, evidence);
      }
    }
    OverflowCounts psum = psum_;
    psum.first = first_psum(first_output, row_step);
    evidence.psum.merge(psum);
  }

 private:
  [[nodiscard]] std::size_t lane_of(int row, int col) const {
    return static_cast<std::size_t>(row) * static_cast<std::size_t>(max_cols_) + static_cast<std::size_t>(col);
  }

  // group_sum_[c] = sum over k in [begin, end) of lhs[k] * rhs[k, c], exactly.
  void sum_group(const Operands& in, int begin, int end) {
    std::int64_t* sum = group_sum_.data();
    std::fill_n(sum, cols_, 0);
    for (int k = begin; k < end; ++k) {
      const std::int64_t left = in.lhs[k];
      const std::int32_t* right = in.rhs + k * in.rhs_stride;
      for (int c = 0; c < cols_; ++c) {
        sum[c] += left * right[c];
      }
    }
  }

  // acc = narrow(acc + term) for a row of outputs; `exact_term` is what an accumulator that never overflows would add.
  void add_row(int row, const Narrower& narrower, const std::int64_t* term, const std::int64_t* exact_term) {
    for (int c = 0; c < cols_; ++c) {
      const std::size_t lane = lane_of(row, c);
      if (narrower.add(value_[lane], term[c]) && overflows_[lane]++ == 0) {
        first_[lane] = narrowings_;
      }
      exact_[lane] += exact_term[c];
      exact_min_[lane] = std::min(exact_min_[lane], exact_[lane]);
      exact_max_[lane] = std::max(exact_max_[lane], exact_[lane]);
    }
    ++narrowings_;
  }

  void accumulate_row(int row, const Operands& in) {
    const Narrower narrower(accumulation_.accumulator.format);
    const int fold = accumulation_.fold == 0 ? in.depth : accumulation_.fold;
    for (int begin = 0; begin < in.depth; ++folds_) {
      const int fold_end = in.depth - begin <= fold ? in.depth : begin + fold;
      if (accumulation_.psum) {
        psum_fold(in, begin, fold_end);
        record_psum(row);
        add_row(row, narrower, psum_value_.data(), psum_exact_.data());
      } else {
        for (int k = begin; k < fold_end;) {
          const int end = group_end(k, fold_end, accumulation_.accumulator.step);
          sum_group(in, k, end);
          add_row(row, narrower, group_sum_.data(), group_sum_.data());
          k = end;
        }
      }
      begin = fold_end;
    }
  }

  // The partial sums of one fold of one row.
  void psum_fold(const Operands& in, int begin, int fold_end) {
    const AccumulatorSpec& spec = *accumulation_.psum;
    const Narrower narrower(spec.format);
    std::fill_n(psum_value_.data(), cols_, 0);
    std::fill_n(psum_exact_.data(), cols_, 0);
    std::fill_n(psum_first_.data(), cols_, kNone);
    std::int64_t narrowing = 0;
    for (int k = begin; k < fold_end; ++narrowing) {
      const int end = group_end(k, fold_end, spec.step);
      sum_group(in, k, end);
      for (std::size_t c = 0; c < static_cast<std::size_t>(cols_); ++c) {
        if (narrower.add(psum_value_[c], group_sum_[c])) {
          ++psum_.count;
          psum_first_[c] = psum_first_[c] == kNone ? narrowing : psum_first_[c];
        }
        psum_exact_[c] += group_sum_[c];
      }
      k = end;
    }
  }

  // The evidence of the fold that psum_fold() left.
  void record_psum(int row) {
    auto& first = first_psum_[static_cast<std::size_t>(row)];
    for (int c = 0; c < cols_; ++c) {
      const auto lane = static_cast<std::size_t>(c);
      const bool overflowed = psum_first_[lane] != kNone;
      const bool exact = psum_value_[lane] == psum_exact_[lane];
      ++psum_.total;
      psum_.outputs += overflowed ? 1 : 0;
      psum_.transient += overflowed && exact ? 1 : 0;
      psum_.harmful += exact ? 0 : 1;
      // Folds come in order, so an earlier column is an earlier output and the same column's first fold stays.
      if (overflowed && (!first || c < first->col)) {
        first = FirstPsumOverflow{c, folds_, psum_first_[lane]};
      }
    }
  }

  // Smallest (output, narrowing) of the psum overflows.
  [[nodiscard]] std::optional<FirstOverflow> first_psum(std::int64_t first_output, std::int64_t row_step) const {
    std::optional<FirstOverflow> first;
    for (int r = 0; r < rows_; ++r) {
      const auto& mine = first_psum_[static_cast<std::size_t>(r)];
      if (!mine) {
        continue;
      }
      const std::int64_t output = first_output + r * row_step + mine->col;
      const FirstOverflow found{output * folds_ + mine->fold, mine->narrowing};
      if (!first || found.output < first->output) {
        first = found;
      }
    }
    return first;
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

  Accumulation accumulation_;
  int max_rows_, max_cols_;
  int rows_ = 0, cols_ = 0;
  std::int64_t narrowings_ = 0;  // so far, the same for every output; the initial value's is the first
  std::int64_t depth_ = 0;       // products so far, per output
  std::int64_t folds_ = 0;       // folds so far

  // [max_rows, max_cols]
  std::vector<std::int64_t> value_, exact_, exact_min_, exact_max_;
  std::vector<std::uint64_t> overflows_;
  std::vector<std::int64_t> first_;  // narrowing index of the first overflow, or kNone

  OverflowCounts psum_;                                      // its `first` is in first_psum_
  std::vector<std::optional<FirstPsumOverflow>> first_psum_;  // per row

  // Scratch, one per column.
  std::vector<std::int64_t> group_sum_, psum_value_, psum_exact_, psum_first_;
};

}  // namespace

std::unique_ptr<AccumulatorTile::State> make_general_tile(int rows, int cols, const Accumulation& accumulation) {
  return std::make_unique<GeneralTile>(rows, cols, accumulation);
}

}  // namespace guardbit::arith::detail
