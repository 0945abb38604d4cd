// Exact computation in lanes of what no proof covers, for the rows of a LeftRows.
#pragma once

#include "arith/detail/left_rows.hpp"

namespace guardbit::arith::detail {

class LaneRedo {
 public:
  static constexpr int kMostColumns = kMr;  // of columns(): they take the kernels' rows
  static constexpr int kMostRows = kNr;     // of columns()

  LaneRedo(const GemmPlan& plan, const LeftRows& left, std::int64_t most_rows);

  void new_rows();  // `left` holds others now

  enum class What : unsigned char {
    Overflows,  // sums() and counts()
    Ranges,     // sums(), exact; least() and most() of them, the initial value included
  };
  // All columns of a block for some rows: results are [rows][kNr].
  void rows(const ColumnBlock& block, std::span<const std::int32_t> rows, What what);
  // Some columns for up to kMostRows rows: results are [columns][kNr], a row's in its place.
  void columns(const ColumnBlock& block, std::span<const std::int32_t> rows, std::span<const int> columns, What what);

  [[nodiscard]] const std::int32_t* sums() const { return sums_.data(); }
  [[nodiscard]] const std::int32_t* counts() const { return counts_.data(); }
  [[nodiscard]] const std::int32_t* least() const { return counts_.data(); }
  [[nodiscard]] const std::int32_t* most() const { return most_.data(); }
  // Of rows(), where GemmPlan::tells_loss: exact sums - values, modulo 2^16.
  [[nodiscard]] const std::int32_t* losses() const { return losses_.data(); }

 private:
  [[nodiscard]] std::int64_t end_of(std::int64_t chunk) const {
    return std::min((chunk + 1) * plan_.chunk, plan_.weights.depth);
  }
  [[nodiscard]] std::size_t words(std::int64_t depth) const {
    return static_cast<std::size_t>(form_ == LeftForm::Pairs ? (depth + 1) / 2 : depth);
  }
  void resize(std::size_t rows);
  // Results from row `at` on.
  void run(const std::uint32_t* const* lhs, int rows, int depth, std::size_t at, What what);
  [[nodiscard]] SingleBlock singles(int rows, int depth, std::size_t at);  // without its left rows
  void rows_of_bytes(const ColumnBlock& block, std::span<const std::int32_t> rows);
  [[nodiscard]] const std::uint32_t* left_words(std::int64_t r, std::int64_t chunk);
  void expand(const ColumnBlock& block, std::int64_t chunk);
  void column_words(const ColumnBlock& block, std::span<const int> columns);

  const GemmPlan& plan_;
  const LeftRows& left_;
  std::int64_t most_rows_;
  LeftForm form_;
  bool bytes_;  // rows() takes the rows' bytes as they are
  LineVector<std::int32_t> sums_, counts_, most_, losses_;  // of ranges the least are in counts_
  LineVector<std::int16_t> right_;                 // of one chunk: [k][kNr], or [pair][kNr][2]
  const ColumnBlock* right_block_ = nullptr;       // whose weights these are; null: others
  std::int64_t right_chunk_ = 0;
  UnsetLineVector<std::uint32_t> left_words_;      // [most rows][chunks][words], made when needed
  std::vector<char> have_left_;                    // [most rows][chunks]
  LineVector<std::uint32_t> column_words_;         // [columns][chunks][words]
  std::vector<std::uint8_t> column_bytes_;         // one column's weights + 128
  const ColumnBlock* words_block_ = nullptr;       // column_words_ are of these columns
  std::vector<int> words_columns_;
};

}  // namespace guardbit::arith::detail
