// One pass of the array as its PEs and their neighbours at the edges see it: what the grid is, what stays, what moves.
#pragma once

#include <array>
#include <cstdint>

#include "sim/detail/pass_access.hpp"
#include "sim/systemc/pe_arithmetic.hpp"
#include "sim/systemc/pe_wires.hpp"

namespace guardbit::sim {

// The largest array of engine pe. It is built whole, once per process.
inline constexpr int kMaxPeSide = 16;

// A matrix in somebody else's memory; zero outside.
struct OperandMatrix {
  const std::int32_t* data = nullptr;
  std::int64_t rows = 0, columns = 0;
  std::int64_t row_step = 0, column_step = 0;
  [[nodiscard]] std::int64_t at(std::int64_t row, std::int64_t column) const {
    return row < rows && column < columns ? data[row * row_step + column * column_step] : 0;
  }
  [[nodiscard]] OperandMatrix transposed() const { return {data, columns, rows, column_step, row_step}; }
};

struct PePass {
  int rows = 0, columns = 0;            // of the machine's array
  int used_rows = 0, used_columns = 0;  // that hold an index of this pass
  bool sums_stay = false;               // output stationary; else sums move down
  bool pixels_in_columns = false;       // input stationary: columns are m, n is streamed; else columns are n

  std::int64_t first_index = 0;  // number of the first streamed operand; sums that stay count over all passes
  std::int64_t length = 0;       // streamed operands of this pass
  OperandMatrix west;            // [array row, streamed]: enters at the left
  OperandMatrix north;           // sums move: [array row, column], stays in the PEs; sums stay: [streamed, column]

  PeRegisterRules rules;           // of the PEs' sums
  int step = 1;                    // products of one adder-tree group; at least 1
  std::int64_t reduction = 0;      // sums stay: products of the whole reduction
  std::int64_t narrowing = 0;      // index of the first narrowing of this reduction (sums stay) or pass (sums move)
  // Accesses of even and of odd edges: what an edge finds on the wires was read one edge before.
  std::array<PassAccess, 2> access;
  [[nodiscard]] const PassAccess& access_of(std::int64_t edge) const {
    return access[static_cast<std::size_t>(edge % 2)];
  }
  std::array<PartialSum, kMaxPeSide> start;  // sums stay: what a column's sums start from
};

}  // namespace guardbit::sim
