// The accumulator tile with partial sums: every fold is a small reduction of its own in an inner tile; its results are
// the terms of the accumulators.
#include <utility>

#include "arith/detail/output_lanes.hpp"

namespace guardbit::arith::detail {
namespace {

class PsumTile final : public AccumulatorTile::State {
 public:
  PsumTile(int rows, int cols, const Accumulation& accumulation, std::unique_ptr<AccumulatorTile::State> inner)
      : fold_size_(accumulation.fold),
        inner_(std::move(inner)),
        lanes_(rows, cols, accumulation.accumulator.format),
        psum_(static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols)),
        psum_exact_(psum_.size()) {}

  void reset(int rows, int cols, std::span<const std::int64_t> initial) override {
    lanes_.reset(rows, cols, initial);
    counts_ = {};
    first_ = {};
    folds_ = 0;
    depth_ = 0;
  }

  void accumulate(const std::int32_t* lhs, std::int64_t lhs_stride, const std::int32_t* rhs, std::int64_t rhs_stride,
                  int depth) override {
    require(depth_ == 0 || (fold_size_ != 0 && depth_ % fold_size_ == 0));
    const int fold = fold_size_ == 0 ? depth : fold_size_;
    for (int begin = 0, end = 0; begin < depth; begin = end) {
      end = depth - begin <= fold ? depth : begin + fold;
      inner_->reset(lanes_.rows(), lanes_.cols(), {});
      inner_->accumulate(lhs + begin, lhs_stride, rhs + begin * rhs_stride, rhs_stride, end - begin);
      add_fold();
    }
    depth_ += depth;
  }

  void finish(std::int64_t* out, std::int64_t out_stride, std::int64_t first_output, std::int64_t row_step,
              AccumulationEvidence& evidence) override {
    lanes_.finish(out, out_stride, first_output, row_step, evidence);
    OverflowCounts psum = counts_;
    if (first_) {
      const std::int64_t row = first_->output / lanes_.cols();
      const std::int64_t col = first_->output % lanes_.cols();
      psum.first = FirstOverflow{(first_output + row * row_step + col) * folds_ + first_fold_, first_->narrowing};
    }
    evidence.psum.merge(psum);
  }

  void exact_sums(std::int64_t* out) const override { lanes_.exact_sums(out); }

 private:
  // Takes the inner tile's results as one fold of every output.
  void add_fold() {
    const std::int64_t cols = lanes_.cols();
    AccumulationEvidence evidence;
    inner_->finish(psum_.data(), cols, 0, cols, evidence);
    inner_->exact_sums(psum_exact_.data());
    const std::optional<FirstOverflow> found = evidence.accumulator.first;
    if (found) {
      // The inner tile's narrowing 0 is that of its initial zero, which a psum does not have. Folds come in order, so
      // the same output's first fold stays.
      if (!first_ || found->output < first_->output) {
        first_ = FirstOverflow{found->output, found->narrowing - 1};
        first_fold_ = folds_;
      }
      evidence.accumulator.first.reset();
    }
    counts_.merge(evidence.accumulator);
    for (int row = 0; row < lanes_.rows(); ++row) {
      lanes_.add_row(row, psum_.data() + row * cols, psum_exact_.data() + row * cols, folds_ + 1);
    }
    ++folds_;
  }

  int fold_size_;
  std::unique_ptr<AccumulatorTile::State> inner_;
  OutputLanes lanes_;
  std::vector<std::int64_t> psum_, psum_exact_;  // [rows, cols] of the fold just done
  OverflowCounts counts_;                        // of the partial sums; the first overflow is in first_
  std::optional<FirstOverflow> first_;           // output = row * cols + column
  std::int64_t first_fold_ = 0;
  std::int64_t folds_ = 0;  // so far
  std::int64_t depth_ = 0;  // products so far, per output
};

}  // namespace

std::unique_ptr<AccumulatorTile::State> make_psum_tile(int rows, int cols, const Accumulation& accumulation,
                                                       std::unique_ptr<AccumulatorTile::State> inner) {
  require(accumulation.psum.has_value());
  return std::make_unique<PsumTile>(rows, cols, accumulation, std::move(inner));
}

}  // namespace guardbit::arith::detail
