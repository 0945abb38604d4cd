// Outputs of a block of columns that no proof covers, and the portions in which lanes take them.
#pragma once

#include <algorithm>
#include <bit>
#include <span>
#include <vector>

#include "arith/detail/lane_redo.hpp"

namespace guardbit::arith::detail {

// Rows of which the same columns fail.
struct Failure {
  std::int32_t first = 0, rows = 0;
  std::uint32_t columns = 0;
};

class FailureList {
 public:
  static constexpr int kFewColumns = 4;    // in a tile or row: lanes along the rows
  static constexpr int kNarrowBlock = 16;  // columns of a block up to which lanes always lie along the rows

  void clear() {
    whole_rows_.clear();
    failures_.clear();
  }
  [[nodiscard]] bool empty() const { return whole_rows_.empty() && failures_.empty(); }

  // Whether lanes compute whole rows when some columns fail.
  [[nodiscard]] static bool whole(const ColumnBlock& block, std::uint32_t columns) {
    return block.cols > kNarrowBlock && std::popcount(columns) > kFewColumns;
  }

  void add(const ColumnBlock& block, std::int32_t first, std::int32_t rows, std::uint32_t columns) {
    if (whole(block, columns)) {
      for (std::int32_t r = first; r < first + rows; ++r) whole_rows_.push_back(r);
    } else if (!failures_.empty() && failures_.back().columns == columns &&
               failures_.back().first + failures_.back().rows == first) {
      failures_.back().rows += rows;
    } else {
      failures_.push_back({first, rows, columns});
    }
  }

  // How many of the columns `columns`.
  [[nodiscard]] std::int64_t outputs(std::uint32_t columns) const {
    std::int64_t sum = static_cast<std::int64_t>(whole_rows_.size()) * std::popcount(columns);
    for (const Failure& failure : failures_) sum += failure.rows * std::popcount(failure.columns & columns);
    return sum;
  }

  [[nodiscard]] std::span<const std::int32_t> whole_rows() const { return whole_rows_; }

  // Calls visit(failures, columns): failures of at most LaneRedo::kMostRows rows in all, and at most `most_columns` of
  // their columns at a time.
  template <class Visit>
  void for_columns(std::size_t most_columns, const Visit& visit) const {
    std::vector<Failure> together;
    std::int32_t rows = 0;
    const auto flush = [&] {
      std::uint32_t columns = 0;
      for (const Failure& failure : together) columns |= failure.columns;
      while (columns != 0) {
        int some[LaneRedo::kMostColumns];
        std::size_t count = 0;
        for (; count < most_columns && columns != 0; columns &= columns - 1) some[count++] = std::countr_zero(columns);
        visit(std::span<const Failure>(together), std::span<const int>(some, count));
      }
      together.clear();
      rows = 0;
    };
    for (Failure failure : failures_) {
      while (failure.rows != 0) {
        const std::int32_t room = LaneRedo::kMostRows - rows;
        // A failure is cut where it is long, else it waits for the next portion.
        if (room < failure.rows && rows != 0) {
          flush();
          continue;
        }
        Failure part = failure;
        part.rows = std::min(room, failure.rows);
        together.push_back(part);
        rows += part.rows;
        failure.first += part.rows;
        failure.rows -= part.rows;
        if (rows == LaneRedo::kMostRows) flush();
      }
    }
    if (!together.empty()) flush();
  }

 private:
  std::vector<std::int32_t> whole_rows_;
  std::vector<Failure> failures_;
};

}  // namespace guardbit::arith::detail
