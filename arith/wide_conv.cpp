// Convolution of 16-bit operands: plain products, the guard over them, and what is left in tiles.
#include "arith/wide_conv.hpp"

#include <algorithm>

#include "arith/detail/aligned.hpp"
#include "arith/detail/patch_source.hpp"
#include "arith/detail/tile_state.hpp"
#include "arith/detail/wide_plan.hpp"
#include "arith/narrow.hpp"

namespace guardbit::arith {
namespace {

using detail::kPairCols;
using detail::kPairRows;

constexpr std::int64_t kPatchCodes = 1 << 15;  // gathered at a time, about: 64 KiB
constexpr int kMostRows = 64;
constexpr int kRedoCols = 16;  // that are redone together where the guard fails
constexpr int kRedoDepth = 1024;  // products at a time, about
constexpr int kTileCols = 64;     // most that a tile takes
constexpr int kRest = 15;  // blocks of rows that skip the guard after one where most of it failed

}  // namespace

// One call of run().
class WideConv::Job {
 public:
  Job(const Plan& plan, const std::int16_t* input, const GemmOut& out, std::int64_t first,
      AccumulationEvidence& evidence)
      : p_(plan),
        lhs_(GemmLhs::of(input, 0, plan.offset)),
        first_(first),
        out_(out),
        evidence_(evidence),
        stride_(std::int64_t{plan.pairs()} * 2),
        most_rows_(static_cast<int>(std::clamp<std::int64_t>(kPatchCodes / stride_ / kPairRows * kPairRows, kPairRows,
                                                             kMostRows))),
        tile_(most_rows_, kTileCols, plan.redone) {
    left_.resize(static_cast<std::size_t>(most_rows_ * stride_));
    norms_.resize(static_cast<std::size_t>(most_rows_) * static_cast<std::size_t>(plan.chunks()));
    before_.resize(norms_.size() * kPairCols);
    open_.resize(before_.size() / detail::kFollowCols);
    for (auto* sums : {&sums_, &least_, &most_}) sums->resize(static_cast<std::size_t>(most_rows_) * kPairCols);
    const int unit = detail::call_unit(plan.redone);  // an even number of products, so that pairs stay whole
    redo_depth_ = unit == 0 ? plan.depth : std::min(plan.depth, std::max(1, kRedoDepth / 2 / unit) * unit * 2);
    redo_sums_.resize(static_cast<std::size_t>(most_rows_) * kTileCols);
    redo_left_.resize(static_cast<std::size_t>(most_rows_) * static_cast<std::size_t>(redo_depth_));
    redo_right_.resize(static_cast<std::size_t>(kTileCols) * static_cast<std::size_t>(redo_depth_ + 1));
  }

  void run(std::int64_t count, GemmWork& work) {
    for (std::int64_t row = 0; row < count; row += most_rows_) {
      const int rows = static_cast<int>(std::min<std::int64_t>(most_rows_, count - row));
      const bool rests = rest_ > 0;
      if (rests) --rest_;
      int group = -1;
      std::int64_t failed = 0;  // outputs that the guard did not answer for
      std::int64_t asked = 0;
      std::int64_t redone = 0;
      for (std::size_t at = 0; at < p_.blocks.size();) {
        const WideBlock& block = p_.blocks[at++];
        if (block.group != group) gather(group = block.group, row, rows);
        if (rests || block.redo) {
          int cols = block.cols;
          for (; rests && at < p_.blocks.size() && p_.blocks[at].group == group && cols < kTileCols; ++at) {
            cols += p_.blocks[at].cols;  // all but the last of a group are full
          }
          redone += settle({&block, 0, cols}, row, rows, false);
          continue;
        }
        multiply(block, rows);
        for (int col = 0; col < block.cols; col += kRedoCols) {
          failed += settle({&block, col, std::min(kRedoCols, block.cols - col)}, row, rows, true);
        }
        asked += std::int64_t{rows} * block.cols;
      }
      if (failed * 4 > asked * 3 && !p_.wraps) rest_ = kRest;  // chunks of wrapping sums are always worth a look
      const auto depth = static_cast<std::uint64_t>(p_.depth);
      work.lanes += static_cast<std::uint64_t>(redone + failed) * depth;
      work.guarded += static_cast<std::uint64_t>(asked - failed) * depth;
    }
  }

