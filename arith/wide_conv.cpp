// Convolution of 16-bit operands: plain products, the guard over them, and what is left in tiles.
#include "arith/wide_conv.hpp"

#include <algorithm>

#include "arith/detail/aligned.hpp"
#include "arith/detail/patch_source.hpp"
#include "arith/detail/tile_state.hpp"
#include "arith/detail/wide_plan.hpp"

namespace guardbit::arith {
namespace {

using detail::kPairCols;
using detail::kPairRows;

constexpr std::int64_t kPatchCodes = 1 << 15;  // gathered at a time, about: 64 KiB
constexpr int kMostRows = 64;
constexpr int kRedoCols = 16;
constexpr int kRedoRows = 16;
constexpr int kRedoDepth = 1024;  // products at a time, about
constexpr int kRest = 15;  // blocks of rows that skip the guard after one where most of it failed

}  // namespace

// One call of run(). A prefix of a sum lies no further beyond the larger, or the smaller, of the sums at both ends of
// its chunk than half the product of the norms of the chunk's operands (arith/README.md, "The guard", 3).
class WideConv::Job {
 public:
  Job(const Plan& plan, const std::int16_t* input, const GemmOut& out, std::int64_t first, AccumulationEvidence& evidence)
      : p_(plan),
        lhs_(GemmLhs::of(input, 0, plan.offset)),
        first_(first),
        out_(out),
        evidence_(evidence),
        stride_(std::int64_t{plan.pairs()} * 2),
        most_rows_(static_cast<int>(std::clamp<std::int64_t>(kPatchCodes / stride_ / kPairRows * kPairRows, kPairRows,
                                                             kMostRows))),
        tile_(kRedoRows, kRedoCols, plan.redone) {
    left_.resize(static_cast<std::size_t>(most_rows_ * stride_));
    norms_.resize(static_cast<std::size_t>(most_rows_));
    for (auto* sums : {&sums_, &least_, &most_}) sums->resize(static_cast<std::size_t>(most_rows_) * kPairCols);
    const int unit = detail::call_unit(plan.redone);  // an even number of products, so that pairs stay whole
    redo_depth_ = unit == 0 ? plan.depth : std::min(plan.depth, std::max(1, kRedoDepth / 2 / unit) * unit * 2);
    redo_left_.resize(static_cast<std::size_t>(kRedoRows) * static_cast<std::size_t>(redo_depth_));
    redo_right_.resize(static_cast<std::size_t>(kRedoCols) * static_cast<std::size_t>(redo_depth_ + 1));
  }

  void run(std::int64_t count, GemmWork& work) {
    for (std::int64_t row = 0; row < count; row += most_rows_) {
      const int rows = static_cast<int>(std::min<std::int64_t>(most_rows_, count - row));
      bool skip = rest_ > 0;
      if (skip) --rest_;
      int group = -1;
      int failed = 0;
      int asked = 0;
      for (const WideBlock& block : p_.blocks) {
        if (block.group != group) gather(group = block.group, row, rows);
        const bool guarded = !skip && !block.redo;
        if (guarded) multiply(block, rows);
        const int redone = settle(block, row, rows, guarded);
        const int halves = (block.cols + kRedoCols - 1) / kRedoCols * rows;
        if (guarded) failed += redone;
        if (guarded) asked += halves;
        const auto macs = static_cast<std::uint64_t>(rows * block.cols) * static_cast<std::uint64_t>(p_.depth);
        const std::uint64_t lanes = macs * static_cast<std::uint64_t>(redone) / static_cast<std::uint64_t>(halves);
        work.lanes += lanes;
        work.guarded += macs - lanes;
      }
      if (failed * 4 > asked * 3) rest_ = kRest;
    }
  }

 private:
  void gather(int group, std::int64_t row, int rows) {
    const detail::PatchSource<std::int16_t> source(lhs_, p_.geometry, group, first_);
    source.codes(row, rows, left_.data(), stride_);
    for (int r = 0; r < rows; ++r) {
      norms_[static_cast<std::size_t>(r)] = p_.kernels->largest_norm(&left_[at(r)], p_.depth, p_.offset);
    }
  }
  [[nodiscard]] std::size_t at(int row) const { return static_cast<std::size_t>(row * stride_); }

