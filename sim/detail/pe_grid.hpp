// PeGrid: the registers of a weight-stationary PE array and what one clock edge does to them.
//
// Activations move right, sums move down, weights move down while they are loaded. Every PE computes
//
//   tree' = tree_above + w * x;   at the end of an adder-tree group:  acc' = narrow(acc_above + tree'), tree' = 0
//
// with its own scalar arithmetic (not the kernels of arith, with which it is compared). Beside `acc` travel the exact
// sum and the index of the first narrowing that overflowed. Groups of `step` rows; the bottom row ends the last one.
//
// Bubbles (no pixel in this slot) carry x = 0, acc = 0 and the column's initial exact value, which the range of that
// column contains anyway: no valid bit is needed for evidence.
#pragma once

#include <cstdint>
#include <new>
#include <type_traits>
#include <vector>

#include "arith/accumulate.hpp"

namespace guardbit::sim {

// In the accumulator memory: index of the first narrowing that overflowed, when there was none.
inline constexpr std::int64_t kNoOverflow = INT64_MAX;

// How a PE narrows. None: proven unnecessary, `acc` is not simulated because it equals `exact`.
enum class PeMode : unsigned char { None, Saturate, Zero, WrapSigned, WrapUnsigned, General };

struct PeRules {
  PeMode mode = PeMode::General;
  arith::Format format;
  std::int64_t low = 0, high = 0;
  int step = 1;  // rows of one adder-tree group; 0: all
};

// `magnitude`: no exact running sum exceeds it. PeMode::None when then nothing can overflow.
[[nodiscard]] PeRules pe_rules(const arith::AccumulatorSpec& spec, std::int64_t magnitude);

// True when 32-bit registers hold every intermediate value of these rules.
[[nodiscard]] bool fits_32_bits(const PeRules& rules, std::int64_t magnitude);

// Storage that begins at a cache line of the host: vectors that straddle two lines cost twice.
template <class T>
struct LineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kLine{64};
  LineAllocator() = default;
  template <class U>
  LineAllocator(const LineAllocator<U>&) {}  // NOLINT: allocators convert
  T* allocate(std::size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), kLine)); }
  void deallocate(T* storage, std::size_t) { ::operator delete(storage, kLine); }
  friend bool operator==(const LineAllocator&, const LineAllocator&) { return true; }
};

template <class T>
class PeGrid {
 public:
  static constexpr T kNoOverflow = std::is_same_v<T, std::int32_t> ? T(INT32_MAX) : T(INT64_MAX);

  void configure(int rows, int columns, const PeRules& rules);

  // Reset of all registers; `exact` [columns used] are the exact values of bubbles. narrowing: index of the narrowing
  // at the end of the first group. Clears counts and ranges.
  void reset(const std::int64_t* exact, int used_columns, std::int64_t narrowing);

  // One cycle of weight load: all weights move down, `row` [count] enters at the top (null: zeros).
  void push_weights(const std::int32_t* row, int count);

  // Wires at the edges: x of each row, sums of each column. They keep what was set; after reset() 0 and bubbles.
  void set_x(int row, std::int32_t value) { x_[static_cast<std::size_t>(row) * x_stride_] = value; }
  void set_top(int column, T acc, T exact, T first) {
    const auto c = static_cast<std::size_t>(column);
    acc_[c] = acc;
    exact_[c] = exact;
    first_[c] = first;
  }
  void set_bubble(int column) { set_top(column, 0, bubble_[static_cast<std::size_t>(column)], kNoOverflow); }

  // One clock edge.
  void step();

  // Output registers of the bottom row.
  [[nodiscard]] T acc(int column) const { return (rules_.mode == PeMode::None ? exact_ : acc_)[bottom(column)]; }
  [[nodiscard]] T exact(int column) const { return exact_[bottom(column)]; }
  [[nodiscard]] T first(int column) const {
    return rules_.mode == PeMode::None ? kNoOverflow : first_[bottom(column)];
  }

  // Since reset: overflows, and the exact sums at narrowings, of one column.
  [[nodiscard]] std::uint64_t overflows(int column) const {
    return static_cast<std::uint64_t>(count_[static_cast<std::size_t>(column)]);
  }
  [[nodiscard]] arith::Range range(int column) const {
    return {min_[static_cast<std::size_t>(column)], max_[static_cast<std::size_t>(column)]};
  }

  // What the step kernels see. Rows of sums are [rows + 1][stride]: row 0 is the wires at the top, row r + 1 the output
  // registers of PE row r. Rows of x are [rows][x_stride]: entry 0 is the wire at the left, c + 1 the register.
  struct View {
    int rows;
    std::size_t stride, x_stride;
    T *x, *acc, *exact, *tree, *first;
    const T* weights;      // [rows][stride]
    T *count, *min, *max;  // [stride]
    const PeRules* rules;
    std::int64_t narrowing;
  };

 private:
  using Registers = std::vector<T, LineAllocator<T>>;

  [[nodiscard]] std::size_t bottom(int column) const {
    return static_cast<std::size_t>(rows_) * stride_ + static_cast<std::size_t>(column);
  }

  PeRules rules_;
  int rows_ = 0, columns_ = 0;
  std::size_t stride_ = 0, x_stride_ = 0;
  std::int64_t narrowing_ = 0;
  Registers x_, acc_, exact_, tree_, first_, weights_, count_, min_, max_, bubble_;
};

}  // namespace guardbit::sim
