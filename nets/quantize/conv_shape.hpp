// A weighted layer as loops: the one place that says which input element meets which weight.
//
// A fully connected layer is a 1x1 convolution over its input flattened in H, W, C order.
#pragma once

#include "nets/quantize/integer_network.hpp"

namespace guardbit::nets {

struct ConvShape {
  int h = 1, w = 1, c = 1;                   // input
  int p = 1, q = 1, k = 1;                   // output
  int r = 1, s = 1;                          // kernel
  int groups = 1, group_c = 1, group_k = 1;  // channels per group
  Window window;

  [[nodiscard]] std::int64_t input_count() const { return std::int64_t{h} * w * c; }
  [[nodiscard]] std::int64_t rows() const { return std::int64_t{p} * q; }
  [[nodiscard]] std::int64_t output_count() const { return rows() * k; }
  [[nodiscard]] int depth() const { return r * s * group_c; }  // products per output, in order r, s, c

  // Input row of output row `out` and tap `tap`; outside 0..h-1: padding. The same for columns.
  [[nodiscard]] int input_y(int out, int tap) const {
    return out * window.stride_h - window.padding.top + tap * window.dilation_h;
  }
  [[nodiscard]] int input_x(int out, int tap) const {
    return out * window.stride_w - window.padding.left + tap * window.dilation_w;
  }
  [[nodiscard]] bool inside(int y, int x) const { return y >= 0 && y < h && x >= 0 && x < w; }
};

[[nodiscard]] inline ConvShape conv_shape(const IntegerNetwork& network, const IntegerLayer& layer) {
  const Shape in = network.layer(layer.inputs.at(0)).shape;
  ConvShape shape;
  if (layer.op == IntegerOp::FullyConnected) {
    shape.c = static_cast<int>(in.count());
  } else {
    shape.h = in.h;
    shape.w = in.w;
    shape.c = in.c;
    shape.window = layer.window;
    shape.groups = layer.groups;
  }
  shape.p = layer.shape.h;
  shape.q = layer.shape.w;
  shape.k = layer.shape.c;
  shape.r = shape.window.kernel_h;
  shape.s = shape.window.kernel_w;
  shape.group_c = shape.c / shape.groups;
  shape.group_k = shape.k / shape.groups;
  return shape;
}

// Rows first..first + rows - 1 of the left operand of group `group`'s matrix product: out [rows, depth()], operands
// with the zero point subtracted, 0 for padded taps. `image` is one image [H, W, C] of codes.
void gather_rows(const ConvShape& shape, const std::int32_t* image, std::int32_t zero_point, int group,
                 std::int64_t first, std::int64_t rows, std::int32_t* out);

// The right operand of group `group`: out [depth(), group_k].
void gather_weights(const ConvShape& shape, const IntTensor& weight, int group, std::int32_t* out);

}  // namespace guardbit::nets
