// See cmsis_cases.hpp. Layouts of CMSIS-NN: images NHWC; convolution weights [K, R, S, C / groups]; depthwise weights
// [R, S, K] with K = C * CH_MULT; int4 weights two per byte, low nibble first; *_OFFSET of an input is -zero_point.
#include "tests/nets/cmsis_cases.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace guardbit::nets::tests {
namespace {

using Values = std::vector<std::int64_t>;

const std::vector<std::string> kInput{"input_data", "input_tensor", "input", "input1_data", "lhs_input_tensor"};
const std::vector<std::string> kWeights{"weights_data", "input_weights", "weights"};
const std::vector<std::string> kBias{"biases_data", "bias_data", "input_bias", "bias"};
const std::vector<std::string> kOutput{"output_ref_data", "output"};

int format_bits(const CmsisCase& c) { return c.type(kInput) == "int16_t" ? 16 : 8; }

bool starts_with(const std::string& text, const std::string& head) { return text.rfind(head, 0) == 0; }
bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Two's complement nibbles, low one first.
Values unpack_int4(const Values& bytes, std::size_t count) {
  Values out;
  for (const std::int64_t byte : bytes) {
    const auto bits = static_cast<std::uint8_t>(byte);
    for (const int nibble : {bits & 15, bits >> 4}) {
      if (out.size() < count) out.push_back(nibble >= 8 ? nibble - 16 : nibble);
    }
  }
  return out;
}

struct Rescale {
  Values multiplier, shift;  // one, or one per channel; the real factor is multiplier * 2^(shift - 31)
  std::int64_t zero_point = 0, low = 0, high = 0;
  int bits = 8;
  bool reduced = false;  // arm_nn_requantize_s64: the multiplier's upper 16 bits, half up
};

arith::StageList stages_of(const Rescale& r, Requantization how) {
  const arith::Format format = arith::integer_format(r.bits);
  arith::StageList stages;
  if (r.reduced && how == Requantization::AsPublished) {
    Values upper, shifts;
    for (const std::int64_t m : r.multiplier) upper.push_back(m < 0x7FFF0000 ? (m + (1 << 15)) >> 16 : 0x7FFF);
    for (const std::int64_t s : r.shift) shifts.push_back(14 - s);
    stages = {arith::Multiply{arith::Parameter(upper), std::nullopt},
              arith::ShiftRight{arith::Parameter(shifts), arith::Rounding::TRN},
              arith::Narrow{arith::integer_format(32, true, arith::Overflow::WRAP)},
              arith::Add{1},
              arith::ShiftRight{1, arith::Rounding::TRN},
              arith::Narrow{format}};
  } else {
    arith::OutputSpec spec;
    for (std::size_t i = 0; i < r.multiplier.size(); ++i) {
      spec.real_multipliers.push_back(
          std::ldexp(static_cast<double>(r.multiplier[i]), static_cast<int>(r.shift[i]) - 31));
    }
    spec.zero_point = r.zero_point;
    spec.format = format;
    stages = how == Requantization::SingleRounding ? arith::tflite_single(spec) : arith::tflite_double(spec);
  }
  if (how == Requantization::TruncatedShift) {
    for (arith::Stage& stage : stages) {
      auto* shift = std::get_if<arith::ShiftRight>(&stage);
      if (shift != nullptr && shift->rounding == arith::Rounding::RND_INF) shift->rounding = arith::Rounding::TRN;
    }
  }
  stages.push_back(arith::Clamp{r.low, r.high});
  return stages;
}

Rescale rescale_of(const CmsisCase& c) {
  Rescale r;
  r.multiplier = c.array({"output_mult_data", "output_multiplier"});
  r.shift = c.array({"output_shift_data", "output_shift"});
  if (r.multiplier.empty()) {
    r.multiplier = {c.number("OUTPUT_MULTIPLIER", c.number("OUTPUT_MULT", 0))};
    r.shift = {c.number("OUTPUT_SHIFT")};
  }
  r.zero_point = c.number("OUTPUT_OFFSET", 0);
  r.low = c.number("ACTIVATION_MIN");  // OUT_ACTIVATION_MIN, too
  r.high = c.number("ACTIVATION_MAX");
  r.bits = format_bits(c);
  return r;
}

IntTensor tensor(std::vector<std::int64_t> shape, const Values& values) {
  IntTensor t(std::move(shape));
  if (t.data.size() != values.size()) throw std::runtime_error("a case's array does not have its shape's size");
  std::transform(values.begin(), values.end(), t.data.begin(), [](auto v) { return static_cast<std::int32_t>(v); });
  return t;
}

// Network of an input and one layer, which `shape` and the caller complete.
CmsisNetwork one_layer(const CmsisCase& c, IntegerOp op, Shape in, Shape out, const Values& input) {
  CmsisNetwork n;
  n.network.name = c.name();
  IntegerLayer first;
  first.name = "input";
  first.shape = in;
  first.output.format = arith::integer_format(format_bits(c));
  first.output.zero_point = -c.number("INPUT_OFFSET", 0);
  IntegerLayer layer;
  layer.name = "layer";
  layer.op = op;
  layer.inputs = {0};
  layer.shape = out;
  layer.output.format = first.output.format;
  n.network.layers = {first, layer};
  n.network.output = 1;
  const auto images = static_cast<std::int64_t>(input.size()) / in.count();
  n.input = tensor({images, in.h, in.w, in.c}, input);
  n.expected = c.array(kOutput);
  return n;
}

Shape shape_of(const CmsisCase& c, const std::string& side, std::int64_t channels) {
  return {static_cast<int>(c.number(side + "_H")), static_cast<int>(c.number(side + "_W")),
          static_cast<int>(channels)};
}

// Padding behind is what the output's size needs; what is left over there is not read.
Window window_of(const CmsisCase& c, Shape in, Shape out, const std::string& x, const std::string& y,
                 const std::string& pad) {
  const auto value = [&](const std::string& key, std::int64_t otherwise) {
    return static_cast<int>(c.number(key, otherwise));
  };
  Window w;
  w.kernel_h = value("FILTER_" + y, 0);
  w.kernel_w = value("FILTER_" + x, 0);
  w.stride_h = value("STRIDE_" + y, 0);
  w.stride_w = value("STRIDE_" + x, 0);
  w.dilation_h = value("DILATION_" + y, 1);
  w.dilation_w = value("DILATION_" + x, 1);
  w.padding.top = value(pad + "_" + y, 0);
  w.padding.left = value(pad + "_" + x, 0);
  w.padding.bottom = std::max(0, (out.h - 1) * w.stride_h + w.dilation_h * (w.kernel_h - 1) + 1 - in.h - w.padding.top);
  w.padding.right = std::max(0, (out.w - 1) * w.stride_w + w.dilation_w * (w.kernel_w - 1) + 1 - in.w - w.padding.left);
  return w;
}

void weigh(const CmsisCase& c, IntegerLayer& layer, std::vector<std::int64_t> shape, bool depthwise,
           Requantization how) {
  std::int64_t count = 1;
  for (const std::int64_t d : shape) count *= d;
  const bool int4 = contains(c.name(), "int4");
  Values values = c.array(kWeights);
  if (int4) values = unpack_int4(values, static_cast<std::size_t>(count));
  if (depthwise) {  // [R * S, K] -> [K, R * S]
    const auto channels = static_cast<std::size_t>(shape[0]);
    const std::size_t taps = values.size() / channels;
    Values turned(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) turned[i % channels * taps + i / channels] = values[i];
    values = turned;
  }
  layer.weight_format = arith::integer_format(int4 ? 4 : 8);
  layer.weight = tensor(std::move(shape), values);
  layer.weight_scales = layer.real_multipliers = {1.0};
  layer.bias = c.array(kBias);
  Rescale rescale = rescale_of(c);
  rescale.reduced = format_bits(c) == 16 && !contains(c.name(), "xint32");  // 64-bit biases
  layer.stages = stages_of(rescale, how);
}

CmsisNetwork convolution(const CmsisCase& c, Requantization how) {
  const std::int64_t in_channels = c.number("IN_CH");
  const bool depthwise = starts_with(c.name(), "depthwise") || starts_with(c.name(), "dw_");
  const std::int64_t group_channels = depthwise ? 1 : c.number("FILTER_CH", in_channels);
  const Shape in = shape_of(c, "INPUT", in_channels);
  const Shape out = shape_of(c, "OUTPUT", c.number("OUT_CH"));
  CmsisNetwork n = one_layer(c, IntegerOp::Conv2d, in, out, c.array(kInput));
  IntegerLayer& layer = n.network.layers[1];
  layer.window = window_of(c, in, out, "X", "Y", "PAD");
  layer.groups = static_cast<int>(in_channels / group_channels);
  weigh(c, layer, {out.c, layer.window.kernel_h, layer.window.kernel_w, group_channels}, depthwise, how);
  return n;
}

CmsisNetwork fully_connected(const CmsisCase& c, Requantization how) {
  const auto depth = static_cast<int>(c.number("ACCUMULATION_DEPTH"));
  const auto channels = static_cast<int>(c.number("OUT_CH"));
  CmsisNetwork n = one_layer(c, IntegerOp::FullyConnected, {1, 1, depth}, {1, 1, channels}, c.array(kInput));
  weigh(c, n.network.layers[1], {channels, 1, 1, depth}, false, how);
  return n;
}

CmsisNetwork pool(const CmsisCase& c, IntegerOp op) {
  const Shape in = shape_of(c, "INPUT", c.number("INPUT_C"));
  const Shape out = shape_of(c, "OUTPUT", c.number("OUTPUT_C"));
  CmsisNetwork n = one_layer(c, op, in, out, c.array(kInput));
  n.network.layers[1].window = window_of(c, in, out, "W", "H", "PADDING");
  const arith::Clamp bounds{c.number("ACTIVATION_MIN"), c.number("ACTIVATION_MAX")};
  if (op == IntegerOp::AveragePool) {
    n.network.layers[1].stages = {bounds};
  } else {  // a maximum has no stages: the bounds are a layer of their own
    IntegerLayer clamp = n.network.layers[1];
    clamp.name = "bounds";
    clamp.op = IntegerOp::Requantize;
    clamp.inputs = {1};
    clamp.window = {};
    clamp.stages = {bounds};
    n.network.layers.push_back(clamp);
    n.network.output = 2;
  }
  return n;
}

// Each input: add the offset, shift left, its own multiplier; then the sum's multiplier.
CmsisNetwork add(const CmsisCase& c, Requantization how) {
  const Values a = c.array({"input1_data"});
  Values both = a;
  for (const std::int64_t b : c.array({"input2_data"})) both.push_back(b);
  const auto count = static_cast<int>(a.size());
  // One tensor of shape [2, 1, count]; two poolings of one row each take it apart.
  CmsisNetwork n = one_layer(c, IntegerOp::MaxPool, {2, 1, count}, {1, 1, count}, both);
  n.network.layers[1].window.stride_h = 2;
  IntegerLayer second = n.network.layers[1];
  second.name = "second";
  second.window = {.kernel_h = 2, .dilation_h = 1};
  second.op = IntegerOp::Conv2d;  // picks row 1: weights 0 and 1 per channel
  second.groups = count;
  second.weight = IntTensor({count, 2, 1, 1});
  for (std::size_t i = 1; i < second.weight.data.size(); i += 2) second.weight.data[i] = 1;
  second.weight_scales = second.real_multipliers = {1.0};
  second.stages = {arith::Narrow{second.output.format}};
  IntegerLayer sum = n.network.layers[1];
  sum.name = "sum";
  sum.op = IntegerOp::Add;
  sum.window = {};
  sum.inputs = {1, 2};
  for (const std::string input : {"INPUT1", "INPUT2"}) {
    sum.input_stages.push_back({arith::Add{c.number(input + "_OFFSET")}, arith::ShiftLeft{c.number("LEFT_SHIFT")},
                                arith::Multiply{c.number(input + "_MULT"), std::nullopt},
                                arith::ShiftRight{31, arith::Rounding::RND},
                                arith::ShiftRight{-c.number(input + "_SHIFT"), arith::Rounding::RND_INF}});
  }
  sum.stages = stages_of(rescale_of(c), how);
  n.network.layers.push_back(second);
  n.network.layers.push_back(sum);
  n.network.output = 3;
  return n;
}

// Element by element: one image of `size` channels, the second factor a depthwise 1x1 weight.
CmsisNetwork multiply(const CmsisCase& c, Requantization how) {
  const Values factor = c.array({"input2_data"});
  const auto size = static_cast<int>(factor.size());
  CmsisNetwork n = one_layer(c, IntegerOp::Conv2d, {1, 1, size}, {1, 1, size}, c.array({"input1_data"}));
  IntegerLayer& layer = n.network.layers[1];
  layer.groups = size;
  layer.weight_format = arith::integer_format(format_bits(c));
  layer.weight = tensor({size, 1, 1, 1}, factor);
  layer.weight_scales = layer.real_multipliers = {1.0};
  layer.stages = stages_of(rescale_of(c), how);
  return n;
}

CmsisNetwork pad(const CmsisCase& c) {
  const Shape in = shape_of(c, "INPUT", c.number("INPUT_C"));
  const auto value = [&](const char* key) { return static_cast<int>(c.number(key)); };
  const Padding p{value("PRE_PAD_H"), value("POST_PAD_H"), value("PRE_PAD_W"), value("POST_PAD_W")};
  const Shape out{in.h + p.top + p.bottom, in.w + p.left + p.right, in.c + value("PRE_PAD_C") + value("POST_PAD_C")};
  CmsisNetwork n = one_layer(c, IntegerOp::Pad, in, out, c.array(kInput));
  n.network.layers[1].padding = p;
  n.network.layers[1].channels_before = value("PRE_PAD_C");
  n.network.layers[1].output.zero_point = n.network.layers[0].output.zero_point = c.number("PAD_VALUE");
  return n;
}

// out[b, h] = lhs[b, h] * rhs[b, h], a dimension of 1 standing for all: rows are images, rhs the weights.
std::vector<CmsisNetwork> batch_matmul(const CmsisCase& c, Requantization how) {
  const auto size = [&](const std::string& key) { return static_cast<std::size_t>(c.number(key)); };
  const Values lhs = c.array({"lhs_input_tensor"}), rhs = c.array({"rhs_input_tensor"}), out = c.array({"output"});
  const std::size_t lhs_cols = size("LHS_COLS"), rhs_cols = size("RHS_COLS");
  const bool lhs_turned = c.number("ADJ_X") != 0, rhs_turned = c.number("ADJ_Y") != 0;
  const std::size_t rows = size("OUTPUT_ROWS"), cols = size("OUTPUT_COLS"), heights = size("OUTPUT_HEIGHT");
  const std::size_t depth = lhs_turned ? size("LHS_ROWS") : lhs_cols;
  std::vector<CmsisNetwork> all;
  for (std::size_t m = 0; m < size("OUTPUT_BATCH") * heights; ++m) {
    const auto matrix = [&](const std::string& side, const Values& values) {
      const std::size_t b = size(side + "_BATCH") == 1 ? 0 : m / heights;
      const std::size_t h = size(side + "_HEIGHT") == 1 ? 0 : m % heights;
      const std::size_t count = values.size() / (size(side + "_BATCH") * size(side + "_HEIGHT"));
      return values.begin() + static_cast<std::ptrdiff_t>((b * size(side + "_HEIGHT") + h) * count);
    };
    const auto left = matrix("LHS", lhs), right = matrix("RHS", rhs);
    const auto at = [](auto first, std::size_t i) { return first[static_cast<std::ptrdiff_t>(i)]; };
    Values input, weight;
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t k = 0; k < depth; ++k) {
        input.push_back(at(left, lhs_turned ? k * lhs_cols + i : i * lhs_cols + k));
      }
    }
    for (std::size_t j = 0; j < cols; ++j) {
      for (std::size_t k = 0; k < depth; ++k) {
        weight.push_back(at(right, rhs_turned ? j * rhs_cols + k : k * rhs_cols + j));
      }
    }
    CmsisNetwork n = one_layer(c, IntegerOp::FullyConnected, {1, 1, static_cast<int>(depth)},
                               {1, 1, static_cast<int>(cols)}, input);
    IntegerLayer& layer = n.network.layers[1];
    layer.weight_format = arith::integer_format(16);
    layer.weight = tensor({static_cast<int>(cols), 1, 1, static_cast<int>(depth)}, weight);
    layer.weight_scales = layer.real_multipliers = {1.0};
    Rescale rescale = rescale_of(c);
    rescale.reduced = true;
    layer.stages = stages_of(rescale, how);
    const auto first = out.begin() + static_cast<std::ptrdiff_t>(m * rows * cols);
    n.expected.assign(first, first + static_cast<std::ptrdiff_t>(rows * cols));
    all.push_back(std::move(n));
  }
  return all;
}

