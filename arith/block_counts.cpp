// Counting of overflows in the block path of gemm().
#include "arith/detail/block_counts.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace guardbit::arith::detail {
namespace {

// The exact sum behind a plain product, which begins with the narrowed initial value.
std::int32_t exact_of(const ColumnBlock& block, int c, std::int32_t product) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(product) + static_cast<std::uint32_t>(block.exact[c]) -
                                   static_cast<std::uint32_t>(block.value[c]));
}

}  // namespace

// Sums without branches: they vectorize.
void BlockCounts::settle_row(const ColumnBlock& block, std::int64_t row, const std::int32_t* sums,
                             const std::int32_t* overflows, std::int32_t* out) {
  alignas(64) std::int32_t exact[kNr] = {};
  alignas(64) std::int32_t value[kNr] = {};
  const int cols = block.cols;
  if (p_.keeps_exact()) {
    for (int c = 0; c < kNr; ++c) exact[c] = sums[c];
    for (int c = 0; c < kNr; ++c) value[c] = p_.wrapped(sums[c]);
  } else {
    for (int c = 0; c < cols; ++c) exact[c] = exact_of(block, c, out[c]);
    for (int c = 0; c < cols; ++c) value[c] = sums[c];
  }
  std::int32_t changed = 0;
  std::int32_t outputs = 0;
  std::int32_t harmful = 0;
  for (int c = 0; c < cols; ++c) {
    changed += overflows[c];
    outputs += overflows[c] != 0 ? 1 : 0;
    harmful += value[c] != exact[c] ? 1 : 0;
    out[c] = value[c];
  }
  add(changed, outputs, harmful);
  first_of_row(block, row, overflows, outputs);
}

void BlockCounts::first_of_row(const ColumnBlock& block, std::int64_t row, const std::int32_t* overflows,
                               std::int32_t outputs) {
  if (outputs == 0 || found()) return;
  int c = 0;
  while (overflows[c] == 0) ++c;
  candidate(row, block.first_col + c);
}

bool BlockCounts::settle_lost_rows(const ColumnBlock& block, std::span<const std::int32_t> rows,
                                   const LaneResults& lanes, std::int32_t* out, std::int64_t stride) {
  const LostRows lost = p_.kernels->lost_rows(lanes.overflows, lanes.losses, static_cast<int>(rows.size()));
  if (lost.open) return false;
  const std::int32_t* sums = lanes.sums;
  for (const std::int32_t row : rows) {
    std::int32_t* to = out + row * stride;
    if (block.cols == kNr) {
      std::memcpy(to, sums, kNr * sizeof *to);  // of a size that is known
    } else {
      std::copy_n(sums, block.cols, to);
    }
    sums += kNr;
  }
  add(lost.changed, lost.outputs, lost.outputs);
  if (lost.outputs == 0 || found()) return true;
  std::size_t first = 0;  // rows ascend
  while (lanes.overflows[first] == 0) ++first;
  candidate(rows[first / kNr], block.first_col + static_cast<std::int64_t>(first % kNr));
  return true;
}

void BlockCounts::settle_column(const ColumnBlock& block, int column, std::int64_t first, std::int64_t count,
                                const std::int32_t* sums, const std::int32_t* overflows, std::int32_t* out,
                                std::int64_t stride) {
  std::int64_t changed = 0;
  std::int64_t outputs = 0;
  std::int64_t harmful = 0;
  for (std::int64_t r = 0; r < count; ++r) {
    const std::int32_t exact = p_.keeps_exact() ? sums[r] : exact_of(block, column, out[r * stride]);
    const std::int32_t value = p_.keeps_exact() ? p_.wrapped(sums[r]) : sums[r];
    out[r * stride] = value;
    changed += overflows[r];
    outputs += overflows[r] != 0 ? 1 : 0;
    harmful += value != exact ? 1 : 0;
  }
  add(changed, outputs, harmful);
  if (outputs == 0 || found()) return;
  std::int64_t r = 0;
  while (overflows[r] == 0) ++r;
  candidate(first + r, block.first_col + column);
}

void BlockCounts::add_starts(const ColumnBlock& block, std::int64_t outputs) {
  add(outputs, outputs, outputs);
  if (!found()) candidate(0, block.first_col + std::countr_zero(block.overflowing));
}

void BlockCounts::add(std::int64_t changed, std::int64_t outputs, std::int64_t harmful) {
  counts_.count += static_cast<std::uint64_t>(changed);
  counts_.outputs += static_cast<std::uint64_t>(outputs);
  counts_.harmful += static_cast<std::uint64_t>(harmful);
  counts_.transient += static_cast<std::uint64_t>(outputs - harmful);
}

void BlockCounts::candidate(std::int64_t row, std::int64_t col) {
  if (row_ < 0 || row < row_ || (row == row_ && col < col_)) {
    row_ = row;
    col_ = col;
  }
}

}  // namespace guardbit::arith::detail
