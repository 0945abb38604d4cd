// The accumulator tile for every accumulation without psum: any format, one group of one row at a time.
#include "arith/detail/output_lanes.hpp"

namespace guardbit::arith::detail {
namespace {

class GeneralTile final : public AccumulatorTile::State {
 public:
  GeneralTile(int rows, int cols, const Accumulation& accumulation)
      : accumulation_(accumulation),
        lanes_(rows, cols, accumulation.accumulator.format),
        group_sum_(static_cast<std::size_t>(cols)) {}

  void reset(int rows, int cols, std::span<const std::int64_t> initial) override {
    lanes_.reset(rows, cols, initial);
    narrowings_ = 1;
    depth_ = 0;
  }

  void accumulate(const std::int32_t* lhs, std::int64_t lhs_stride, const std::int32_t* rhs, std::int64_t rhs_stride,
                  int depth) override {
    const int unit = call_unit(accumulation_);
    require(depth_ == 0 || (unit != 0 && depth_ % unit == 0));
    const std::int64_t narrowings = narrowings_;
    for (int r = 0; r < lanes_.rows(); ++r) {
      narrowings_ = narrowings;  // every row sees the same
      accumulate_row(r, lhs + r * lhs_stride, rhs, rhs_stride, depth);
    }
    depth_ += depth;
  }

  void finish(std::int64_t* out, std::int64_t out_stride, std::int64_t first_output, std::int64_t row_step,
              AccumulationEvidence& evidence) override {
    lanes_.finish(out, out_stride, first_output, row_step, evidence);
  }

  void exact_sums(std::int64_t* out) const override { lanes_.exact_sums(out); }

 private:
  void accumulate_row(int row, const std::int32_t* lhs, const std::int32_t* rhs, std::int64_t rhs_stride, int depth) {
    const int fold = accumulation_.fold == 0 ? depth : accumulation_.fold;
    const int step = accumulation_.accumulator.step == 0 ? fold : accumulation_.accumulator.step;
    for (int begin = 0; begin < depth;) {
      const int fold_end = depth - begin <= fold ? depth : begin + fold;
      while (begin < fold_end) {
        const int end = fold_end - begin <= step ? fold_end : begin + step;
        sum_group(lhs, rhs, rhs_stride, begin, end);
        lanes_.add_row(row, group_sum_.data(), group_sum_.data(), narrowings_++);
        begin = end;
      }
    }
  }

  // group_sum_[c] = sum over k in [begin, end) of lhs[k] * rhs[k, c], exactly.
  void sum_group(const std::int32_t* lhs, const std::int32_t* rhs, std::int64_t rhs_stride, int begin, int end) {
    std::int64_t* sum = group_sum_.data();
    std::fill_n(sum, lanes_.cols(), 0);
    for (int k = begin; k < end; ++k) {
      const std::int64_t left = lhs[k];
      const std::int32_t* right = rhs + k * rhs_stride;
      for (int c = 0; c < lanes_.cols(); ++c) {
        sum[c] += left * right[c];
      }
    }
  }

  Accumulation accumulation_;
  OutputLanes lanes_;
  std::vector<std::int64_t> group_sum_;  // [cols]
  std::int64_t narrowings_ = 0;          // so far, the same for every output; the initial value's is the first
  std::int64_t depth_ = 0;               // products so far, per output
};

}  // namespace

std::unique_ptr<AccumulatorTile::State> make_general_tile(int rows, int cols, const Accumulation& accumulation) {
  require(!accumulation.psum);
  return std::make_unique<GeneralTile>(rows, cols, accumulation);
}

}  // namespace guardbit::arith::detail