// One layer of ds_cnn_l as a case of its own: `prefix` CONV_2D_3, `number` 3.
CmsisCase layer_case(const CmsisCase& c, const std::string& prefix, int number) {
  std::string lower = prefix.substr(0, prefix.rfind('_'));
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char ch) { return ch == '_' ? ch : char(ch | 32); });
  const std::string stem = "layer_" + std::to_string(number) + "_" + lower + "_";
  nlohmann::json json{{"name", lower + std::to_string(number)}};
  for (const auto& [key, value] : c.json().at("config").items()) {
    if (starts_with(key, prefix + "_")) json["config"]["X_" + key.substr(prefix.size() + 1)] = value;
  }
  for (const std::string array : {"bias_data", "weights_data", "output_mult_data", "output_shift_data"}) {
    if (c.json().at("arrays").contains(stem + array)) json["arrays"][array] = c.json().at("arrays").at(stem + array);
  }
  return CmsisCase(json);
}

}  // namespace

CmsisNetwork ds_cnn_network(const CmsisCase& c, double& softmax_step) {
  CmsisNetwork whole;
  whole.network.name = c.name();
  IntegerLayer first;
  first.name = "input";
  first.shape = {49, 10, 1};
  whole.network.layers = {first};
  whole.input = tensor({1, 49, 10, 1}, c.array(kInput));
  whole.expected = c.array(kOutput);
  const auto append = [&](const CmsisNetwork& one) {
    std::vector<IntegerLayer>& layers = whole.network.layers;
    IntegerLayer layer = one.network.layers[1];
    layers.back().output.zero_point = one.network.layers[0].output.zero_point;
    layer.name = one.network.name;
    layer.inputs = {static_cast<int>(layers.size()) - 1};
    layers.push_back(layer);
  };
  for (int i = 1; i <= 11; ++i) {
    const std::string prefix = (i % 2 == 0 ? "DEPTHWISE_CONV_2D_" : "CONV_2D_") + std::to_string(i);
    append(convolution(layer_case(c, prefix, i), Requantization::AsPublished));
  }
  IntegerLayer pool = whole.network.layers.back();
  pool.name = "pool";
  pool.op = IntegerOp::AveragePool;
  pool.inputs = {11};
  pool.shape = {1, 1, pool.shape.c};
  pool.window = {.kernel_h = 13, .kernel_w = 5};
  pool.stages.clear();
  whole.network.layers.push_back(pool);
  nlohmann::json last = layer_case(c, "FULLY_CONNECTED_14", 14).json();
  last["config"]["X_ACCUMULATION_DEPTH"] = 276;
  last["config"]["X_OUT_CH"] = 12;
  append(fully_connected(CmsisCase(last), Requantization::AsPublished));
  whole.network.output = static_cast<int>(whole.network.layers.size()) - 1;
  // code difference * 2^shift * mult / 2^31 has 26 fraction bits.
  softmax_step = std::ldexp(static_cast<double>(c.number("SOFTMAX_15_MULT")),
                            static_cast<int>(c.number("SOFTMAX_15_SHIFT")) - 31 - 26);
  return whole;
}

