// Convolution and fully connected: depthwise on arith::Depthwise, operands of 8 bits on arith::conv2d, of 16
// on arith::WideConv, others on tiles (fast_tile_conv.cpp).
#include <algorithm>
#include <functional>

#include "arith/conv.hpp"
#include "arith/depthwise.hpp"
#include "arith/wide_conv.hpp"
#include "nets/engines/fast_blocks.hpp"

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

// On arith::conv2d.
struct ByteRows {
  const Context& context;
  arith::ConvGeometry geometry;
  arith::PackedFilters filters;
  std::vector<std::uint8_t> codes;  // of the input, made unsigned
  arith::GemmLhs input;

  ByteRows(const Context& c, const ConvShape& shape)
      : context(c),
        geometry(geometry_of(shape, c.input().shape[0])),
        filters(c.layer.weight.data.data(), geometry),
        codes(c.input().data.size()) {
    const std::vector<std::int32_t>& from = c.input().data;
    const std::int32_t shift = codes_within(c.input_format(), 0, 255) ? 0 : 128;
    std::transform(from.begin(), from.end(), codes.begin(),
                   [&](std::int32_t code) { return static_cast<std::uint8_t>(code + shift); });
    input = arith::GemmLhs::of(codes.data(), 0, static_cast<std::int32_t>(c.input_format().zero_point) + shift);
  }
  void operator()(const RowBlock& block, arith::AccumulationEvidence& evidence) const {
    arith::conv2d(input, geometry, filters, context.layer.bias, context.accumulation, block.out(), evidence,
                  {.range = true}, nullptr, {block.first, block.count});
  }
};

arith::CodeRange code_range(const TensorFormat& format) {
  return {.low = static_cast<std::int32_t>(format.format.min_code()),
          .high = static_cast<std::int32_t>(format.format.max_code()),
          .zero_point = static_cast<std::int32_t>(format.zero_point)};
}

// Operands of 9 to 16 bits; false where arith::WideConv cannot do it, or a tile is faster.
bool wide_convolution(const Context& context, const ConvShape& shape, std::int64_t block_rows, LayerResult& result) {
  if (shape.groups > 1 && shape.group_k <= kNarrowGroup) return false;
  const arith::WideConv wide(context.layer.weight.data.data(), geometry_of(shape, context.input().shape[0]),
                             code_range(context.input_format()), context.layer.bias, context.accumulation);
  if (!wide.available()) return false;
  const std::vector<std::int32_t>& from = context.input().data;
  std::vector<std::int16_t> codes(from.size());
  std::transform(from.begin(), from.end(), codes.begin(),
                 [&](std::int32_t code) { return static_cast<std::int16_t>(code - wide.shift()); });
  const auto compute = [&](const RowBlock& block, arith::AccumulationEvidence& evidence) {
    wide.run(codes.data(), block.out(), evidence, {block.first, block.count});
  };
  row_blocks(context, shape, block_rows, [&] { return compute; }, result);
  return true;
}

}  // namespace

void convolution(const Context& context, LayerResult& result) {
  const ConvShape shape = conv_shape(context.network, context.layer);
  const std::int64_t all = context.input().shape[0] * shape.rows();
  const std::int64_t rows = std::clamp<std::int64_t>(kBlockOutputs / shape.k, 1, all);
  if (shape.group_c == 1 && shape.groups > 1) {
    const arith::Depthwise depthwise(context.layer.weight.data.data(), geometry_of(shape, context.input().shape[0]),
                                     code_range(context.input_format()), context.layer.bias, context.accumulation);
    if (depthwise.available()) {
      const auto compute = [&](const RowBlock& block, arith::AccumulationEvidence& evidence) {
        depthwise.run(context.input().data.data(), block.out(), evidence, {block.first, block.count});
      };
      return row_blocks(context, shape, rows, [&] { return compute; }, result);
    }
  }
  if (!has_fast_path(context, shape)) {
    return wide_convolution(context, shape, rows, result) ? void() : tile_convolution(context, shape, result);
  }
  const ByteRows bytes(context, shape);
  row_blocks(context, shape, rows, [&] { return std::cref(bytes); }, result);
}

}  // namespace guardbit::nets::fast
