// The accumulator tile in vector lanes, for SAT, SAT_SYM and WRAP without psum.
//
// Speed comes from three proofs, all made per call from the data, in exact integers. With B(row) = sum over k of
// |lhs[row, k]| * max over columns |rhs[k, column]|, no running sum of the row moves by more than B in this call.
//   1. |exact| + B and |bound of the format| + B below 2^31 for every row: the lanes are 32 bits wide. Otherwise they
//      are widened to 64 until the next reset; 48-bit formats and products below 2^32 cannot leave those.
//   2. value == exact and |exact| + B within the format: nothing can overflow in this row; only `exact` is kept.
//   3. Outputs come in row-major order, so only the first overflow of the tile must be located: by a scalar replay of
//      that one output, from the state saved before the call.
#include <algorithm>
#include <limits>
#include <vector>

#include "arith/detail/lane_arrays.hpp"
#include "arith/detail/tile_state.hpp"
#include "arith/overflow.hpp"

namespace guardbit::arith::detail {
namespace {

constexpr int kMaxLaneWidth = 48;
constexpr std::int64_t kBound32 = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kHuge = std::int64_t{1} << 62;

std::int64_t magnitude(std::int64_t value) { return value < 0 ? -value : value; }

class LaneTile final : public AccumulatorTile::State {
 public:
  LaneTile(int rows, int cols, const Accumulation& accumulation, Isa isa)
      : accumulation_(accumulation),
        isa_(isa),
        max_rows_(rows),
        max_cols_(cols),
        max_lanes_(static_cast<std::size_t>(rows) * static_cast<std::size_t>((cols + kLanes - 1) / kLanes * kLanes)) {
    const Format& format = accumulation.accumulator.format;
    const bool symmetric = format.overflow == Overflow::SAT_SYM && format.is_signed;
    high_ = static_cast<std::int64_t>(format.max_code());
    low_ = symmetric ? -high_ : static_cast<std::int64_t>(format.min_code());
    fit_ = format.overflow == Overflow::WRAP ? Fit::Wrap : Fit::Clamp;
    narrow_.resize(max_lanes_);
    count_.resize(max_lanes_);
    exact_bound_.resize(static_cast<std::size_t>(rows));
    move_bound_.resize(static_cast<std::size_t>(rows));
    diverged_.resize(static_cast<std::size_t>(rows));
  }

  void reset(int rows, int cols, std::span<const std::int64_t> initial) override {
    require(rows <= max_rows_ && cols <= max_cols_);
    rows_ = rows;
    cols_ = cols;
    blocks_ = (cols + kLanes - 1) / kLanes;
    depth_ = 0;
    narrowings_ = 1;
    first_ = {};
    std::int64_t bound = 0;
    for (int c = 0; c < cols && !initial.empty(); ++c) {
      bound = std::max(bound, magnitude(initial[static_cast<std::size_t>(c)]));
    }
    std::fill(exact_bound_.begin(), exact_bound_.end(), bound);
    const bool exact = bound <= high_ && -bound >= low_;
    std::fill(diverged_.begin(), diverged_.end(), static_cast<char>(exact ? 0 : 1));
    is_wide_ = bound > kBound32 || (!exact && std::max(-low_, high_) > kBound32);
    if (is_wide_) {
      wide_.resize(max_lanes_);
      start(wide_, initial);
    } else {
      start(narrow_, initial);
    }
  }

  void accumulate(const std::int32_t* lhs, std::int64_t lhs_stride, const std::int32_t* rhs, std::int64_t rhs_stride,
                  int depth) override {
    const int unit = call_unit(accumulation_);
    require(depth_ == 0 || (unit != 0 && depth_ % unit == 0));
    pack(rhs, rhs_stride, depth);
    if (!bound_moves(lhs, lhs_stride, depth) && !is_wide_) {
      widen();
    }
    const int fold = accumulation_.fold == 0 ? depth : accumulation_.fold;
    const int step = accumulation_.accumulator.step == 0 ? fold : accumulation_.accumulator.step;
    // Folds matter only where they cut a group short.
    const int segment = step == 1 || fold % step == 0 ? depth : fold;
    for (int begin = 0, end = 0; begin < depth; begin = end) {
      end = depth - begin < segment ? depth : begin + segment;
      const Segment part{lhs + begin, lhs_stride, begin, end - begin, depth, step};
      if (is_wide_) {
        run(wide_, part);
      } else {
        run(narrow_, part);
      }
      narrowings_ += (std::int64_t{part.depth} + step - 1) / step;
    }
    settle();
    depth_ += depth;
  }