  void multiply(const WideBlock& block, int rows) {
    for (int r = 0; r < rows; r += kPairRows) {  // rows beyond the last one are computed, and not looked at
      const auto to = static_cast<std::size_t>(r) * kPairCols;
      const detail::PairTile tile{.left = &left_[at(r)], .left_stride = stride_, .right = block.weights.data(),
                                  .pairs = p_.pairs(), .start = block.start,
                                  .corrections = block.corrections.empty() ? nullptr : block.corrections.data(),
                                  .sums = &sums_[to], .least = &least_[to], .most = &most_[to]};
      (p_.planes == 1 ? p_.kernels->one_plane : p_.kernels->two_planes)(tile);
    }
  }

  struct Limits {
    std::int64_t low, high;
  };
  // Sums within them overflow nothing and widen no range.
  [[nodiscard]] Limits limits() const {
    return {std::max(p_.low, evidence_.exact.min), std::min(p_.high, evidence_.exact.max)};
  }

  // Whether some sum of a row and half a block may leave the limits: at the end of a chunk, or (bounded) within one.
  [[nodiscard]] bool may_leave(const WideBlock& block, int row, int half, const Limits& limits, bool bounded) const {
    const int begin = half * kRedoCols;
    const int end = std::min(block.cols, begin + kRedoCols);
    const std::int64_t norm = bounded ? norms_[static_cast<std::size_t>(row)] : 0;
    const std::int64_t* least = &least_[static_cast<std::size_t>(row) * kPairCols];
    const std::int64_t* most = &most_[static_cast<std::size_t>(row) * kPairCols];
    bool leaves = false;
    for (int c = begin; c < end; ++c) {
      const std::int64_t beyond = norm * block.half_norm[c];
      leaves |= most[c] > limits.high - beyond || least[c] < limits.low + beyond;
    }
    return leaves;
  }

  // Values and evidence of rows of a block; how many halves of rows went through a tile. First those that are sure to
  // widen the range: fewer are left then.
  int settle(const WideBlock& block, std::int64_t row, int rows, bool guarded) {
    int redone = 0;
    for (int half = 0; half * kRedoCols < block.cols; ++half) {
      std::vector<int> open;
      for (int r = 0; r < rows; ++r) open.push_back(r);
      expanded_ = -1;
      for (const bool bounded : {false, true}) {
        if (!guarded && !bounded) continue;
        const Limits now = limits();
        std::vector<int> failing;
        std::vector<int> others;
        for (const int r : open) {
          const bool fails = !guarded || now.low > now.high || may_leave(block, r, half, now, bounded);
          (fails ? failing : others).push_back(r);
        }
        redo(block, half, row, failing);
        redone += static_cast<int>(failing.size());
        open = std::move(others);
      }
      const int cols = std::min(kRedoCols, block.cols - half * kRedoCols);
      evidence_.accumulator.total += open.size() * static_cast<std::size_t>(cols);
      for (const int r : open) {
        write(block, half, row + r, &sums_[static_cast<std::size_t>(r * kPairCols + half * kRedoCols)]);
      }
    }
    return redone;
  }

  void write(const WideBlock& block, int half, std::int64_t row, const std::int64_t* sums) const {
    const int cols = std::min(kRedoCols, block.cols - half * kRedoCols);
    const std::int64_t to = row * out_.stride + block.channel + half * kRedoCols;
    for (int c = 0; c < cols; ++c) {
      if (out_.out32 != nullptr) out_.out32[to + c] = static_cast<std::int32_t>(sums[c]);
      if (out_.out64 != nullptr) out_.out64[to + c] = sums[c];
    }
  }

  // Half a block of some rows, which ascend, in a tile.
  void redo(const WideBlock& block, int half, std::int64_t row, std::span<const int> rows) {
    const int first = half * kRedoCols;
    const int cols = std::min(kRedoCols, block.cols - first);
    const auto start = std::span(block.start).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(cols));
    while (!rows.empty()) {
      const auto here = rows.first(std::min<std::size_t>(kRedoRows, rows.size()));
      rows = rows.subspan(here.size());
      tile_.reset(static_cast<int>(here.size()), cols, start);
      for (int k = 0; k < p_.depth; k += redo_depth_) add_products(block, half, here, k, cols);
      std::int64_t sums[kRedoRows * kRedoCols];
      AccumulationEvidence mine;
      tile_.finish(sums, cols, 0, kRedoCols, mine);
      if (auto& found = mine.accumulator.first) {  // names a row of the tile and a column of the half
        const std::int64_t output = row + here[static_cast<std::size_t>(found->output / kRedoCols)];
        found->output = out_.first_output + output * out_.row_step + block.channel + first + found->output % kRedoCols;
      }
      evidence_.merge(mine);
      for (std::size_t i = 0; i < here.size(); ++i) {
        write(block, half, row + here[i], sums + i * static_cast<std::size_t>(cols));
      }
    }
  }

