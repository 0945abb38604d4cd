// Convolution and fully connected on arith::AccumulatorTile: what arith::conv2d has no fast path for.
//
// The output pixels of all images are the rows of one long matrix product per group, [N * P * Q, depth] x [depth,
// K / groups], cut into blocks of rows; only a block's patches are gathered at a time. Groups with few output
// channels (depthwise) swap the operands, so that pixels lie along the vectorized columns.
#include <algorithm>

#include "arith/parallel.hpp"
#include "nets/engines/fast_ops.hpp"
#include "nets/quantize/conv_shape.hpp"

namespace guardbit::nets::fast {
namespace {

constexpr std::int64_t kPatchElements = 1 << 15;  // of a block's gathered patches: 128 KiB
constexpr std::int64_t kMaxBlockRows = 256;
constexpr int kNarrowGroup = 4;  // output channels per group, up to which operands are swapped

struct Plan {
  const Context& context;
  ConvShape shape;
  std::int32_t zero_point = 0;
  std::int64_t rows = 0;  // of all images
  std::int64_t block_rows = 0;
  std::vector<std::vector<std::int32_t>> weights;  // per group: [depth, group_k]
  arith::Requantizer requantizer;

  explicit Plan(const Context& c)
      : context(c),
        shape(conv_shape(c.network, c.layer)),
        zero_point(static_cast<std::int32_t>(c.input_format().zero_point)),
        rows(c.input().shape[0] * shape.rows()),
        requantizer(c.layer.stages, shape.k) {
    block_rows = std::min(rows, std::clamp<std::int64_t>(kPatchElements / shape.depth(), 16, kMaxBlockRows));
    for (int g = 0; g < shape.groups; ++g) {
      weights.emplace_back(static_cast<std::size_t>(shape.depth()) * static_cast<std::size_t>(shape.group_k));
      gather_weights(shape, c.layer.weight, g, weights.back().data());
    }
  }
  [[nodiscard]] std::int64_t blocks() const { return (rows + block_rows - 1) / block_rows; }
  // Index of element (row, 0) in the whole set of images, as evidence counts it.
  [[nodiscard]] std::int64_t output_index(std::int64_t row) const {
    return (context.options.first_image * shape.rows() + row) * shape.k;
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

// One thread's buffers and evidence.
struct Worker {
  const Plan& plan;
  LayerResult& result;
  arith::AccumulatorTile tile;
  std::vector<std::int32_t> patches;
  std::vector<std::int32_t> turned;        // patches transposed, for narrow groups
  std::vector<std::int64_t> accumulators;  // [block_rows, K]
  arith::AccumulationEvidence accumulation;
  arith::StageCounts stages;

  static bool narrow(const Plan& plan) { return plan.shape.groups > 1 && plan.shape.group_k <= kNarrowGroup; }

  Worker(const Plan& p, LayerResult& r)
      : plan(p),
        result(r),
        tile(narrow(p) ? 1 : static_cast<int>(p.block_rows),
             narrow(p) ? static_cast<int>(p.block_rows) : p.shape.group_k, p.context.accumulation),
        patches(static_cast<std::size_t>(p.block_rows * p.shape.depth())),
        turned(narrow(p) ? patches.size() : 0),
        accumulators(static_cast<std::size_t>(p.block_rows * p.shape.k)) {}

  void wide_group(int group, std::int64_t first, std::int64_t count) {
    const ConvShape& shape = plan.shape;
    const std::int64_t first_k = std::int64_t{group} * shape.group_k;
    std::span<const std::int64_t> initial;
    if (!plan.context.layer.bias.empty()) {
      initial = std::span(plan.context.layer.bias)
                    .subspan(static_cast<std::size_t>(first_k), static_cast<std::size_t>(shape.group_k));
    }
    tile.reset(static_cast<int>(count), shape.group_k, initial);
    tile.accumulate(patches.data(), shape.depth(), plan.weights[static_cast<std::size_t>(group)].data(), shape.group_k,
                    shape.depth());
    tile.finish(accumulators.data() + first_k, shape.k, plan.output_index(first) + first_k, shape.k, accumulation);
  }

  // Evidence of a swapped tile names its column; the output it stands for is row `first` + column, channel k.
  void add_swapped(arith::AccumulationEvidence&& mine, std::int64_t first, std::int64_t k) {
    const int depth = plan.shape.depth();
    const int fold = plan.context.accumulation.fold;
    const std::int64_t folds = fold == 0 || fold >= depth ? 1 : (depth + fold - 1) / fold;
    const auto output = [&](std::int64_t column) { return plan.output_index(first + column) + k; };
    if (mine.accumulator.first) mine.accumulator.first->output = output(mine.accumulator.first->output);
    if (mine.psum.first) {
      std::int64_t& index = mine.psum.first->output;
      index = output(index / folds) * folds + index % folds;
    }
    accumulation.merge(mine);
  }

  void narrow_group(int group, std::int64_t first, std::int64_t count) {
    const ConvShape& shape = plan.shape;
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
        accumulators[static_cast<std::size_t>(row * shape.k + k)] = column[static_cast<std::size_t>(row)];
      add_swapped(std::move(mine), first, k);
    }
  }

  void block(std::int64_t index) {
    const std::int64_t first = index * plan.block_rows;
    const std::int64_t count = std::min(plan.block_rows, plan.rows - first);
    const int k = plan.shape.k;
    for (int group = 0; group < plan.shape.groups; ++group) {
      plan.gather(group, first, count, patches.data());
      narrow(plan) ? narrow_group(group, first, count) : wide_group(group, first, count);
    }
    if (plan.context.options.keep_accumulators) {
      std::copy_n(accumulators.data(), count * k, result.accumulators.data.data() + first * k);
    }
    plan.requantizer.apply(accumulators.data(), k, result.codes.data.data() + first * k, k, count, 0, k, stages);
  }
};

}  // namespace

void tile_convolution(const Context& context, LayerResult& result) {
  const Plan plan(context);
  if (context.options.keep_accumulators) {
    result.accumulators = WideTensor({context.input().shape[0], plan.shape.p, plan.shape.q, plan.shape.k});
  }
  const int parts = arith::part_count(context.options.threads, plan.blocks());
  std::vector<arith::AccumulationEvidence> accumulation(static_cast<std::size_t>(parts));
  std::vector<arith::StageCounts> stages(static_cast<std::size_t>(parts));
  arith::parallel_parts(parts, plan.blocks(), [&](int part, std::int64_t first, std::int64_t last) {
    Worker worker(plan, result);
    for (std::int64_t block = first; block < last; ++block) worker.block(block);
    accumulation[static_cast<std::size_t>(part)] = worker.accumulation;
    stages[static_cast<std::size_t>(part)] = worker.stages;
  });
  for (int part = 0; part < parts; ++part) {
    result.accumulation.merge(accumulation[static_cast<std::size_t>(part)]);
    result.stages.merge(stages[static_cast<std::size_t>(part)]);
  }
}

}  // namespace guardbit::nets::fast