  void finish(std::int64_t* out, std::int64_t out_stride, std::int64_t first_output, std::int64_t row_step,
              AccumulationEvidence& evidence) override {
    require(rows_ <= 1 || row_step >= cols_);
    OverflowCounts counts;
    if (is_wide_) {
      collect(wide_, out, out_stride, counts, evidence.exact);
    } else {
      collect(narrow_, out, out_stride, counts, evidence.exact);
    }
    if (!first_.none()) {
      counts.first = FirstOverflow{first_output + first_.row * row_step + first_.col, first_.narrowing};
    }
    evidence.accumulator.merge(counts);
  }

  void exact_sums(std::int64_t* out) const override {
    for (int row = 0; row < rows_; ++row) {
      const auto lane = static_cast<std::int64_t>(lane_of(row, 0));
      std::int64_t* to = out + std::int64_t{row} * cols_;
      if (is_wide_) {
        std::copy_n(wide_.exact.begin() + lane, cols_, to);
      } else {
        std::copy_n(narrow_.exact.begin() + lane, cols_, to);
      }
    }
  }

 private:
  // A part of a call in which only the step cuts groups.
  struct Segment {
    const std::int32_t* lhs;  // at the segment's first product
    std::int64_t lhs_stride;
    int begin;  // first product within the call
    int depth;
    int call_depth;
    int step;
  };

  [[nodiscard]] std::size_t lane_of(int row, int block) const {
    return (static_cast<std::size_t>(row) * static_cast<std::size_t>(blocks_) + static_cast<std::size_t>(block)) *
           kLanes;
  }

  [[nodiscard]] int lanes_in(int block) const { return std::min(kLanes, cols_ - block * kLanes); }

  // The column whose initial value a lane takes; lanes beyond the last column repeat it: nothing new for the range.
  [[nodiscard]] int column_of(int block, int lane) const { return std::min(block * kLanes + lane, cols_ - 1); }

  template <typename T>
  void start(LaneArrays<T>& lanes, std::span<const std::int64_t> initial) {
    lanes.clear_range();
    for (int block = 0; block < blocks_ && rows_ > 0; ++block) {
      for (int i = 0; i < kLanes; ++i) {
        const int col = column_of(block, i);
        const std::int64_t exact = initial.empty() ? 0 : initial[static_cast<std::size_t>(col)];
        const Fitted fitted = fit(exact, accumulation_.accumulator.format);
        if (fitted.overflowed && first_.after(0, col)) {
          first_ = {0, col, 0};
        }
        lanes.exact_min[i] = std::min(lanes.exact_min[i], static_cast<T>(exact));
        lanes.exact_max[i] = std::max(lanes.exact_max[i], static_cast<T>(exact));
        for (int row = 0; row < rows_; ++row) {
          const std::size_t lane = lane_of(row, block) + static_cast<std::size_t>(i);
          lanes.exact[lane] = static_cast<T>(exact);
          lanes.value[lane] = static_cast<T>(fitted.value);
          count_[lane] = fitted.overflowed ? 1 : 0;
        }
      }
    }
  }

  // rhs as [blocks, depth, kLanes], and the largest magnitude of each of its rows.
  void pack(const std::int32_t* rhs, std::int64_t rhs_stride, int depth) {
    packed_.resize(static_cast<std::size_t>(blocks_) * static_cast<std::size_t>(depth) * kLanes);
    rhs_bound_.assign(static_cast<std::size_t>(depth), 0);
    for (int block = 0; block < blocks_; ++block) {
      std::int32_t* to = packed_.data() + static_cast<std::size_t>(block) * static_cast<std::size_t>(depth) * kLanes;
      const int used = lanes_in(block);
      for (int k = 0; k < depth; ++k, to += kLanes) {
        const std::int32_t* from = rhs + k * rhs_stride + block * kLanes;
        std::int32_t bound = 0;
        for (int i = 0; i < used; ++i) {
          to[i] = from[i];
          bound = std::max(bound, from[i] < 0 ? -from[i] : from[i]);
        }
        for (int i = used; i < kLanes; ++i) {
          to[i] = 0;  // these lanes keep the initial value of the last column
        }
        auto& row_bound = rhs_bound_[static_cast<std::size_t>(k)];
        row_bound = std::max(row_bound, bound);
      }
    }
  }

