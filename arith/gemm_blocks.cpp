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
#include "arith/detail/failure_list.hpp"

namespace guardbit::arith::detail {
namespace {

constexpr std::int64_t kColumnWords = 1 << 15;  // of columns that lanes along the rows take at a time
constexpr int kPatience = 2;           // blocks in a row that failed nearly everywhere before the guard is switched off
constexpr std::int64_t kPause = 2048;  // rows of blocks that it then stays off
constexpr std::int64_t kGlanceTiles = 128;  // of the product, of which one may be computed in vain
constexpr std::size_t kTilesTogether = 4;   // that lanes compute before one is settled: both evict what the other needs

class BlockWorker {
 public:
  BlockWorker(const GemmPlan& plan, std::int64_t rows, const GemmOut& out, AccumulationEvidence& evidence,
              GemmWork& work)
      : p_(plan),
        w_(plan.weights),
        out_(out),
        work_(work),
        most_rows_(std::min(plan.rows_together(), (rows + kMr - 1) / kMr * kMr)),
        left_(plan, most_rows_),
        redo_(plan, left_, most_rows_),
        proof_(plan),
        counts_(plan, evidence.accumulator) {}

  // Initial values are sums, too, and so is what other rows of the same evidence have shown.
  void see_starts(std::int64_t first_block, std::int64_t last_block, const Range& before) {
    range_ = before;
    for (std::int64_t b = first_block; b < last_block; ++b) {
      const ColumnBlock& block = p_.columns[static_cast<std::size_t>(b)];
      for (int c = 0; c < block.cols; ++c) range_.include(block.exact[c]);
    }
  }
  [[nodiscard]] const Range& range() const { return range_; }

  [[nodiscard]] std::int64_t most_rows() const { return most_rows_; }

  // Rows first .. first + count - 1 (at most most_rows()) of some column blocks.
  void rows(std::int64_t first, std::int64_t count, std::int64_t first_block, std::int64_t last_block) {
    left_.read(first, count);
    redo_.new_rows();
    counts_.new_rows();
    for (std::int64_t b = first_block; b < last_block; ++b) column_block(p_.columns[static_cast<std::size_t>(b)]);
    const std::int64_t row = counts_.first_row();
    if (row < 0 || counts_.found()) return;
    const std::int64_t col = counts_.first_col();
    const std::int64_t index = out_.first_output + (first + row) * out_.row_step + col;
    counts_.set_first({index, first_narrowing(p_, left_.row(row), col)});
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
    failures_.clear();
    counts_.add_total(left_.count() * block.cols);
    const auto all = static_cast<std::uint64_t>(left_.count() * block.cols * w_.depth);
    const std::uint32_t open = p_.use_static ? block.used & ~block.proven : block.used;
    if (p_.range) {
      ranged(block, all);
    } else if ((p_.use_static || p_.use_guard) && open == 0) {
      product(block);
      work_.proven += all;
    } else {
      const bool guarded = guard(block, open);
      redo(block);
      learn(failures_.outputs(block.used), all, guarded);
    }
    if (block.overflowing != 0) {
      const std::int64_t outputs = left_.count() * std::popcount(block.overflowing);
      counts_.add_starts(block, outputs - failures_.outputs(block.overflowing));
    }
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
    have_product_ = true;
    const auto count = static_cast<std::int32_t>(left_.count());
    if (!p_.use_guard || !p_.watchable || pause_ > 0) return unguarded(block, count);
    const Limits limits{p_.low, p_.high};
    std::uint32_t risky = open;
    if (!proof_.may_go_far(block, limits)) risky = proof_.not_bounded_loosely(block, open, left_, limits);
    if (risky != 0 && fails_at_a_glance(block, open, limits)) {
      pause_ = kPause;
      return unguarded(block, count);
    }
    if (risky != 0) risky = proof_.not_bounded(block, risky, left_, limits);
    const std::uint32_t hopeless = risky == 0 ? 0 : proof_.hopeless(block, risky, left_, limits);
    if ((risky & ~hopeless) != 0) {
      WatchBlock watching = watched(block, risky & ~hopeless, limits);
      note_failures(block, watching, risky & ~hopeless, hopeless, failures_);
      proof_.learn(block, risky & ~hopeless, failing_);
    } else {
      product(block);
      if (hopeless != 0) failures_.add(block, 0, count, hopeless);
    }
    return true;
  }

