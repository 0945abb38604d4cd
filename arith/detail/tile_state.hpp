// What is behind an AccumulatorTile: one of two implementations of the same contract.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>

#include "arith/accumulate.hpp"
#include "arith/detail/lane_kernel.hpp"

namespace guardbit::arith {

struct AccumulatorTile::State {
  virtual ~State() = default;
  virtual void reset(int rows, int cols, std::span<const std::int64_t> initial) = 0;
  virtual void accumulate(const std::int32_t* lhs, std::int64_t lhs_stride, const std::int32_t* rhs,
                          std::int64_t rhs_stride, int depth) = 0;
  virtual void finish(std::int64_t* out, std::int64_t out_stride, std::int64_t first_output, std::int64_t row_step,
                      AccumulationEvidence& evidence) = 0;
  virtual void exact_sums(std::int64_t* out) const = 0;  // [rows, cols], dense
};

namespace detail {

// Any accumulation without psum, one group of one row at a time.
[[nodiscard]] std::unique_ptr<AccumulatorTile::State> make_general_tile(int rows, int cols,
                                                                        const Accumulation& accumulation);

// SAT, SAT_SYM and WRAP up to 48 bits without psum, in vector lanes; null for any other accumulation.
[[nodiscard]] std::unique_ptr<AccumulatorTile::State> make_lane_tile(int rows, int cols,
                                                                     const Accumulation& accumulation, Isa isa);

// With psum; `inner` accumulates one fold: any tile of the same size for {accumulator = psum}, without folds.
[[nodiscard]] std::unique_ptr<AccumulatorTile::State> make_psum_tile(int rows, int cols,
                                                                     const Accumulation& accumulation,
                                                                     std::unique_ptr<AccumulatorTile::State> inner);

// Products after which a call may end: all but the last call must be whole folds. Without folds a whole number of
// groups is as good; 0: the reduction must come in one call.
[[nodiscard]] inline int call_unit(const Accumulation& accumulation) {
  if (accumulation.fold != 0) {
    return accumulation.fold;
  }
  return accumulation.psum ? 0 : accumulation.accumulator.step;
}

// A caller's bug: sizes beyond the constructor's, or a reduction cut inside a fold.
inline void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

}  // namespace detail
}  // namespace guardbit::arith