std::vector<CmsisNetwork> to_networks(const CmsisCase& c, Requantization how, std::string& reason) {
  const std::string& name = c.name();
  const auto none = [&](const char* why) {
    reason = why;
    return std::vector<CmsisNetwork>{};
  };
  if (contains(name, "transpose_conv")) return none("transposed convolution");
  if (starts_with(name, "transpose_")) return none("transpose");
  if (starts_with(name, "softmax")) return none("softmax");
  if (starts_with(name, "maximum") || starts_with(name, "minimum")) return none("maximum and minimum of two tensors");
  if (starts_with(name, "ds_cnn")) return none("whole network ending in softmax");
  if (starts_with(name, "batch_matmul")) return batch_matmul(c, how);
  if (starts_with(name, "mul_")) return {multiply(c, how)};
  if (starts_with(name, "add")) return {add(c, how)};
  if (starts_with(name, "pad")) return {pad(c)};
  if (starts_with(name, "avgpool")) return {pool(c, IntegerOp::AveragePool)};
  if (starts_with(name, "maxpool")) return {pool(c, IntegerOp::MaxPool)};
  if (starts_with(name, "fully_connected") || starts_with(name, "fc_")) return {fully_connected(c, how)};
  return {convolution(c, how)};
}

}  // namespace guardbit::nets::tests