  // B of every row. True when 32-bit lanes suffice for this call.
  bool bound_moves(const std::int32_t* lhs, std::int64_t lhs_stride, int depth) {
    bool fits = true;
    for (int row = 0; row < rows_; ++row) {
      const std::int32_t* left = lhs + row * lhs_stride;
      std::int64_t bound = 0;
      for (int k = 0; k < depth; ++k) {
        bound += magnitude(left[k]) * rhs_bound_[static_cast<std::size_t>(k)];
      }
      bound = std::min(bound, kHuge);  // so that adding bounds cannot overflow
      move_bound_[static_cast<std::size_t>(row)] = bound;
      const std::int64_t value_bound = proven(row) ? 0 : std::max(-low_, high_);
      fits &= std::max(exact_bound_[static_cast<std::size_t>(row)], value_bound) + bound <= kBound32;
    }
    return fits;
  }

  // Nothing can overflow in this row during this call.
  [[nodiscard]] bool proven(int row) const {
    const auto r = static_cast<std::size_t>(row);
    const std::int64_t bound = exact_bound_[r] + move_bound_[r];
    return diverged_[r] == 0 && bound <= high_ && -bound >= low_;
  }

  void widen() {
    wide_.resize(max_lanes_);
    std::copy(narrow_.value.begin(), narrow_.value.end(), wide_.value.begin());
    std::copy(narrow_.exact.begin(), narrow_.exact.end(), wide_.exact.begin());
    std::copy_n(narrow_.exact_min, kLanes, wide_.exact_min);
    std::copy_n(narrow_.exact_max, kLanes, wide_.exact_max);
    is_wide_ = true;
  }

  static LaneKernel<std::int32_t> kernel(const LaneArrays<std::int32_t>&, Isa isa, Fit fit, bool single_step) {
    return lane_kernel_32(isa, fit, single_step);
  }
  static LaneKernel<std::int64_t> kernel(const LaneArrays<std::int64_t>&, Isa isa, Fit fit, bool single_step) {
    return lane_kernel_64(isa, fit, single_step);
  }

  template <typename T>
  void run(LaneArrays<T>& lanes, const Segment& part) {
    const auto unchecked = kernel(lanes, isa_, Fit::None, part.step == 1);
    const auto checked = kernel(lanes, isa_, fit_, part.step == 1);
    for (int row = 0; row < rows_; ++row) {
      if (!proven(row) && diverged_[static_cast<std::size_t>(row)] == 0) {
        std::copy_n(&lanes.exact[lane_of(row, 0)], lane_of(1, 0), &lanes.value[lane_of(row, 0)]);
        diverged_[static_cast<std::size_t>(row)] = 1;
      }
    }
    for (int block = 0; block < blocks_; ++block) {
      const std::int32_t* rhs =
          packed_.data() + (std::int64_t{block} * part.call_depth + part.begin) * std::int64_t{kLanes};
      for (int row = 0; row < rows_; ++row) {
        const std::size_t lane = lane_of(row, block);
        const LaneBlock<T> in{part.lhs + row * part.lhs_stride, rhs, part.depth, part.step,
                              static_cast<T>(low_), static_cast<T>(high_), static_cast<T>(high_ - low_),
                              &lanes.value[lane], &lanes.exact[lane], &count_[lane], lanes.exact_min,
                              lanes.exact_max};
        if (proven(row)) {
          unchecked(in);
        } else if (first_.after(row, block * kLanes)) {
          run_and_locate(checked, in, row, block);
        } else {
          checked(in);
        }
      }
    }
  }

  // As the kernel, and looks for an overflow earlier than the first one known.
  template <typename T>
  void run_and_locate(LaneKernel<T> checked, const LaneBlock<T>& in, int row, int block) {
    T value[kLanes];
    std::int32_t count[kLanes];
    std::copy_n(in.value, kLanes, value);
    std::copy_n(in.count, kLanes, count);
    checked(in);
    for (int i = 0; i < lanes_in(block); ++i) {
      const int col = block * kLanes + i;
      if (count[i] == 0 && in.count[i] != 0 && first_.after(row, col)) {
        first_ = {row, col, narrowings_ + replay(in, i, value[i])};
        return;
      }
    }
  }