  bool unguarded(const ColumnBlock& block, std::int32_t count) {
    pause_ -= count;
    glanced_ = false;
    have_product_ = !p_.keeps_exact() && (!p_.tells_loss() || !FailureList::whole(block, block.used));
    if (have_product_) product(block);
    failures_.add(block, 0, count, block.used);
    return false;
  }

  // Whether in most rows of the first tile so many sums end beyond the limits that lanes would compute them whole.
  // Asked once, and again after a pause.
  bool fails_at_a_glance(const ColumnBlock& block, std::uint32_t open, const Limits& limits) {
    const std::int64_t tiles = p_.rows / kMr * std::ssize(p_.columns);
    if (glanced_ || !p_.may_give_up || tiles < kGlanceTiles) return false;
    glanced_ = true;
    const std::int64_t rows = std::min<std::int64_t>(kMr, left_.count());
    p_.kernels->panel(panel(block, left_.part(0, rows)));
    std::int64_t whole = 0;
    for (std::int64_t r = 0; r < rows; ++r) {
      std::uint32_t beyond = 0;
      for (int c = 0; c < block.cols; ++c) {
        const std::int32_t sum = view_[r * stride_ + c];
        beyond |= (sum < limits.low || sum > limits.high ? std::uint32_t{1} : 0) << c;
      }
      whole += FailureList::whole(block, beyond & open) ? 1 : 0;
    }
    return whole * 4 >= rows * 3;
  }

  // The product, watched: failing_ holds the columns that may leave the limits, per tile.
  WatchBlock watched(const ColumnBlock& block, std::uint32_t risky, const Limits& limits) {
    WatchBlock watching = proof_.watch(block, risky, left_, limits);
    failing_.resize(static_cast<std::size_t>(left_.tiles()));
    const float* norms = left_.tile_norms(proof_.chunks_each());
    for (const LeftRows::Run& run : left_.runs()) {
      watching.left = norms + run.first / kMr * watching.segments;
      watching.failing = failing_.data() + run.first / kMr;
      p_.kernels->watched_panel(panel(block, run), watching);
    }
    return watching;
  }

  // Columns that may leave the limits in rows r .. r + rows - 1, at most a tile.
  [[nodiscard]] std::uint32_t fails(const ColumnBlock& block, WatchBlock watching, std::int64_t r, std::int64_t rows) {
    norms_.resize(static_cast<std::size_t>(watching.segments));
    left_.norms_of(r, rows, proof_.chunks_each(), norms_.data());
    std::uint32_t failing = 0;
    watching.left = norms_.data();
    watching.failing = &failing;
    p_.kernels->watched_panel(panel(block, left_.part(r, rows)), watching);
    return failing;
  }

  // What failed while it was watched, and the columns `hopeless`: per tile, or per row where many columns failed.
  void note_failures(const ColumnBlock& block, const WatchBlock& watching, std::uint32_t risky, std::uint32_t hopeless,
                     FailureList& to) {
    for (std::int64_t t = 0; t < left_.tiles(); ++t) {
      const std::uint32_t failing = failing_[static_cast<std::size_t>(t)] & risky;
      if ((failing | hopeless) == 0) continue;
      const auto first = static_cast<std::int32_t>(t * kMr);
      const auto last = static_cast<std::int32_t>(std::min<std::int64_t>(left_.count(), first + kMr));
      if (std::popcount(failing) <= FailureList::kFewColumns) {
        to.add(block, first, last - first, failing | hopeless);
        continue;
      }
      for (std::int32_t r = first; r < last; ++r) {
        const std::uint32_t columns = (fails(block, watching, r, 1) & failing) | hopeless;
        if (columns != 0) to.add(block, r, 1, columns);
      }
    }
  }

