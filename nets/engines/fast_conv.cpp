// Convolution and fully connected on arith::conv2d, for operands of 8 bits; others on tiles (fast_tile_conv.cpp).
#include <algorithm>

#include "arith/conv.hpp"
#include "arith/parallel.hpp"
#include "nets/engines/fast_ops.hpp"
#include "nets/quantize/conv_shape.hpp"

namespace guardbit::nets::fast {
namespace {

constexpr std::int64_t kBlockOutputs = 1 << 16;  // accumulators at a time: 512 KiB
constexpr int kNarrowGroup = 4;                  // output channels per group, up to which tiles are faster

arith::ConvGeometry geometry_of(const ConvShape& shape, std::int64_t images) {
  return {.images = images,
          .h = shape.h,
          .w = shape.w,
          .c = shape.c,
          .p = shape.p,
          .q = shape.q,
          .k = shape.k,
          .r = shape.r,
          .s = shape.s,
          .groups = shape.groups,
          .stride_h = shape.window.stride_h,
          .stride_w = shape.window.stride_w,
          .dilation_h = shape.window.dilation_h,
          .dilation_w = shape.window.dilation_w,
          .pad_top = shape.window.padding.top,
          .pad_left = shape.window.padding.left};
}

bool codes_within(const TensorFormat& format, std::int64_t low, std::int64_t high) {
  const auto least = static_cast<std::int64_t>(format.format.min_code());
  const auto most = static_cast<std::int64_t>(format.format.max_code());
  return least >= low && most <= high && format.zero_point >= low && format.zero_point <= high;
}

bool has_fast_path(const Context& context, const ConvShape& shape) {
  const auto [least, most] = std::minmax_element(context.layer.weight.data.begin(), context.layer.weight.data.end());
  const TensorFormat& format = context.input_format();
  return (shape.groups == 1 || shape.group_k > kNarrowGroup) && *least >= -128 && *most <= 127 &&
         (codes_within(format, -128, 127) || codes_within(format, 0, 255)) && !context.accumulation.psum;
}

struct Plan {
  const Context& context;
  arith::ConvGeometry geometry;
  arith::PackedFilters filters;
  std::vector<std::uint8_t> codes;  // of the input, made unsigned
  arith::GemmLhs input;
  std::int64_t block_rows = 0;
  arith::Requantizer requantizer;

  Plan(const Context& c, const ConvShape& shape)
      : context(c),
        geometry(geometry_of(shape, c.input().shape[0])),
        filters(c.layer.weight.data.data(), geometry),
        codes(c.input().data.size()),
        requantizer(c.layer.stages, shape.k) {
    const std::vector<std::int32_t>& from = c.input().data;
    const std::int32_t shift = codes_within(c.input_format(), 0, 255) ? 0 : 128;
    std::transform(from.begin(), from.end(), codes.begin(),
                   [&](std::int32_t code) { return static_cast<std::uint8_t>(code + shift); });
    input = arith::GemmLhs::of(codes.data(), 0, static_cast<std::int32_t>(c.input_format().zero_point) + shift);
    block_rows = std::clamp<std::int64_t>(kBlockOutputs / shape.k, 1, geometry.rows());
  }
  [[nodiscard]] std::int64_t blocks() const { return (geometry.rows() + block_rows - 1) / block_rows; }
};

// One thread's buffer and evidence.
struct Worker {
  const Plan& plan;
  LayerResult& result;
  std::vector<std::int64_t> accumulators;  // [block_rows, K]
  arith::AccumulationEvidence accumulation = {};
  arith::StageCounts stages = {};

  Worker(const Plan& p, LayerResult& r)
      : plan(p), result(r), accumulators(static_cast<std::size_t>(p.block_rows * p.geometry.k)) {}

  void block(std::int64_t index) {
    const std::int64_t first = index * plan.block_rows;
    const std::int64_t count = std::min(plan.block_rows, plan.geometry.rows() - first);
    const int k = plan.geometry.k;
    const std::int64_t pixels = std::int64_t{plan.geometry.p} * plan.geometry.q;
    const Context& context = plan.context;
    const arith::GemmOut out{.out64 = accumulators.data(),
                             .stride = k,
                             .first_output = (context.options.first_image * pixels + first) * k,
                             .row_step = k};
    arith::conv2d(plan.input, plan.geometry, plan.filters, context.layer.bias, context.accumulation, out, accumulation,
                  {.range = true}, nullptr, {first, count});
    if (context.options.keep_accumulators) {
      std::copy_n(accumulators.data(), count * k, result.accumulators.data.data() + first * k);
    }
    plan.requantizer.apply(accumulators.data(), k, result.codes.data.data() + first * k, k, count, 0, k, stages);
  }
};

}  // namespace

void convolution(const Context& context, LayerResult& result) {
  const ConvShape shape = conv_shape(context.network, context.layer);
  if (!has_fast_path(context, shape)) return tile_convolution(context, result);
  const Plan plan(context, shape);
  if (context.options.keep_accumulators) {
    result.accumulators = WideTensor({context.input().shape[0], shape.p, shape.q, shape.k});
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
