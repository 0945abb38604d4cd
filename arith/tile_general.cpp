// The kernel for every accumulation: any width, step, fold and psum, one group of one row of outputs at a time.
#include <algorithm>

#include "arith/detail/tile_state.hpp"
#include "arith/overflow.hpp"

namespace guardbit::arith::detail {
namespace {

using State = AccumulatorTile::State;

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

// group_sum[c] = sum over k in [begin, end) of lhs[k] * rhs[k, c], exactly.
void sum_group(State& state, const Operands& in, int begin, int end) {
  std::int64_t* sum = state.group_sum.data();
  std::fill_n(sum, state.cols, 0);
  for (int k = begin; k < end; ++k) {
    const std::int64_t left = in.lhs[k];
    const std::int32_t* right = in.rhs + k * in.rhs_stride;
    for (int c = 0; c < state.cols; ++c) {
      sum[c] += left * right[c];
    }
  }
}

// acc = narrow(acc + term) for a row of outputs; `exact_term` is what an accumulator that never overflows would add.
void add_row(State& state, int row, const Narrower& narrower, const std::int64_t* term,
             const std::int64_t* exact_term) {
  const std::size_t base = static_cast<std::size_t>(row) * static_cast<std::size_t>(state.max_cols);
  for (int c = 0; c < state.cols; ++c) {
    const std::size_t lane = base + static_cast<std::size_t>(c);
    if (narrower.add(state.value[lane], term[c])) {
      if (state.overflows[lane]++ == 0) {
        state.first[lane] = state.narrowings;
      }
    }
    state.exact[lane] += exact_term[c];
    state.exact_min[lane] = std::min(state.exact_min[lane], state.exact[lane]);
    state.exact_max[lane] = std::max(state.exact_max[lane], state.exact[lane]);
  }
  ++state.narrowings;
}

int group_end(int begin, int fold_end, int step) {
  return step == 0 || fold_end - begin <= step ? fold_end : begin + step;
}

// The partial sums of one fold of one row, and their evidence.
void psum_fold(State& state, int row, const Operands& in, int begin, int fold_end) {
  const AccumulatorSpec& spec = *state.accumulation.psum;
  const Narrower narrower(spec.format);
  std::fill_n(state.psum_value.data(), state.cols, 0);
  std::fill_n(state.psum_exact.data(), state.cols, 0);
  std::fill_n(state.psum_first.data(), state.cols, State::kNone);
  std::int64_t narrowing = 0;
  for (int k = begin; k < fold_end; ++narrowing) {
    const int end = group_end(k, fold_end, spec.step);
    sum_group(state, in, k, end);
    for (std::size_t c = 0; c < static_cast<std::size_t>(state.cols); ++c) {
      if (narrower.add(state.psum_value[c], state.group_sum[c])) {
        ++state.psum.count;
        state.psum_first[c] = state.psum_first[c] == State::kNone ? narrowing : state.psum_first[c];
      }
      state.psum_exact[c] += state.group_sum[c];
    }
    k = end;
  }
  auto& first = state.first_psum[static_cast<std::size_t>(row)];
  for (int c = 0; c < state.cols; ++c) {
    const auto lane = static_cast<std::size_t>(c);
    const bool overflowed = state.psum_first[lane] != State::kNone;
    const bool exact = state.psum_value[lane] == state.psum_exact[lane];
    ++state.psum.total;
    state.psum.outputs += overflowed ? 1 : 0;
    state.psum.transient += overflowed && exact ? 1 : 0;
    state.psum.harmful += exact ? 0 : 1;
    // Folds come in order, so an earlier column is an earlier output and the same column's first fold stays.
    if (overflowed && (!first || c < first->col)) {
      first = FirstPsumOverflow{c, state.folds, state.psum_first[lane]};
    }
  }
}

}  // namespace

void accumulate_general(State& state, int row, const Operands& in) {
  const Accumulation& accumulation = state.accumulation;
  const Narrower narrower(accumulation.accumulator.format);
  const int fold = accumulation.fold == 0 ? in.depth : accumulation.fold;
  for (int begin = 0; begin < in.depth; ++state.folds) {
    const int fold_end = in.depth - begin <= fold ? in.depth : begin + fold;
    if (accumulation.psum) {
      psum_fold(state, row, in, begin, fold_end);
      add_row(state, row, narrower, state.psum_value.data(), state.psum_exact.data());
    } else {
      for (int k = begin; k < fold_end;) {
        const int end = group_end(k, fold_end, accumulation.accumulator.step);
        sum_group(state, in, k, end);
        add_row(state, row, narrower, state.group_sum.data(), state.group_sum.data());
        k = end;
      }
    }
    begin = fold_end;
  }
}

}  // namespace guardbit::arith::detail