  // Lanes for all that failed.
  void redo(const ColumnBlock& block) {
    const auto rows = failures_.whole_rows();
    // Settled while they are in a near cache, unless the weights would be made ready again and again.
    const std::size_t together = p_.chunks() == 1 ? kTilesTogether * kMr : rows.size();
    for (std::size_t i = 0; i < rows.size(); i += together) {
      const auto some = rows.subspan(i, std::min(together, rows.size() - i));
      BlockCounts::fetch(some, view_, stride_);
      redo_.rows(block, some, LaneRedo::What::Overflows);
      for (std::size_t r = 0; r < some.size(); r += kMr) settle_rows(block, some.subspan(r), r * kNr);
    }
    in_columns(block, failures_, LaneRedo::What::Overflows, [&](const Failure& failure, int column, std::size_t at) {
      counts_.settle_column(block, column, failure.first, failure.rows, redo_.sums() + at, redo_.counts() + at,
                            view_ + failure.first * stride_ + column, stride_);
    });
  }

  // The first tile of some whole rows: by plain products, or without where losses tell enough. Results are at `at`.
  void settle_rows(const ColumnBlock& block, std::span<const std::int32_t> rows, std::size_t at) {
    rows = rows.first(std::min<std::size_t>(kMr, rows.size()));
    const bool lost = !have_product_ && !p_.keeps_exact();
    const LaneResults some{redo_.sums() + at, redo_.counts() + at, redo_.losses() + at};
    if (lost && counts_.settle_lost_rows(block, rows, some, view_, stride_)) return;
    for (const std::int32_t row : rows) {
      if (lost) p_.kernels->panel(panel(block, {row, 1, left_.row(row), 0}));
      counts_.settle_row(block, row, redo_.sums() + at, redo_.counts() + at, view_ + row * stride_);
      at += kNr;
    }
  }

  // Lanes along the rows; calls visit(failure, column, where its results begin).
  template <class Visit>
  void in_columns(const ColumnBlock& block, const FailureList& list, LaneRedo::What what, const Visit& visit) {
    const auto most = static_cast<std::size_t>(
        std::clamp<std::int64_t>(kColumnWords / std::max<std::int64_t>(w_.depth, 1), 1, LaneRedo::kMostColumns));
    list.for_columns(most, [&](std::span<const Failure> failures, std::span<const int> columns) {
      std::int32_t rows[LaneRedo::kMostRows];
      std::size_t count = 0;
      for (const Failure& failure : failures) {
        for (std::int32_t r = 0; r < failure.rows; ++r) rows[count++] = failure.first + r;
      }
      redo_.columns(block, {rows, count}, columns, what);
      for (std::size_t i = 0; i < columns.size(); ++i) {
        std::size_t at = i * kNr;
        for (const Failure& failure : failures) {
          if ((failure.columns >> columns[i] & 1) != 0) visit(failure, columns[i], at);
          at += static_cast<std::size_t>(failure.rows);
        }
      }
    });
  }

  // With the range of the exact sums: what cannot be proven to stay within the range seen so far (and the format) is
  // followed exactly.
  void ranged(const ColumnBlock& block, std::uint64_t all) {
    suspects_.clear();
    const auto count = static_cast<std::int32_t>(left_.count());
    const bool guarded = p_.use_guard && p_.watchable && pause_ <= 0;
    if (!guarded) {
      pause_ -= count;
      product(block);
      suspects_.add(block, 0, count, block.used);
    } else {
      const std::uint32_t open = block.used & ~block.overflowing;
      std::uint32_t risky = open == 0 ? 0 : proof_.not_bounded_loosely(block, open, left_, known());
      if (risky != 0) risky = proof_.not_bounded(block, risky, left_, known());
      if (risky == 0) {
        product(block);
        if (block.overflowing != 0) suspects_.add(block, 0, count, block.overflowing);
      } else {
        WatchBlock watching = watched(block, risky, known());
        widen(block, watching, risky);
        note_failures(block, watching, risky, block.overflowing, suspects_);
      }
    }
    look(block);
    redo(block);
    learn(suspects_.outputs(block.used), all, guarded);
  }

  [[nodiscard]] Limits known() const { return {std::max(p_.low, range_.min), std::min(p_.high, range_.max)}; }

