// Convolution and fully connected on arith::AccumulatorTile: what arith::conv2d has no fast path for.
//
// The output pixels of all images are the rows of one long matrix product per group, [N * P * Q, depth] x [depth,
// K / groups], cut into blocks of rows; only a block's patches are gathered at a time. Groups with few output
// channels (depthwise) swap the operands, so that pixels lie along the vectorized columns.
#include <algorithm>

#include "nets/engines/fast_blocks.hpp"

namespace guardbit::nets::fast {
namespace {

constexpr std::int64_t kPatchElements = 1 << 15;  // of a block's gathered patches: 128 KiB
constexpr std::int64_t kMaxBlockRows = 256;
constexpr int kNarrowGroup = 4;  // output channels per group, up to which operands are swapped

struct Plan {
  const Context& context;
  const ConvShape& shape;
  std::int32_t zero_point = 0;
  std::int64_t block_rows = 0;
  std::vector<std::vector<std::int32_t>> weights;  // per group: [depth, group_k]

  Plan(const Context& c, const ConvShape& s)
      : context(c), shape(s), zero_point(static_cast<std::int32_t>(c.input_format().zero_point)) {
    block_rows = std::min(c.input().shape[0] * shape.rows(),
                          std::clamp<std::int64_t>(kPatchElements / shape.depth(), 16, kMaxBlockRows));
    for (int g = 0; g < shape.groups; ++g) {
      weights.emplace_back(static_cast<std::size_t>(shape.depth()) * static_cast<std::size_t>(shape.group_k));
      gather_weights(shape, c.layer.weight, g, weights.back().data());
    }
  }
  [[nodiscard]] std::int64_t bias(std::int64_t k) const {
    return context.layer.bias.empty() ? 0 : context.layer.bias[static_cast<std::size_t>(k)];
  }

  // Patches of rows first..first+count-1, which may span images.
  void gather(int group, std::int64_t first, std::int64_t count, std::int32_t* out) const {
    while (count > 0) {
      const std::int64_t image = first / shape.rows();
      const std::int64_t row = first % shape.rows();
      const std::int64_t here = std::min(count, shape.rows() - row);
      gather_rows(shape, context.input().data.data() + image * shape.input_count(), zero_point, group, row, here, out);
      out += here * shape.depth();
      first += here;
      count -= here;
    }
  }
};

// One thread's buffers.
struct Worker {
  const Plan& plan;
  arith::AccumulatorTile tile;
  std::vector<std::int32_t> patches;
  std::vector<std::int32_t> turned;  // patches transposed, for narrow groups

  static bool narrow(const Plan& plan) { return plan.shape.groups > 1 && plan.shape.group_k <= kNarrowGroup; }

  explicit Worker(const Plan& p)
      : plan(p),
        tile(narrow(p) ? 1 : static_cast<int>(p.block_rows),
             narrow(p) ? static_cast<int>(p.block_rows) : p.shape.group_k, p.context.accumulation),
        patches(static_cast<std::size_t>(p.block_rows * p.shape.depth())),
        turned(narrow(p) ? patches.size() : 0) {}

  void wide_group(int group, const RowBlock& block, arith::AccumulationEvidence& evidence) {
    const ConvShape& shape = plan.shape;
    const std::int64_t first_k = std::int64_t{group} * shape.group_k;
    std::span<const std::int64_t> initial;
    if (!plan.context.layer.bias.empty()) {
      initial = std::span(plan.context.layer.bias)
                    .subspan(static_cast<std::size_t>(first_k), static_cast<std::size_t>(shape.group_k));
    }
    tile.reset(static_cast<int>(block.count), shape.group_k, initial);
    tile.accumulate(patches.data(), shape.depth(), plan.weights[static_cast<std::size_t>(group)].data(), shape.group_k,
                    shape.depth());
    tile.finish(block.accumulators + first_k, shape.k, block.output + first_k, shape.k, evidence);
  }

  // Evidence of a swapped tile names its column; the output it stands for is row `column` of the block, channel k.
  void add_swapped(arith::AccumulationEvidence&& mine, const RowBlock& block, std::int64_t k,
                   arith::AccumulationEvidence& evidence) const {
    const int depth = plan.shape.depth();
    const int fold = plan.context.accumulation.fold;
    const std::int64_t folds = fold == 0 || fold >= depth ? 1 : (depth + fold - 1) / fold;
    const auto output = [&](std::int64_t column) { return block.output + column * block.k + k; };
    if (mine.accumulator.first) mine.accumulator.first->output = output(mine.accumulator.first->output);
    if (mine.psum.first) {
      std::int64_t& index = mine.psum.first->output;
      index = output(index / folds) * folds + index % folds;
    }
    evidence.merge(mine);
  }

  void narrow_group(int group, const RowBlock& block, arith::AccumulationEvidence& evidence) {
    const ConvShape& shape = plan.shape;
    const std::int64_t count = block.count;
    const int depth = shape.depth();
    for (std::int64_t row = 0; row < count; ++row) {
      for (int d = 0; d < depth; ++d)
        turned[static_cast<std::size_t>(d * count + row)] = patches[static_cast<std::size_t>(row * depth + d)];
    }
    std::vector<std::int64_t> column(static_cast<std::size_t>(count));
    for (int g = 0; g < shape.group_k; ++g) {
      const std::int64_t k = std::int64_t{group} * shape.group_k + g;
      const std::vector<std::int64_t> initial(static_cast<std::size_t>(count), plan.bias(k));
      arith::AccumulationEvidence mine;
      tile.reset(1, static_cast<int>(count), initial);
      tile.accumulate(plan.context.layer.weight.data.data() + k * depth, depth, turned.data(), count, depth);
      tile.finish(column.data(), count, 0, 0, mine);
      for (std::int64_t row = 0; row < count; ++row)
        block.accumulators[row * shape.k + k] = column[static_cast<std::size_t>(row)];
      add_swapped(std::move(mine), block, k, evidence);
    }
  }

  void operator()(const RowBlock& block, arith::AccumulationEvidence& evidence) {
    for (int group = 0; group < plan.shape.groups; ++group) {
      plan.gather(group, block.first, block.count, patches.data());
      narrow(plan) ? narrow_group(group, block, evidence) : wide_group(group, block, evidence);
    }
  }
};

}  // namespace

void tile_convolution(const Context& context, const ConvShape& shape, LayerResult& result) {
  const Plan plan(context, shape);
  row_blocks(context, shape, plan.block_rows, [&] { return Worker(plan); }, result);
}

}  // namespace guardbit::nets::fast
