#include "tests/sim/chain_network.hpp"

#include "nets/quantize/softmax_table.hpp"

namespace guardbit::tests {

using nets::IntegerLayer;
using nets::IntegerOp;

Chain::Chain(int h, int w, int c) {
  network_.name = "chain";
  IntegerLayer input;
  input.name = "input";
  input.shape = {h, w, c};
  network_.layers.push_back(input);
}

IntegerLayer& Chain::next(IntegerOp op, const std::string& kind) {
  IntegerLayer layer;
  layer.op = op;
  layer.name = kind + std::to_string(network_.layers.size());
  layer.inputs = {static_cast<int>(network_.layers.size()) - 1};
  layer.shape = network_.layers.back().shape;
  network_.layers.push_back(layer);
  network_.output = static_cast<int>(network_.layers.size()) - 1;
  return network_.layers.back();
}

Chain& Chain::conv(int channels, int kernel, int stride, int padding, int groups, bool bias, int shift) {
  const nets::Shape in = network_.layers.back().shape;
  IntegerLayer& layer = next(IntegerOp::Conv2d, "conv");
  layer.window = {.kernel_h = kernel, .kernel_w = kernel, .stride_h = stride, .stride_w = stride,
                  .padding = {padding, padding, padding, padding}};
  layer.groups = groups;
  layer.shape = {(in.h + 2 * padding - kernel) / stride + 1, (in.w + 2 * padding - kernel) / stride + 1, channels};
  layer.weight = nets::IntTensor({channels, kernel, kernel, in.c / groups});
  for (std::int32_t& weight : layer.weight.data) {
    weight = numbers_.in(-127, 127);
  }
  layer.weight_scales = {1.0};
  layer.real_multipliers = {1.0};
  for (int k = 0; bias && k < channels; ++k) {
    layer.bias.push_back(numbers_.in(-1000, 1000));
  }
  layer.stages = {arith::Relu{}, arith::ShiftRight{shift, arith::Rounding::RND}, arith::Narrow{layer.output.format}};
  return *this;
}

Chain& Chain::max_pool(int kernel, int stride) {
  IntegerLayer& layer = next(IntegerOp::MaxPool, "pool");
  layer.window = {.kernel_h = kernel, .kernel_w = kernel, .stride_h = stride, .stride_w = stride};
  layer.shape.h = (layer.shape.h - kernel) / stride + 1;
  layer.shape.w = (layer.shape.w - kernel) / stride + 1;
  return *this;
}

Chain& Chain::average_pool(int kernel) {
  max_pool(kernel, kernel);
  network_.layers.back().op = IntegerOp::AveragePool;
  return *this;
}

Chain& Chain::add(int other) {
  IntegerLayer& layer = next(IntegerOp::Add, "add");
  layer.inputs.push_back(other);
  layer.input_stages.resize(2);
  layer.stages = {arith::Narrow{layer.output.format}};
  return *this;
}

Chain& Chain::softmax(double scale) {
  IntegerLayer& layer = next(IntegerOp::Softmax, "softmax");
  layer.output = {arith::integer_format(8), 0x1p-8, -128};
  layer.exponentials = nets::softmax_table(scale);
  return *this;
}

nets::IntTensor Chain::input(std::int64_t images) const {
  const nets::Shape& shape = network_.layers[0].shape;
  nets::IntTensor codes({images, shape.h, shape.w, shape.c});
  Numbers numbers(7);
  for (std::int32_t& code : codes.data) {
    code = numbers.in(0, 127);
  }
  return codes;
}

Chain cifarnet_chain() {
  Chain chain(32, 32, 3);
  chain.conv(64, 3, 1, 0, 1, true, 9).conv(64, 3, 1, 1, 1, true, 11).conv(128, 3, 2, 1, 1, true, 11);
  chain.conv(128, 3, 1, 1, 1, true, 12).conv(128, 3, 1, 1, 1, true, 12).conv(192, 3, 2, 1, 1, true, 12);
  chain.conv(192, 3, 1, 1, 1, true, 12).conv(192, 3, 1, 1, 1, true, 12).average_pool(8).conv(10, 1, 1, 0, 1, true, 8);
  return chain;
}

}  // namespace guardbit::tests