  // Final sums of tiles that failed are sums that have been seen: they may be all that was missing.
  void widen(const ColumnBlock& block, WatchBlock& watching, std::uint32_t risky) {
    const Limits before = known();
    for (std::int64_t t = 0; t < left_.tiles(); ++t) {
      for (std::uint32_t bits = failing_[static_cast<std::size_t>(t)] & risky; bits != 0; bits &= bits - 1) {
        const std::int32_t* sum = view_ + t * kMr * stride_ + std::countr_zero(bits);
        for (std::int64_t r = t * kMr; r < std::min(left_.count(), (t + 1) * kMr); ++r, sum += stride_) {
          range_.include(*sum);
        }
      }
    }
    const Limits after = known();
    if (after.low == before.low && after.high == before.high) return;
    watching = proof_.watch(block, risky, left_, after);
    for (std::int64_t t = 0; t < left_.tiles(); ++t) {
      std::uint32_t& failing = failing_[static_cast<std::size_t>(t)];
      if ((failing & risky) == 0) continue;
      failing &= fails(block, watching, t * kMr, std::min<std::int64_t>(kMr, left_.count() - t * kMr));
    }
  }

  // Follows the suspects exactly; those that leave the format fail.
  void look(const ColumnBlock& block) {
    const auto rows = suspects_.whole_rows();
    if (!rows.empty()) {
      redo_.rows(block, rows, LaneRedo::What::Ranges);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        std::uint32_t columns = 0;
        for (int c = 0; c < block.cols; ++c) {
          columns |= seen(i * kNr + static_cast<std::size_t>(c)) ? 0 : std::uint32_t{1} << c;
        }
        if (columns != 0) failures_.add(block, rows[i], 1, columns);
      }
    }
    in_columns(block, suspects_, LaneRedo::What::Ranges, [&](const Failure& failure, int column, std::size_t at) {
      for (std::int32_t r = 0; r < failure.rows; ++r) {
        if (!seen(at + static_cast<std::size_t>(r))) {
          failures_.add(block, failure.first + r, 1, std::uint32_t{1} << column);
        }
      }
    });
  }

  // Whether an output that was followed stays within the format.
  [[nodiscard]] bool seen(std::size_t at) {
    const Range followed{redo_.least()[at], redo_.most()[at]};
    range_.merge(followed);
    return followed.min >= p_.low && followed.max <= p_.high;
  }

  // Outputs that went through lanes. The guard is not tried for a while where it proves next to nothing.
  void learn(std::int64_t outputs, std::uint64_t all, bool guarded) {
    const auto in_lanes = static_cast<std::uint64_t>(outputs * w_.depth);
    work_.lanes += in_lanes;
    work_.guarded += all - in_lanes;
    if (!guarded) return;
    hopeless_blocks_ = in_lanes * 8 >= all * 7 ? hopeless_blocks_ + 1 : 0;
    if (hopeless_blocks_ < kPatience || !p_.may_give_up) return;
    pause_ = kPause;
    hopeless_blocks_ = 0;
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

  FailureList failures_;                // computed in lanes
  FailureList suspects_;                // of ranges
  Range range_;                         // of the exact sums, as far as seen
  std::vector<std::uint32_t> failing_;  // [tiles]
  std::vector<float> norms_;            // [segments]
  std::int64_t hopeless_blocks_ = 0, pause_ = 0;  // pause_: rows
  bool glanced_ = false, have_product_ = true;  // have_product_: of this block of columns
};

}  // namespace

void gemm_blocks(const GemmPlan& plan, std::int64_t first, std::int64_t last, std::int64_t first_block,
                 std::int64_t last_block, const GemmOut& out, AccumulationEvidence& evidence, GemmWork& work) {
  BlockWorker worker(plan, last - first, out, evidence, work);
  if (plan.range) worker.see_starts(first_block, last_block, evidence.exact);
  for (std::int64_t row = first; row < last; row += worker.most_rows()) {
    worker.rows(row, std::min(worker.most_rows(), last - row), first_block, last_block);
  }
  if (plan.range) evidence.exact.merge(worker.range());
}

}  // namespace guardbit::arith::detail
