// AccumulatorTile: life cycle and choice of implementation.
#include <utility>

#include "arith/detail/tile_state.hpp"

namespace guardbit::arith {

namespace {

// The fastest tile that can do it.
std::unique_ptr<AccumulatorTile::State> make_tile(int rows, int cols, const Accumulation& accumulation) {
  if (accumulation.psum) {
    auto inner = make_tile(rows, cols, {.accumulator = *accumulation.psum, .psum = std::nullopt, .fold = 0});
    return detail::make_psum_tile(rows, cols, accumulation, std::move(inner));
  }
  auto lanes = detail::make_lane_tile(rows, cols, accumulation, detail::best_isa());
  return lanes != nullptr ? std::move(lanes) : detail::make_general_tile(rows, cols, accumulation);
}

}  // namespace

AccumulatorTile::AccumulatorTile(int rows, int cols, const Accumulation& accumulation) : state_(nullptr) {
  check_accumulation(accumulation, "accumulator tile");
  detail::require(rows >= 0 && cols >= 0);
  state_ = make_tile(rows, cols, accumulation).release();
}

AccumulatorTile::~AccumulatorTile() { delete state_; }

AccumulatorTile::AccumulatorTile(AccumulatorTile&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}

AccumulatorTile& AccumulatorTile::operator=(AccumulatorTile&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

void AccumulatorTile::reset(int rows, int cols, std::span<const std::int64_t> initial) {
  detail::require(rows >= 0 && cols >= 0);
  detail::require(initial.empty() || initial.size() >= static_cast<std::size_t>(cols));
  state_->reset(rows, cols, initial);
}

void AccumulatorTile::accumulate(const std::int32_t* lhs, std::int64_t lhs_stride, const std::int32_t* rhs,
                                 std::int64_t rhs_stride, int depth) {
  detail::require(depth >= 0);
  if (depth != 0) {
    state_->accumulate(lhs, lhs_stride, rhs, rhs_stride, depth);
  }
}

void AccumulatorTile::finish(std::int64_t* out, std::int64_t out_stride, std::int64_t first_output,
                             std::int64_t row_step, AccumulationEvidence& evidence) {
  state_->finish(out, out_stride, first_output, row_step, evidence);
}

}  // namespace guardbit::arith
