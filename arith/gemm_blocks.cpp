// The block path of gemm(): some rows x kNr columns at a time. First the plain product, with as much proof as it needs;
// then in lanes what the proof leaves open.
//
//   1. Columns that weights and codes prove (ColumnBlock::proven) need nothing else.
//   2. The largest norm of the rows, times the norm of a column's weights, or the range of the bytes, times their sums:
//      bounds every running sum of the column (ColumnProof).
//   3. A watched product: the running sums at the ends of segments of the reduction, and between them the bound of
//      arith/detail/proof_bounds.hpp, per tile of kMr rows and per column.
//   4. Tiles with many columns that fail, row by row.
//   5. Lanes (LaneRedo): along the columns for rows with many columns that fail, else along the rows.
#include <algorithm>
#include <bit>

#include "arith/detail/block_counts.hpp"
#include "arith/detail/column_proof.hpp"
#include "arith/detail/lane_redo.hpp"
#include "arith/narrow.hpp"

namespace guardbit::arith::detail {
namespace {

constexpr std::int64_t kRowBytes = 3 << 15;  // of left operand that is worked on together; lanes take 4 times as much
constexpr std::int64_t kMostRows = 512;
constexpr std::int64_t kColumnWords = 1 << 15;  // of columns that lanes along the rows take at a time
constexpr int kFewColumns = 4;     // in a tile or row: lanes along the rows
constexpr int kNarrowBlock = 16;   // columns up to which lanes lie along the rows
constexpr int kPatience = 2;       // blocks in a row that failed nearly everywhere before the guard is switched off
constexpr std::int64_t kPause = 2048;  // rows of blocks that it then stays off

// Rows of which the same columns fail.
struct Failure {
  std::int32_t first = 0, rows = 0;
  std::uint32_t columns = 0;
};

class BlockWorker {
 public:
  BlockWorker(const GemmPlan& plan, std::int64_t rows, const GemmOut& out, AccumulationEvidence& evidence, GemmWork& work)
      : p_(plan),
        w_(plan.weights),
        out_(out),
        work_(work),
        most_rows_(std::min(
            std::clamp(kRowBytes / std::max<std::int64_t>(w_.depth, 1) / kMr * kMr, std::int64_t{kMr}, kMostRows),
            (rows + kMr - 1) / kMr * kMr)),
        left_(plan, most_rows_),
        redo_(plan, left_, most_rows_),
        proof_(plan),
        counts_(plan, evidence.accumulator) {}

  [[nodiscard]] std::int64_t most_rows() const { return most_rows_; }

  // Rows first .. first + count - 1 (at most most_rows()) of some column blocks.
  void rows(std::int64_t first, std::int64_t count, std::int64_t first_block, std::int64_t last_block) {
    left_.read(first, count);
    redo_.new_rows();
    counts_.new_rows();
    for (std::int64_t b = first_block; b < last_block; ++b) column_block(p_.columns[static_cast<std::size_t>(b)]);
    const std::int64_t row = counts_.first_row();
    if (row < 0 || counts_.found()) return;
    counts_.set_first({out_.first_output + (first + row) * out_.row_step + counts_.first_col(),
                       replay(row, counts_.first_col())});
  }

 private:
  // Where products and results of the rows lie: at the caller's, or in a buffer when that has 64 bits.
  void view(const ColumnBlock& block) {
    if (out_.out32 != nullptr) {
      view_ = out_.out32 + left_.first() * out_.stride + block.first_col;
      stride_ = out_.stride;
    } else {
      narrow_.resize(static_cast<std::size_t>(most_rows_) * kNr);
      view_ = narrow_.data();
      stride_ = kNr;
    }
  }

  void column_block(const ColumnBlock& block) {
    view(block);
    whole_rows_.clear();
    failures_.clear();
    counts_.add_total(left_.count() * block.cols);
    const auto all = static_cast<std::uint64_t>(left_.count() * block.cols * w_.depth);
    const std::uint32_t open = p_.use_static ? block.used & ~block.proven : block.used;
    if ((p_.use_static || p_.use_guard) && open == 0) {
      product(block);
      work_.proven += all;
    } else {
      const bool guarded = guard(block, open);
      const std::uint64_t in_lanes = redo(block);
      work_.lanes += in_lanes;
      work_.guarded += all - in_lanes;
      if (guarded) learn(in_lanes, all);
    }
    if (block.overflowing != 0) counts_.add_starts(block, starts(block));
    if (out_.out32 != nullptr) return;
    for (std::int64_t r = 0; r < left_.count(); ++r) {
      std::copy_n(view_ + r * stride_, block.cols, out_.out64 + (left_.first() + r) * out_.stride + block.first_col);
    }
  }

