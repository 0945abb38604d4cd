// Accumulation: how an accelerator adds up products, and what that costs. The normative definition.
//
// The products of one output arrive in reduction order k = 0..K-1. They are cut into folds of `fold` products (one
// pass through the array; 0 means one fold), a fold into groups of `step` (an adder tree; 0 means the whole fold; the
// last group of a fold may be shorter). A group is added exactly. Then:
//
//   without `psum`:  acc = narrow(initial)
//                    for each fold, for each group:  acc = narrow(acc + sum(group))
//   with `psum`:     acc = narrow(initial)
//                    for each fold:  p = 0;  for each group: p = narrow_psum(p + sum(group))
//                                    acc = narrow(acc + p)
//
// `narrow` is arith/narrow.hpp with the format of the accumulator (integer formats; frac_bits 0).
// A narrowing that changes its argument is an overflow and is counted.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "arith/format.hpp"

namespace guardbit::arith {

struct AccumulatorSpec {
  Format format = integer_format(32, true, Overflow::WRAP);
  int step = 1;
  friend constexpr bool operator==(const AccumulatorSpec&, const AccumulatorSpec&) = default;
};

struct Accumulation {
  AccumulatorSpec accumulator;
  std::optional<AccumulatorSpec> psum;  // in-array partial sums with a format of their own
  int fold = 0;                         // products per fold; 0: the whole reduction
  friend constexpr bool operator==(const Accumulation&, const Accumulation&) = default;
};

// Throws Error naming `where` unless both formats are integer formats of 1..64 bits (unsigned: 1..63, since the running
// sum is a signed 64-bit number) and steps and fold are not negative.
void check_accumulation(const Accumulation& accumulation, const std::string& where);

// Where the first overflow is: the smallest output index (row-major), and in it the smallest narrowing index
// (0 is the narrowing of the initial value).
struct FirstOverflow {
  std::int64_t output = 0;
  std::int64_t narrowing = 0;
  friend constexpr bool operator==(const FirstOverflow&, const FirstOverflow&) = default;
};

// Overflow evidence of one narrowing point over many outputs. Merging is associative and commutative, so that the
// result does not depend on the number of threads.
struct OverflowCounts {
  std::uint64_t total = 0;      // outputs seen
  std::uint64_t count = 0;      // narrowings that changed their value
  std::uint64_t outputs = 0;    // outputs with at least one
  std::uint64_t transient = 0;  // outputs that overflowed on the way and ended exact
  std::uint64_t harmful = 0;    // outputs whose final value differs from the exact sum
  std::optional<FirstOverflow> first;

  void merge(const OverflowCounts& other);  // output indices must share one origin
  [[nodiscard]] double rate() const { return total == 0 ? 0.0 : double(outputs) / double(total); }
  friend bool operator==(const OverflowCounts&, const OverflowCounts&) = default;
};

// Smallest and largest exact running sum at the narrowing points of the accumulator (the initial value included),
// as if nothing had ever been narrowed. Empty when max < min.
struct Range {
  std::int64_t min = INT64_MAX;
  std::int64_t max = INT64_MIN;
  void include(std::int64_t value) { if (value < min) min = value; if (value > max) max = value; }
  void merge(const Range& other) { if (other.min < min) min = other.min; if (other.max > max) max = other.max; }
  [[nodiscard]] bool empty() const { return max < min; }
  friend constexpr bool operator==(const Range&, const Range&) = default;
};

// Bits of the smallest two's complement format that holds the range (1 for an empty one).
[[nodiscard]] int signed_bits(const Range& range);

// All evidence of the accumulation of one layer.
struct AccumulationEvidence {
  OverflowCounts accumulator;
  OverflowCounts psum;  // total = (outputs x folds) when `psum` is set, else all zero; an "output" is one fold's sum
  Range exact;          // of the accumulator's narrowing points
  void merge(const AccumulationEvidence& other);
  friend bool operator==(const AccumulationEvidence&, const AccumulationEvidence&) = default;
};

// The obvious implementation, one output at a time. `output` is the index recorded in `first` (for psum: output *
// folds + fold). Returns the final accumulator and adds to `evidence`. Exact sums must fit 64 bits.
[[nodiscard]] std::int64_t accumulate(std::span<const std::int64_t> products, std::int64_t initial,
                                      const Accumulation& accumulation, std::int64_t output,
                                      AccumulationEvidence& evidence);

// Running sums of a block of outputs, rows x cols, fed one fold at a time: the kernel behind the fast engine and
// the tile simulator. Agrees with `accumulate` bit for bit, evidence included, however the reduction is cut into
// calls, as long as each call but the last is a whole number of folds.
// Use: reset(initial), then accumulate() per fold (or several), then finish().
class AccumulatorTile {
 public:
  AccumulatorTile(int rows, int cols, const Accumulation& accumulation);
  ~AccumulatorTile();
  AccumulatorTile(AccumulatorTile&&) noexcept;
  AccumulatorTile& operator=(AccumulatorTile&&) noexcept;

  // rows and cols of the coming block, at most those of the constructor. initial: [cols], one per column, or empty (0).
  void reset(int rows, int cols, std::span<const std::int64_t> initial);

  // lhs [rows, depth] with row stride lhs_stride, rhs [depth, cols] with row stride rhs_stride. Values are operands
  // with their zero points already subtracted, |value| < 2^16 each and |exact running sum| < 2^62.
  void accumulate(const std::int32_t* lhs, std::int64_t lhs_stride, const std::int32_t* rhs, std::int64_t rhs_stride,
                  int depth);

  // Writes the accumulators [rows, cols] with row stride out_stride and adds to `evidence`; output (r, c) has the
  // index first_output + r * row_step + c. row_step >= cols, so that the indices ascend.
  void finish(std::int64_t* out, std::int64_t out_stride, std::int64_t first_output, std::int64_t row_step,
              AccumulationEvidence& evidence);

  struct State;  // what is behind it: arith/detail/tile_state.hpp

 private:
  State* state_;
};

}  // namespace guardbit::arith