  // The group, from 0, in which this lane overflows first.
  template <typename T>
  [[nodiscard]] std::int64_t replay(const LaneBlock<T>& in, int lane, std::int64_t value) const {
    std::int64_t group = 0;
    for (int k = 0; k < in.depth; ++group) {
      const int end = in.depth - k < in.step ? in.depth : k + in.step;
      for (; k < end; ++k) {
        value += std::int64_t{in.lhs[k]} * in.rhs[std::int64_t{k} * kLanes + lane];
      }
      if (value < low_ || value > high_) {
        return group;
      }
    }
    std::abort();  // the kernel and this loop would disagree
  }

  // After a call: the actual size of the exact sums, and rows that agree with them again.
  void settle() {
    for (int row = 0; row < rows_; ++row) {
      if (is_wide_) {
        settle_row(wide_, row);
      } else {
        settle_row(narrow_, row);
      }
    }
  }

  template <typename T>
  void settle_row(const LaneArrays<T>& lanes, int row) {
    const T* exact = lanes.exact.data() + lane_of(row, 0);
    const T* value = lanes.value.data() + lane_of(row, 0);
    const auto size = static_cast<std::int64_t>(lane_of(1, 0));
    T low = 0;
    T high = 0;
    for (std::int64_t i = 0; i < size; ++i) {
      low = std::min(low, exact[i]);
      high = std::max(high, exact[i]);
    }
    const auto r = static_cast<std::size_t>(row);
    exact_bound_[r] = std::max(-std::int64_t{low}, std::int64_t{high});
    diverged_[r] = static_cast<char>(diverged_[r] != 0 && !std::equal(exact, exact + size, value) ? 1 : 0);
  }

  template <typename T>
  void collect(const LaneArrays<T>& lanes, std::int64_t* out, std::int64_t out_stride, OverflowCounts& counts,
               Range& range) const {
    counts.total = static_cast<std::uint64_t>(rows_) * static_cast<std::uint64_t>(cols_);
    if (counts.total == 0) {
      return;
    }
    for (int row = 0; row < rows_; ++row) {
      const auto& value = diverged_[static_cast<std::size_t>(row)] != 0 ? lanes.value : lanes.exact;
      for (int col = 0; col < cols_; ++col) {
        const std::size_t lane = lane_of(row, 0) + static_cast<std::size_t>(col);
        const bool overflowed = count_[lane] != 0;
        const bool exact = value[lane] == lanes.exact[lane];
        out[row * out_stride + col] = value[lane];
        counts.count += static_cast<std::uint64_t>(count_[lane]);
        counts.outputs += overflowed ? 1 : 0;
        counts.transient += overflowed && exact ? 1 : 0;
        counts.harmful += exact ? 0 : 1;
      }
    }
    for (int i = 0; i < kLanes; ++i) {
      range.include(lanes.exact_min[i]);
      range.include(lanes.exact_max[i]);
    }
  }

  Accumulation accumulation_;
  Isa isa_;
  int max_rows_, max_cols_;
  std::size_t max_lanes_;
  std::int64_t low_ = 0, high_ = 0;
  Fit fit_ = Fit::Clamp;

  int rows_ = 0, cols_ = 0, blocks_ = 0;
  std::int64_t depth_ = 0;       // products so far, per output
  std::int64_t narrowings_ = 0;  // so far, the initial value's included
  bool is_wide_ = false;
  LaneArrays<std::int32_t> narrow_;
  LaneArrays<std::int64_t> wide_;
  std::vector<std::int32_t> count_;  // narrowings that changed a sum, per lane
  First first_;

  std::vector<std::int64_t> exact_bound_;  // per row: largest magnitude of its exact sums now
  std::vector<std::int64_t> move_bound_;   // per row: B of this call
  std::vector<char> diverged_;             // per row: value and exact may differ
  std::vector<std::int32_t> packed_;
  std::vector<std::int32_t> rhs_bound_;
};

}  // namespace

std::unique_ptr<AccumulatorTile::State> make_lane_tile(int rows, int cols, const Accumulation& accumulation, Isa isa) {
  const Format& format = accumulation.accumulator.format;
  const bool plain_wrap = format.overflow == Overflow::WRAP && format.n_bits == 0;
  const bool clamps = format.overflow == Overflow::SAT || format.overflow == Overflow::SAT_SYM;
  if (accumulation.psum || format.width > kMaxLaneWidth || !(plain_wrap || clamps)) {
    return nullptr;
  }
  return std::make_unique<LaneTile>(rows, cols, accumulation, isa);
}

}  // namespace guardbit::arith::detail