  [[nodiscard]] PanelBlock panel(const ColumnBlock& block, const LeftRows::Run& run) const {
    const std::int64_t half_bytes = w_.padded_depth * kHalf;
    return {.lhs = run.base,
            .lhs_stride = run.stride,
            .rows = run.rows,
            .rhs = w_.bytes.data() + block.first_col / kHalf * half_bytes,
            .half_stride = half_bytes,
            .halves = block.cols > kHalf ? 2 : 1,
            .quads = (w_.depth + 3) / 4,
            .start = block.plain,
            .out = view_ + run.first * stride_,
            .out_stride = stride_,
            .cols = block.cols};
  }

  void product(const ColumnBlock& block) {
    for (const LeftRows::Run& run : left_.runs()) p_.kernels->panel(panel(block, run));
  }

  // The plain product where lanes do not replace it, and a note of what lanes must replace. False: without the guard.
  bool guard(const ColumnBlock& block, std::uint32_t open) {
    const auto count = static_cast<std::int32_t>(left_.count());
    if (!p_.use_guard || !p_.watchable || pause_ > 0) {
      pause_ -= count;
      if (!p_.keeps_exact()) product(block);
      fail(block, 0, count, block.used);
      return false;
    }
    const std::uint32_t risky = proof_.not_bounded(block, open, left_);
    const std::uint32_t hopeless = risky == 0 ? 0 : proof_.hopeless(block, risky, left_);
    if ((risky & ~hopeless) == 0) {
      product(block);
    } else {
      watched(block, risky & ~hopeless, hopeless);
      return true;
    }
    if (hopeless != 0) fail(block, 0, count, hopeless);
    return true;
  }

  // The plain product; what it cannot prove in the columns `risky` fails, and the columns `hopeless`.
  void watched(const ColumnBlock& block, std::uint32_t risky, std::uint32_t hopeless) {
    WatchBlock watching = proof_.watch(block, risky, left_);
    failing_.resize(static_cast<std::size_t>(left_.tiles()));
    const float* norms = left_.tile_norms(proof_.chunks_each());
    for (const LeftRows::Run& run : left_.runs()) {
      watching.left = norms + run.first / kMr * watching.segments;
      watching.failing = failing_.data() + run.first / kMr;
      p_.kernels->watched_panel(panel(block, run), watching);
    }
    for (std::int64_t t = 0; t < left_.tiles(); ++t) {
      const std::uint32_t failing = failing_[static_cast<std::size_t>(t)] & risky;
      if ((failing | hopeless) == 0) continue;
      const auto first = static_cast<std::int32_t>(t * kMr);
      const auto last = static_cast<std::int32_t>(std::min<std::int64_t>(left_.count(), first + kMr));
      if (std::popcount(failing) <= kFewColumns) {
        fail(block, first, last - first, failing | hopeless);
        continue;
      }
      for (std::int32_t r = first; r < last; ++r) {
        const std::uint32_t columns = (row_fails(block, watching, r) & failing) | hopeless;
        if (columns != 0) fail(block, r, 1, columns);
      }
    }
    proof_.learn(block, risky, failing_);
  }

  [[nodiscard]] std::uint32_t row_fails(const ColumnBlock& block, WatchBlock watching, std::int64_t r) {
    row_norms_.resize(static_cast<std::size_t>(watching.segments));
    left_.row_norms(r, proof_.chunks_each(), row_norms_.data());
    std::uint32_t failing = 0;
    watching.left = row_norms_.data();
    watching.failing = &failing;
    p_.kernels->watched_panel(panel(block, {r, 1, left_.row(r), 0}), watching);
    return failing;
  }

  void fail(const ColumnBlock& block, std::int32_t first, std::int32_t rows, std::uint32_t columns) {
    if (block.cols > kNarrowBlock && std::popcount(columns) > kFewColumns) {
      for (std::int32_t r = first; r < first + rows; ++r) whole_rows_.push_back(r);
    } else if (!failures_.empty() && failures_.back().columns == columns &&
               failures_.back().first + failures_.back().rows == first) {
      failures_.back().rows += rows;
    } else {
      failures_.push_back({first, rows, columns});
    }
  }

  // Lanes for all that failed; returns how many products that were.
  std::uint64_t redo(const ColumnBlock& block) {
    auto outputs = static_cast<std::int64_t>(whole_rows_.size()) * block.cols;
    if (!whole_rows_.empty()) {
      redo_.rows(block, whole_rows_);
      for (std::size_t i = 0; i < whole_rows_.size(); ++i) {
        const std::int64_t row = whole_rows_[i];
        counts_.settle_row(block, row, redo_.sums() + i * kNr, redo_.counts() + i * kNr, view_ + row * stride_);
      }
    }
    for (std::size_t i = 0; i < failures_.size(); ++i) {
      const Failure& failure = failures_[i];
      outputs += failure.rows * std::popcount(failure.columns);
      together_.push_back(failure);
      if (failure.rows >= LaneRedo::kMostRows || i + 1 == failures_.size() ||
          rows_together() + failures_[i + 1].rows > LaneRedo::kMostRows) {
        redo_columns(block);
      }
    }
    return static_cast<std::uint64_t>(outputs * w_.depth);
  }

  [[nodiscard]] std::int32_t rows_together() const {
    std::int32_t rows = 0;
    for (const Failure& failure : together_) rows += failure.rows;
    return rows;
  }

