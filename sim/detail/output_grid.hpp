// OutputGrid: the registers of an output-stationary PE array and what one clock edge does to them.
//
// Activations move right, one array row per pixel; weights move down, one array column per channel. The PE in row r and
// column c meets operand k in cycle k + r + c and computes
//
//   tree' = tree + w * x;   at the end of an adder-tree group:  acc' = narrow(acc + tree'), tree' = 0
//
// into its own registers, with its own scalar arithmetic. Beside `acc` stand the exact sum, the index of the first
// narrowing that overflowed, the number of those and the range of exact sums. A valid bit moves with the operands: here
// the columns of a row that see a valid operand are the range that the cycle implies.
#pragma once

#include <cstdint>
#include <vector>

#include "arith/accumulate.hpp"
#include "sim/detail/pe_grid.hpp"

namespace guardbit::sim {

// What the PEs hold for one output.
struct OutputSum {
  std::int64_t acc = 0, exact = 0;
  std::int64_t first = kNoOverflow;
  std::uint64_t overflows = 0;
  arith::Range range;  // of the exact sums at narrowings
};

template <class T>
class OutputGrid {
 public:
  void configure(int rows, int columns, const PeRules& rules);

  // A new sum in the PE (row, column): `initial`, narrowed to `acc`. ranged: the narrowing of `initial` counts as one.
  void start(int row, int column, std::int64_t acc, std::int64_t initial, bool overflowed, bool ranged);

  // The operands of the coming cycles: indices [begin, end) of a reduction of `depth`, whose first narrowing has the
  // index `narrowing`. used_*: PEs that hold an output.
  void begin_stream(std::int64_t begin, std::int64_t end, std::int64_t depth, std::int64_t narrowing, int used_rows,
                    int used_columns);

  // One clock edge of streaming: x and w enter at the left and at the top. Returns the number of PEs that saw a valid
  // operand, unused PEs included.
  std::int64_t step(const std::vector<std::int32_t>& x, const std::vector<std::int32_t>& w);

  // What stands in the bottom row; then all rows move down by one.
  [[nodiscard]] OutputSum bottom(int column) const;
  void shift_down();

  // What the kernels see: rows of registers are [rows][stride].
  struct View {
    std::size_t stride;
    T *x, *w, *acc, *exact, *tree, *first, *count, *min, *max;
    const PeRules* rules;
  };
  // One PE row in one cycle: columns [begin, end) are valid. Column c multiplies index k - c of the reduction.
  struct RowWork {
    std::size_t row;
    int begin, end;
    std::int64_t k, depth, narrowing;
  };

 private:
  using Registers = std::vector<T, LineAllocator<T>>;

  PeRules rules_;
  int rows_ = 0, columns_ = 0, used_rows_ = 0, used_columns_ = 0;
  std::size_t stride_ = 0;
  std::int64_t begin_ = 0, end_ = 0, depth_ = 0, narrowing_ = 0, cycle_ = 0;
  Registers x_, w_, acc_, exact_, tree_, first_, count_, min_, max_;
};

}  // namespace guardbit::sim
