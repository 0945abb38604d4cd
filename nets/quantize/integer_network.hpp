// IntegerNetwork: what the accelerator computes. Integers only; every tensor has a format, every layer its stages.
//
//   conv2d, fully_connected  acc = bias[k] + sum over r, s, c ascending of (x - zero_point_x) * w, accumulated as
//                            arith/accumulate.hpp says; padded taps contribute products of 0; out = stages(acc)
//   add                      out = stages(sum over inputs i of input_stages[i](x_i)), exact sum
//   concat                   along C; out = input_stages[i](x_i) (an empty list copies)
//   max_pool                 maximum of codes over the valid window
//   average_pool             sum of codes over the valid window / number of taps, ties away from zero; stages (may be empty)
//   requantize               out = stages(x), element by element (a stand-alone activation or change of format)
//   pad                      new elements are zero_point
//   flatten                  a copy, in H, W, C order
//   softmax                  over C, by a table of exponentials: nets/quantize/softmax_table.hpp
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "arith/format.hpp"
#include "arith/stages.hpp"
#include "nets/graph/network.hpp"

namespace guardbit::nets {

#define GUARDBIT_INTEGER_OPS(X)        \
  X(Input, "input")                    \
  X(Conv2d, "conv2d")                  \
  X(FullyConnected, "fully_connected") \
  X(Add, "add")                        \
  X(Concat, "concat")                  \
  X(MaxPool, "max_pool")               \
  X(AveragePool, "average_pool")       \
  X(Requantize, "requantize")          \
  X(Pad, "pad")                        \
  X(Flatten, "flatten")                \
  X(Softmax, "softmax")

enum class IntegerOp : unsigned char {
#define X(id, text) id,
  GUARDBIT_INTEGER_OPS(X)
#undef X
};
[[nodiscard]] std::string_view name(IntegerOp op);

// real = scale * (code - zero_point)
struct TensorFormat {
  arith::Format format = arith::integer_format(8);
  double scale = 1.0;
  std::int64_t zero_point = 0;
  friend bool operator==(const TensorFormat&, const TensorFormat&) = default;
};

struct IntegerLayer {
  std::string name;  // of the float graph's weighted node or layer
  IntegerOp op = IntegerOp::Input;
  std::vector<int> inputs;
  Shape shape;          // of the output
  TensorFormat output;
  int float_node = -1;  // index in the folded float graph whose output this one approximates; -1: none

  // conv2d, fully_connected
  Window window;  // also the pools'
  int groups = 1;
  arith::Format weight_format = arith::integer_format(8);
  IntTensor weight;                   // [K, R, S, C / groups]
  std::vector<double> weight_scales;  // [K] or one
  std::vector<std::int64_t> bias;     // [K]; empty: none
  std::vector<double> real_multipliers;  // S_x * S_w[k] / S_y, kept so that another output policy can be derived

  Padding padding;  // pad
  int channels_before = 0;

  std::vector<std::int32_t> exponentials;  // softmax: the table, [256]

  std::vector<arith::StageList> input_stages;  // add, concat: one per input
  arith::StageList stages;

  [[nodiscard]] bool weighted() const { return op == IntegerOp::Conv2d || op == IntegerOp::FullyConnected; }
};

struct IntegerNetwork {
  std::string name;
  std::vector<IntegerLayer> layers;  // topological; layers[0] is the input
  int output = 0;
  Preprocess preprocess;
  std::string output_policy = "tflite_double";  // preset that made the weighted layers' stages

  [[nodiscard]] const IntegerLayer& layer(int index) const { return layers[static_cast<std::size_t>(index)]; }
};

// Useful multiply-accumulates of one layer for one image.
[[nodiscard]] std::int64_t macs(const IntegerNetwork& network, const IntegerLayer& layer);

// A weighted layer as matrix products, one per group, for one image:
//   rows = P * Q output pixels, depth = R * S * C / groups (order r, s, c), cols = K / groups.
struct GemmShape {
  std::int64_t rows = 0, depth = 0, cols = 0;
  int groups = 1;
  friend constexpr bool operator==(const GemmShape&, const GemmShape&) = default;
};
[[nodiscard]] GemmShape gemm_shape(const IntegerNetwork& network, const IntegerLayer& layer);

// Structural and numeric checks (indices, shapes, codes within formats, stage lists); Error names the layer.
void check(const IntegerNetwork& network);

// Code of every channel and pixel value, [C, 256]: what quantize_input looks up.
[[nodiscard]] std::vector<std::int32_t> input_code_table(const IntegerNetwork& network);

// Real input pixels [N, H, W, C] (bytes) -> input codes of the network: round half to even of
// ((pixel * scale - mean) / std) / S + Z in double, saturated to the input format.
[[nodiscard]] IntTensor quantize_input(const IntegerNetwork& network, const std::uint8_t* pixels, std::int64_t images);

}  // namespace guardbit::nets