 private:
  void gather(int group, std::int64_t row, int rows) {
    const detail::PatchSource<std::int16_t> source(lhs_, p_.geometry, group, first_);
    source.codes(row, rows, left_.data(), stride_);
    redo_rows_.clear();
    for (int r = 0; r < rows; ++r) {
      p_.kernels->norms(&left_[at(r)], p_.depth, p_.offset, p_.chunk_pairs, &norms_[norm_at(r)]);
    }
  }
  [[nodiscard]] std::size_t at(int row) const { return static_cast<std::size_t>(row * stride_); }

  [[nodiscard]] detail::PairWindows windows() const {
    if (!p_.wraps) return {};
    return {.origin = p_.low, .width = p_.accumulation.accumulator.format.width};
  }
  [[nodiscard]] std::size_t before_at(int row) const { return norm_at(row) * kPairCols; }
  [[nodiscard]] std::size_t norm_at(int row) const {
    return static_cast<std::size_t>(row) * static_cast<std::size_t>(p_.chunks());
  }

  void multiply(const WideBlock& block, int rows) {
    for (int r = 0; r < rows; r += kPairRows) {  // rows beyond the last one are computed, and not looked at
      const auto to = static_cast<std::size_t>(r) * kPairCols;
      const detail::PairTile tile{.left = &left_[at(r)],
                                  .left_stride = stride_,
                                  .right = block.weights.data(),
                                  .pairs = p_.pairs(),
                                  .chunk_pairs = p_.chunk_pairs,
                                  .start = block.start,
                                  .corrections = block.corrections.empty() ? nullptr : block.corrections.data(),
                                  .left_norms = &norms_[norm_at(r)],
                                  .norm_stride = p_.chunks(),
                                  .up = block.up.data(),
                                  .down = block.down.data(),
                                  .sums = &sums_[to],
                                  .least = &least_[to],
                                  .most = &most_[to],
                                  .chunks = p_.chunks(),
                                  .before = &before_[before_at(r)],
                                  .open = &open_[before_at(r) / detail::kFollowCols],
                                  .low = evidence_.exact.min,
                                  .high = evidence_.exact.max,
                                  .windows = windows()};
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

  // Some columns of a block, or all of it and of the blocks behind it.
  struct Part {
    const WideBlock* block;
    int first, cols;
    [[nodiscard]] int channel() const { return block->channel + first; }
  };

  // Whether a final sum of a row leaves the limits, or (bounded) any sum may.
  [[nodiscard]] bool leaves(const Part& part, int row, const Limits& limits, bool bounded) const {
    const std::size_t from = static_cast<std::size_t>(row * kPairCols + part.first);
    const std::int64_t* least = bounded ? &least_[from] : &sums_[from];
    const std::int64_t* most = bounded ? &most_[from] : &sums_[from];
    bool found = false;
    for (int c = 0; c < part.cols; ++c) found |= most[c] > limits.high || least[c] < limits.low;
    return found;
  }

  // Values and evidence of all rows; how many outputs went through the tile. First those that are sure to widen the
  // range: fewer are left then.
  int settle(const Part& part, std::int64_t row, int rows, bool guarded) {
    int redone = 0;
    std::vector<int> open;
    for (int r = 0; r < rows; ++r) open.push_back(r);
    expanded_ = false;
    for (const bool bounded : {false, true}) {
      const Limits now = limits();
      std::vector<int> failing;
      std::vector<int> others;
      for (const int r : open) {
        const bool fails = !guarded || now.low > now.high || leaves(part, r, now, bounded);
        (fails ? failing : others).push_back(r);
      }
      redone += static_cast<int>(failing.size()) * part.cols;
      if (guarded && p_.follows) {
        std::erase_if(failing, [&](int r) { return follow(part, row, r); });
      }
      if (!failing.empty()) redo(part, row, failing);
      open = std::move(others);
    }
    evidence_.accumulator.total += open.size() * static_cast<std::size_t>(part.cols);
    for (const int r : open) write(part, row + r, &sums_[static_cast<std::size_t>(r * kPairCols + part.first)]);
    return redone;
  }

  // A row, chunk by chunk where a sum may widen the range or leave its window; false where what comes after depends on
  // how it has left the format.
  bool follow(const Part& part, std::int64_t row, int r) {
    const std::size_t from = static_cast<std::size_t>(r * kPairCols + part.first);
    bool inside = true;
    for (int c = 0; c < part.cols; ++c) {
      const std::size_t at = from + static_cast<std::size_t>(c);
      inside &= most_[at] <= p_.high && least_[at] >= p_.low;
    }
    if (!p_.proven && !p_.wraps && !inside) return false;
    std::int64_t changes[kRedoCols] = {};
    for (int chunk = 0; chunk < p_.chunks(); ++chunk) {
      for (int col = 0; col < part.cols; col += detail::kFollowCols) follow(part, r, chunk, col, changes);
    }
    count(part, row, r, changes);
    return true;
  }

  // kFollowCols columns of a chunk, unless its bounds say that there is nothing to see.
  void follow(const Part& part, int r, int chunk, int col, std::int64_t* changes) {
    const int right = chunk * kPairCols + part.first + col;
    const std::size_t before = before_at(r) + static_cast<std::size_t>(right);
    if (open_[before / detail::kFollowCols] == 0) return;
    const int pair = chunk * p_.chunk_pairs;
    detail::PairFollow f;
    f.codes = &left_[at(r)] + std::ptrdiff_t{pair} * 2;
    f.offset = p_.offset;
    f.right = &part.block->weights[static_cast<std::size_t>(pair * p_.planes * kPairCols + part.first + col) * 2];
    f.planes = p_.planes;
    f.pairs = std::min(p_.chunk_pairs, p_.pairs() - pair);
    f.begin = &before_[before];
    f.windows = windows();
    p_.kernels->follow(f);
    for (int c = 0; c < std::min(detail::kFollowCols, part.cols - col); ++c) {
      evidence_.exact.include(f.least[c]);
      evidence_.exact.include(f.most[c]);
      changes[col + c] += f.changes[c];
    }
  }

  // Evidence and values of a row that was followed.
  void count(const Part& part, std::int64_t row, int r, const std::int64_t* changes) {
    const std::size_t from = static_cast<std::size_t>(r * kPairCols + part.first);
    std::int64_t values[kRedoCols];
    OverflowCounts& counts = evidence_.accumulator;
    counts.total += static_cast<std::uint64_t>(part.cols);
    for (int c = 0; c < part.cols; ++c) {
      const std::int64_t exact = sums_[from + static_cast<std::size_t>(c)];
      values[c] = exact;
      if (changes[c] == 0) continue;
      values[c] = static_cast<std::int64_t>(fit(exact, p_.accumulation.accumulator.format).value);
      counts.count += static_cast<std::uint64_t>(changes[c]);
      ++counts.outputs;
      ++(values[c] == exact ? counts.transient : counts.harmful);
      locate(part, row + r, r, c);
    }
    write(part, row + r, values);
  }

  // An output that overflowed: if it is the first of all, where, by the definition.
  void locate(const Part& part, std::int64_t row, int r, int c) {
    const std::int64_t index = out_.first_output + row * out_.row_step + part.channel() + c;
    auto& first = evidence_.accumulator.first;
    if (first && first->output < index) return;
    std::vector<std::int64_t> products(static_cast<std::size_t>(p_.depth));
    for (int k = 0; k < p_.depth; ++k) {
      const std::int64_t operand = left_[at(r) + static_cast<std::size_t>(k)] - p_.offset;
      products[static_cast<std::size_t>(k)] = operand * p_.packed_weight(*part.block, part.first + c, k);
    }
    AccumulationEvidence one;
    (void)accumulate(products, part.block->start[part.first + c], p_.accumulation, index, one);
    detail::require(one.accumulator.first.has_value());  // else the kernel and the definition disagree
    first = one.accumulator.first;
  }

  void write(const Part& part, std::int64_t row, const std::int64_t* sums) const {
    const std::int64_t to = row * out_.stride + part.channel();
    for (int c = 0; c < part.cols; ++c) {
      if (out_.out32 != nullptr) out_.out32[to + c] = static_cast<std::int32_t>(sums[c]);
      if (out_.out64 != nullptr) out_.out64[to + c] = sums[c];
    }
  }

  // Some rows, which ascend, in the tile.
  void redo(const Part& part, std::int64_t row, std::span<const int> rows) {
    std::int64_t start[kTileCols];
    for (int c = 0; c < part.cols; ++c) {
      const int col = part.first + c;
      start[c] = part.block[col / kPairCols].start[col % kPairCols];
    }
    tile_.reset(static_cast<int>(rows.size()), part.cols, std::span(start).first(static_cast<std::size_t>(part.cols)));
    for (int k = 0; k < p_.depth; k += redo_depth_) add_products(part, rows, k);
    AccumulationEvidence mine;
    tile_.finish(redo_sums_.data(), part.cols, 0, kTileCols, mine);
    if (auto& found = mine.accumulator.first) {  // names a row and a column of the tile
      const std::int64_t output = row + rows[static_cast<std::size_t>(found->output / kTileCols)];
      found->output = out_.first_output + output * out_.row_step + part.channel() + found->output % kTileCols;
    }
    evidence_.merge(mine);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      write(part, row + rows[i], &redo_sums_[i * static_cast<std::size_t>(part.cols)]);
    }
  }

  // Products k .. k + redo_depth_ - 1, into the tile.
  void add_products(const Part& part, std::span<const int> rows, int k) {
    const int depth = std::min(redo_depth_, p_.depth - k);
    const bool whole = depth == p_.depth;
    if (!whole || !std::equal(rows.begin(), rows.end(), redo_rows_.begin(), redo_rows_.end())) {
      redo_rows_.assign(rows.begin(), rows.end());
      std::int32_t* to = redo_left_.data();
      for (const int r : rows) {
        const std::int16_t* from = &left_[at(r)] + k;
        for (int i = 0; i < depth; ++i) *to++ = from[i] - p_.offset;
      }
    }
    if (!expanded_ || !whole) expand(part, k / 2, (depth + 1) / 2);
    expanded_ = true;
    tile_.accumulate(redo_left_.data(), depth, redo_right_.data(), part.cols, depth);
  }

  // Weights as numbers, [2 * pairs][cols].
  void expand(const Part& part, int first_pair, int pairs) {
    for (int done = 0; done < part.cols;) {
      const int col = part.first + done;
      const WideBlock& block = part.block[col / kPairCols];
      const int cols = std::min(part.cols - done, kPairCols - col % kPairCols);
      const std::int16_t* from =
          &block.weights[static_cast<std::size_t>(first_pair * p_.planes * kPairCols + col % kPairCols) * 2];
      for (int pair = 0; pair < pairs; ++pair, from += std::ptrdiff_t{p_.planes} * kPairCols * 2) {
        std::int32_t* to = &redo_right_[static_cast<std::size_t>(2 * pair * part.cols + done)];
        expand_pair(from, cols, to, to + part.cols);
      }
      done += cols;
    }
  }

  void expand_pair(const std::int16_t* from, int cols, std::int32_t* first, std::int32_t* second) const {
    for (int c = 0; c < cols; ++c) first[c] = from[c * 2];
    for (int c = 0; c < cols; ++c) second[c] = from[c * 2 + 1];
    if (p_.planes == 1) return;
    const std::int16_t* high = from + kPairCols * 2;
    constexpr auto kHigh = static_cast<std::int32_t>(detail::kHighPlane);
    for (int c = 0; c < cols; ++c) first[c] += high[c * 2] * kHigh;
    for (int c = 0; c < cols; ++c) second[c] += high[c * 2 + 1] * kHigh;
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
  bool expanded_ = false;  // redo_right_ holds all weights of the part in hand
  int redo_depth_ = 0;  // products that a tile takes at a time
  detail::LineVector<std::int16_t> left_;
  std::vector<std::int32_t> norms_;  // [most_rows][chunks]
  detail::LineVector<std::int64_t> sums_, least_, most_;  // [most_rows][kPairCols]
  detail::LineVector<std::int64_t> before_;               // [most_rows][chunks][kPairCols]
  std::vector<std::uint8_t> open_;                        // [most_rows][chunks][kPairCols / kFollowCols]
  std::vector<std::int32_t> redo_left_, redo_right_;
  std::vector<int> redo_rows_;  // whose operands redo_left_ holds
  std::vector<std::int64_t> redo_sums_;
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