  // Products k .. k + redo_depth_ - 1 of some rows and half a block, into the tile.
  void add_products(const WideBlock& block, int half, std::span<const int> rows, int k, int cols) {
    const int depth = std::min(redo_depth_, p_.depth - k);
    std::int32_t* to = redo_left_.data();
    for (const int r : rows) {
      const std::int16_t* from = &left_[at(r)] + k;
      for (int i = 0; i < depth; ++i) *to++ = from[i] - p_.offset;
    }
    if (expanded_ != half || depth != p_.depth) expand(block, half, k / 2, (depth + 1) / 2, cols);
    expanded_ = half;
    tile_.accumulate(redo_left_.data(), depth, redo_right_.data(), cols, depth);
  }

  // Weights of half a block as numbers, [2 * pairs][cols].
  void expand(const WideBlock& block, int half, int first, int pairs, int cols) {
    const std::int16_t* from = &block.weights[(static_cast<std::size_t>(first * p_.planes) * kPairCols +
                                               static_cast<std::size_t>(half * kRedoCols)) * 2];
    const std::int16_t* high = p_.planes == 2 ? from + kPairCols * 2 : nullptr;
    std::int32_t* to = redo_right_.data();
    for (int pair = 0; pair < pairs; ++pair, to += 2 * cols) {
      const std::ptrdiff_t at = std::ptrdiff_t{pair} * p_.planes * kPairCols * 2;
      for (int c = 0; c < cols; ++c) {
        for (int i = 0; i < 2; ++i) {
          std::int32_t weight = from[at + c * 2 + i];
          if (high != nullptr) weight += high[at + c * 2 + i] * static_cast<std::int32_t>(detail::kHighPlane);
          to[i * cols + c] = weight;
        }
      }
    }
  }

  const Plan& p_;
  const GemmLhs lhs_;
  std::int64_t first_;  // output row
  const GemmOut& out_;
  AccumulationEvidence& evidence_;
  std::int64_t stride_;  // of rows of codes
  int most_rows_;
  AccumulatorTile tile_;
  int rest_ = 0;       // blocks of rows that skip the guard
  int expanded_ = -1;  // half of the block in hand whose weights redo_right_ holds, all of them
  int redo_depth_ = 0;  // products that a tile takes at a time
  detail::LineVector<std::int16_t> left_;
  std::vector<std::int64_t> norms_;
  detail::LineVector<std::int64_t> sums_, least_, most_;  // [most_rows][kPairCols]
  std::vector<std::int32_t> redo_left_, redo_right_;
};

WideConv::WideConv(const std::int32_t* weight, const ConvGeometry& geometry, const CodeRange& codes,
                   std::span<const std::int64_t> initial, const Accumulation& accumulation, GemmIsa isa)
    : plan_(std::make_unique<const Plan>(weight, geometry, codes, initial, accumulation, isa)) {}
WideConv::~WideConv() = default;

bool WideConv::available() const { return plan_->available; }
std::int32_t WideConv::shift() const { return plan_->shift; }

void WideConv::run(const std::int16_t* input, const GemmOut& out, AccumulationEvidence& evidence, const ConvRows& rows,
                   GemmWork* work) const {
  const std::int64_t all = plan_->geometry.rows();
  const std::int64_t count = rows.count < 0 ? all - rows.first : rows.count;
  detail::require(available() && rows.first >= 0 && count >= 0 && rows.first + count <= all);
  detail::require((out.out32 == nullptr) != (out.out64 == nullptr));
  GemmWork done;
  if (count > 0) Job(*plan_, input, out, rows.first, evidence).run(count, done);
  if (work != nullptr) work->merge(done);
}

}  // namespace guardbit::arith
