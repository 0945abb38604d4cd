// AccumulatorTile: life cycle, choice of kernel, evidence.
#include <algorithm>
#include <cstdlib>
#include <utility>

#include "arith/detail/tile_state.hpp"
#include "arith/overflow.hpp"

namespace guardbit::arith {
namespace {

using State = AccumulatorTile::State;

// Products after which a call may end: all but the last call must be whole folds. Without folds a whole number of
// groups is as good; 0: the reduction must come in one call.
std::int64_t call_unit(const Accumulation& accumulation) {
  if (accumulation.fold != 0) {
    return accumulation.fold;
  }
  return accumulation.psum ? 0 : accumulation.accumulator.step;
}

void require(bool condition) {
  if (!condition) {
    std::abort();  // a caller's bug: sizes beyond the constructor's, or a reduction cut inside a fold
  }
}

// Smallest (output, narrowing) of the psum overflows.
std::optional<FirstOverflow> first_psum(const State& state, std::int64_t first_output, std::int64_t row_step) {
  std::optional<FirstOverflow> first;
  for (int r = 0; r < state.rows; ++r) {
    const auto& mine = state.first_psum[static_cast<std::size_t>(r)];
    if (!mine) {
      continue;
    }
    const std::int64_t output = first_output + r * row_step + mine->col;
    const FirstOverflow found{output * state.folds + mine->fold, mine->narrowing};
    if (!first || found.output < first->output) {
      first = found;
    }
  }
  return first;
}

void record(const State& state, std::size_t lane, std::int64_t output, AccumulationEvidence& evidence) {
  OverflowCounts& counts = evidence.accumulator;
  const bool exact = state.value[lane] == state.exact[lane];
  ++counts.total;
  counts.harmful += exact ? 0 : 1;
  evidence.exact.include(state.exact_min[lane]);
  evidence.exact.include(state.exact_max[lane]);
  if (state.overflows[lane] == 0) {
    return;
  }
  counts.count += state.overflows[lane];
  ++counts.outputs;
  counts.transient += exact ? 1 : 0;
  const FirstOverflow mine{output, state.first[lane]};
  if (!counts.first || mine.output < counts.first->output ||
      (mine.output == counts.first->output && mine.narrowing < counts.first->narrowing)) {
    counts.first = mine;
  }
}

}  // namespace

AccumulatorTile::AccumulatorTile(int rows, int cols, const Accumulation& accumulation) : state_(nullptr) {
  check_accumulation(accumulation, "accumulator tile");
  require(rows >= 0 && cols >= 0);
  state_ = new State;
  state_->accumulation = accumulation;
  state_->max_rows = rows;
  state_->max_cols = cols;
  const std::size_t lanes = static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols);
  for (auto* array : {&state_->value, &state_->exact, &state_->exact_min, &state_->exact_max, &state_->first}) {
    array->resize(lanes);
  }
  state_->overflows.resize(lanes);
  state_->first_psum.resize(static_cast<std::size_t>(rows));
  for (auto* array : {&state_->group_sum, &state_->psum_value, &state_->psum_exact, &state_->psum_first}) {
    array->resize(static_cast<std::size_t>(cols));
  }
}

AccumulatorTile::~AccumulatorTile() { delete state_; }

AccumulatorTile::AccumulatorTile(AccumulatorTile&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}

AccumulatorTile& AccumulatorTile::operator=(AccumulatorTile&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

void AccumulatorTile::reset(int rows, int cols, std::span<const std::int64_t> initial) {
  State& state = *state_;
  require(0 <= rows && rows <= state.max_rows && 0 <= cols && cols <= state.max_cols);
  require(initial.empty() || initial.size() >= static_cast<std::size_t>(cols));
  state.rows = rows;
  state.cols = cols;
  state.narrowings = 1;
  state.depth = 0;
  state.folds = 0;
  state.psum = {};
  std::fill(state.first_psum.begin(), state.first_psum.end(), std::nullopt);
  for (int c = 0; c < cols; ++c) {
    const std::int64_t start = initial.empty() ? 0 : initial[static_cast<std::size_t>(c)];
    const Fitted fitted = fit(start, state.accumulation.accumulator.format);
    for (int r = 0; r < rows; ++r) {
      const std::size_t lane = static_cast<std::size_t>(r) * static_cast<std::size_t>(state.max_cols) +
                               static_cast<std::size_t>(c);
      state.value[lane] = static_cast<std::int64_t>(fitted.value);
      state.exact[lane] = state.exact_min[lane] = state.exact_max[lane] = start;
      state.overflows[lane] = fitted.overflowed ? 1 : 0;
      state.first[lane] = fitted.overflowed ? 0 : State::kNone;
    }
  }
}

void AccumulatorTile::accumulate(const std::int32_t* lhs, std::int64_t lhs_stride, const std::int32_t* rhs,
                                 std::int64_t rhs_stride, int depth) {
  State& state = *state_;
  if (depth == 0) {
    return;
  }
  const std::int64_t unit = call_unit(state.accumulation);
  require(depth > 0 && (state.depth == 0 || (unit != 0 && state.depth % unit == 0)));
  const std::int64_t narrowings = state.narrowings;
  const std::int64_t folds = state.folds;
  for (int r = 0; r < state.rows; ++r) {
    state.narrowings = narrowings;  // every row sees the same
    state.folds = folds;
    detail::accumulate_general(state, r, {lhs + r * lhs_stride, lhs_stride, rhs, rhs_stride, depth});
  }
  state.depth += depth;
}

void AccumulatorTile::finish(std::int64_t* out, std::int64_t out_stride, std::int64_t first_output,
                             std::int64_t row_step, AccumulationEvidence& evidence) {
  const State& state = *state_;
  for (int r = 0; r < state.rows; ++r) {
    for (int c = 0; c < state.cols; ++c) {
      const std::size_t lane = static_cast<std::size_t>(r) * static_cast<std::size_t>(state.max_cols) +
                               static_cast<std::size_t>(c);
      out[r * out_stride + c] = state.value[lane];
      record(state, lane, first_output + r * row_step + c, evidence);
    }
  }
  OverflowCounts psum = state.psum;
  psum.first = first_psum(state, first_output, row_step);
  evidence.psum.merge(psum);
}

}  // namespace guardbit::arith