  // The failures of together_: several of kMostRows rows in all, or a longer one.
  void redo_columns(const ColumnBlock& block) {
    std::uint32_t columns = 0;
    for (const Failure& failure : together_) columns |= failure.columns;
    const auto most = static_cast<std::size_t>(std::clamp<std::int64_t>(
        kColumnWords / std::max<std::int64_t>(w_.depth, 1), 1, LaneRedo::kMostColumns));
    while (columns != 0) {
      int some[LaneRedo::kMostColumns];
      std::size_t count = 0;
      for (; count < most && columns != 0; columns &= columns - 1) some[count++] = std::countr_zero(columns);
      if (together_.size() > 1) {
        redo_some(block, {some, count}, together_);
        continue;
      }
      Failure part = together_.front();
      const std::int32_t end = part.first + part.rows;
      for (; part.first < end; part.first += LaneRedo::kMostRows) {
        part.rows = std::min(LaneRedo::kMostRows, end - part.first);
        redo_some(block, {some, count}, {&part, 1});
      }
    }
    together_.clear();
  }

  void redo_some(const ColumnBlock& block, std::span<const int> columns, std::span<const Failure> failures) {
    std::int32_t rows[LaneRedo::kMostRows];
    std::size_t count = 0;
    for (const Failure& failure : failures) {
      for (std::int32_t r = 0; r < failure.rows; ++r) rows[count++] = failure.first + r;
    }
    redo_.columns(block, {rows, count}, columns);
    for (std::size_t i = 0; i < columns.size(); ++i) {
      std::size_t at = i * kNr;
      for (const Failure& failure : failures) {
        if ((failure.columns >> columns[i] & 1) != 0) {
          counts_.settle_column(block, columns[i], failure.first, failure.rows, redo_.sums() + at, redo_.counts() + at,
                                view_ + failure.first * stride_ + columns[i], stride_);
        }
        at += static_cast<std::size_t>(failure.rows);
      }
    }
  }

  // The guard is not tried for a while where it proves next to nothing.
  void learn(std::uint64_t in_lanes, std::uint64_t all) {
    hopeless_blocks_ = in_lanes * 8 >= all * 7 ? hopeless_blocks_ + 1 : 0;
    if (hopeless_blocks_ < kPatience || !p_.may_give_up) return;
    pause_ = kPause;
    hopeless_blocks_ = 0;
  }

  // Outputs whose initial value overflows and that lanes have not counted.
  [[nodiscard]] std::int64_t starts(const ColumnBlock& block) const {
    const auto rows = left_.count() - static_cast<std::int64_t>(whole_rows_.size());
    std::int64_t outputs = rows * std::popcount(block.overflowing);
    for (const Failure& failure : failures_) outputs -= failure.rows * std::popcount(failure.columns & block.overflowing);
    return outputs;
  }

  // The first narrowing of an output that changes its sum, by the definition.
  [[nodiscard]] std::int64_t replay(std::int64_t row, std::int64_t col) const {
    const Format& format = p_.accumulation.accumulator.format;
    const std::uint8_t* bytes = left_.row(row);
    std::int64_t value = p_.start(col);
    Fitted fitted = fit(value, format);
    std::int64_t narrowing = 0;
    for (std::int64_t k = 0; !fitted.overflowed && k < w_.depth; ++narrowing) {
      const std::int64_t end = std::min(k + p_.step, w_.depth);
      for (; k < end; ++k) value += std::int64_t{bytes[k] - p_.offset} * w_.at(k, col);
      fitted = fit(value, format);
    }
    return narrowing;
  }

  const GemmPlan& p_;
  const PackedWeights::State& w_;
  const GemmOut& out_;
  GemmWork& work_;
  std::int64_t most_rows_;
  LeftRows left_;
  LaneRedo redo_;
  ColumnProof proof_;
  BlockCounts counts_;

  std::int32_t* view_ = nullptr;
  std::int64_t stride_ = 0;
  LineVector<std::int32_t> narrow_;  // [most rows][kNr]

  std::vector<std::int32_t> whole_rows_;  // lanes compute all columns
  std::vector<Failure> failures_;         // lanes compute some
  std::vector<Failure> together_;
  std::vector<std::uint32_t> failing_;    // [tiles]
  std::vector<float> row_norms_;          // [segments]
  int hopeless_blocks_ = 0;
  std::int64_t pause_ = 0;  // rows
};

}  // namespace

void gemm_blocks(const GemmPlan& plan, std::int64_t first, std::int64_t last, std::int64_t first_block,
                 std::int64_t last_block, const GemmOut& out, AccumulationEvidence& evidence, GemmWork& work) {
  BlockWorker worker(plan, last - first, out, evidence, work);
  for (std::int64_t row = first; row < last; row += worker.most_rows()) {
    worker.rows(row, std::min(worker.most_rows(), last - row), first_block, last_block);
  }
}

}  // namespace guardbit::arith::detail
