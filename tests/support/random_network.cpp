// Random networks: shapes, windows, formats, stages and accumulations drawn from one Philox stream per seed.
#include "tests/support/random_network.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "arith/philox.hpp"
#include "nets/quantize/softmax_table.hpp"

namespace guardbit::tests {
namespace {

using namespace guardbit::nets;  // NOLINT: test support
using arith::Accumulation;
using arith::Format;
using arith::integer_format;
using arith::Overflow;

class Generator {
 public:
  Generator(std::uint64_t seed, const RandomOptions& options) : random_(seed), options_(options) {}

  RandomCase run() {
    network_.name = "random";
    IntegerLayer input;
    input.name = "input";
    input.shape = {between(3, 8), between(3, 8), between(1, 6)};
    input.output = tensor_format();
    network_.layers.push_back(input);
    const int layers = between(1, options_.layers);
    for (int i = 1; i <= layers; ++i) add_layer("layer" + std::to_string(i));
    network_.output = static_cast<int>(network_.layers.size()) - 1;

    RandomCase result{network_, {}, IntTensor({between(1, 3), input.shape.h, input.shape.w, input.shape.c})};
    for (std::size_t i = 0; i < network_.layers.size(); ++i) result.accumulations.push_back(accumulation());
    for (std::int32_t& code : result.input.data) code = code_of(input.output.format);
    return result;
  }

 private:
  int between(int low, int high) {
    return low + static_cast<int>(random_.below(static_cast<std::uint64_t>(high - low + 1)));
  }
  bool chance(int percent) { return between(0, 99) < percent; }
  template <class T>
  T pick(std::initializer_list<T> values) {
    return values.begin()[random_.below(values.size())];
  }

  // Extremes are drawn often: they are what overflows.
  std::int32_t code_of(const Format& format) {
    const auto low = static_cast<std::int64_t>(format.min_code());
    const auto high = static_cast<std::int64_t>(format.max_code());
    if (chance(15)) return static_cast<std::int32_t>(chance(50) ? low : high);
    return static_cast<std::int32_t>(
        low + static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(high - low + 1))));
  }

  Format format() {
    return pick(
        {integer_format(8), integer_format(8), integer_format(8, false), integer_format(4), integer_format(16)});
  }

  TensorFormat tensor_format() {
    TensorFormat tensor;
    tensor.format = format();
    tensor.scale = std::exp2(between(-6, 0)) * (1 + random_.uniform());
    tensor.zero_point = chance(40) ? 0 : code_of(tensor.format);
    return tensor;
  }

  Accumulation accumulation() {
    const auto spec = [&] {
      const Overflow mode =
          pick({Overflow::SAT, Overflow::SAT, Overflow::WRAP, Overflow::WRAP, Overflow::SAT_SYM, Overflow::SAT_ZERO});
      return arith::AccumulatorSpec{integer_format(between(8, 32), true, mode), pick({0, 1, 1, 2, 4})};
    };
    Accumulation result;
    result.accumulator = spec();
    if (chance(20)) result.accumulator.format = integer_format(32, true, Overflow::WRAP);
    if (!options_.psum) return result;
    if (chance(50)) result.fold = between(1, 20);
    if (chance(30)) result.psum = spec();
    return result;
  }

  arith::StageList stages(int channels, double multiplier, const TensorFormat& output) {
    arith::OutputSpec spec;
    const bool per_channel = chance(60);
    for (int c = 0; c < (per_channel ? channels : 1); ++c)
      spec.real_multipliers.push_back(multiplier * (0.5 + 2 * random_.uniform()));
    spec.zero_point = output.zero_point;
    spec.format = output.format;
    spec.activation = pick({arith::Activation::None, arith::Activation::Relu, arith::Activation::Relu6});
    spec.relu6_code = between(1, 90);
    switch (between(0, 3)) {
      case 0:
        return arith::tflite_double(spec);
      case 1:
        return arith::tflite_single(spec);
      case 2:
        return arith::onnx_float(spec);
      default:
        return arith::pow2(spec, static_cast<int>(std::lround(-std::log2(multiplier))),
                           pick({arith::Rounding::RND, arith::Rounding::RND_CONV, arith::Rounding::TRN,
                                 arith::Rounding::RND_ZERO, arith::Rounding::RND_MIN_INF}));
    }
  }

  static double span_of(const Format& format) { return std::exp2(format.width - 1); }

  Window window(const Shape& in, bool pool) {
    Window w;
    w.kernel_h = between(1, std::min(3, in.h));
    w.kernel_w = between(1, std::min(3, in.w));
    w.stride_h = between(1, 2);
    w.stride_w = between(1, 2);
    if (!pool && chance(20) && 2 * (w.kernel_h - 1) < in.h && 2 * (w.kernel_w - 1) < in.w)
      w.dilation_h = w.dilation_w = 2;
    const int most_h = pool ? w.kernel_h - 1 : 2;
    const int most_w = pool ? w.kernel_w - 1 : 2;
    if (chance(60)) w.padding = {between(0, most_h), between(0, most_h), between(0, most_w), between(0, most_w)};
    return w;
  }

  static int extent(int size, int kernel, int stride, int dilation, int padding) {
    return (size + padding - dilation * (kernel - 1) - 1) / stride + 1;
  }
  static Shape windowed(const Shape& in, const Window& w) {
    return {extent(in.h, w.kernel_h, w.stride_h, w.dilation_h, w.padding.top + w.padding.bottom),
            extent(in.w, w.kernel_w, w.stride_w, w.dilation_w, w.padding.left + w.padding.right), in.c};
  }

  void weighted(IntegerLayer& layer, const IntegerLayer& from, int depth) {
    layer.weight_format =
        pick({integer_format(8), integer_format(8), integer_format(4), integer_format(2), integer_format(16)});
    for (std::int32_t& w : layer.weight.data) w = chance(10) ? 0 : code_of(layer.weight_format);
    if (chance(70)) {
      for (int k = 0; k < layer.shape.c; ++k) layer.bias.push_back(between(-3000, 3000));
    }
    layer.output = tensor_format();
    const double typical = span_of(from.output.format) * span_of(layer.weight_format) * std::sqrt(depth) / 3;
    layer.stages = stages(layer.shape.c, span_of(layer.output.format) / typical, layer.output);
  }

  void convolution(IntegerLayer& layer, const IntegerLayer& from) {
    layer.op = IntegerOp::Conv2d;
    layer.window = window(from.shape, false);
    layer.shape = windowed(from.shape, layer.window);
    layer.shape.c = between(1, 8);
    if (options_.groups && chance(35)) {
      do layer.groups = between(1, from.shape.c);
      while (from.shape.c % layer.groups != 0);
      layer.shape.c = layer.groups * between(1, layer.groups == 1 ? 8 : 2);
    }
    layer.weight =
        IntTensor({layer.shape.c, layer.window.kernel_h, layer.window.kernel_w, from.shape.c / layer.groups});
    weighted(layer, from, static_cast<int>(layer.weight.count()) / layer.shape.c);
  }

  void fully_connected(IntegerLayer& layer, const IntegerLayer& from) {
    layer.op = IntegerOp::FullyConnected;
    layer.shape = {1, 1, between(1, 12)};
    layer.weight = IntTensor({layer.shape.c, 1, 1, from.shape.count()});
    weighted(layer, from, static_cast<int>(from.shape.count()));
  }

  // Two or more tensors of the same H and W (and C for add); the second is rescaled from the first if there is no
  // other.
  void combine(IntegerLayer& layer, int from, bool add) {
    layer.op = add ? IntegerOp::Add : IntegerOp::Concat;
    layer.inputs = {from};
    layer.shape = network_.layer(from).shape;
    layer.output = tensor_format();
    const int wanted = between(2, 3);
    for (int other = 0;
         other < static_cast<int>(network_.layers.size()) && static_cast<int>(layer.inputs.size()) < wanted; ++other) {
      const Shape s = network_.layer(other).shape;
      if (s.h != layer.shape.h || s.w != layer.shape.w || (add && s.c != layer.shape.c)) continue;
      layer.inputs.push_back(other);
      if (!add) layer.shape.c += s.c;
    }
    for (const int input : layer.inputs) {
      const TensorFormat& source = network_.layer(input).output;
      TensorFormat target = layer.output;
      if (add) target = {integer_format(24), 1.0, 0};
      arith::StageList list{arith::Subtract{source.zero_point}};
      const double ratio = span_of(target.format) / span_of(source.format) / (add ? 4 : 1);
      for (const arith::Stage& s : stages(network_.layer(input).shape.c, ratio, target)) list.push_back(s);
      layer.input_stages.push_back(list);
    }
    if (add)
      layer.stages = stages(layer.shape.c, span_of(layer.output.format) / span_of(integer_format(24)), layer.output);
  }

  void pad(IntegerLayer& layer, const IntegerLayer& from) {
    layer.op = IntegerOp::Pad;
    layer.output = from.output;
    layer.padding = {between(0, 2), between(0, 2), between(0, 2), between(0, 2)};
    layer.channels_before = between(0, 2);
    layer.shape = {from.shape.h + layer.padding.top + layer.padding.bottom,
                   from.shape.w + layer.padding.left + layer.padding.right,
                   from.shape.c + layer.channels_before + between(0, 2)};
  }

  void pool(IntegerLayer& layer, const IntegerLayer& from, bool maximum) {
    layer.op = maximum ? IntegerOp::MaxPool : IntegerOp::AveragePool;
    layer.output = from.output;
    layer.window = window(from.shape, true);
    layer.shape = windowed(from.shape, layer.window);
    if (!maximum && chance(40)) {
      layer.output = tensor_format();
      layer.stages = stages(layer.shape.c, span_of(layer.output.format) / span_of(from.output.format), layer.output);
    }
  }

  void add_layer(const std::string& name) {
    const int from = chance(80) ? static_cast<int>(network_.layers.size()) - 1
                                : between(0, static_cast<int>(network_.layers.size()) - 1);
    const IntegerLayer source = network_.layer(from);
    IntegerLayer layer;
    layer.name = name;
    layer.inputs = {from};
    const int kind = options_.weighted_only ? 0 : between(0, 15);
    if (kind < 6) {
      convolution(layer, source);
    } else if (kind == 6) {
      fully_connected(layer, source);
    } else if (kind < 9) {
      combine(layer, from, true);
    } else if (kind == 9) {
      combine(layer, from, false);
    } else if (kind < 12) {
      pool(layer, source, kind == 10);
    } else if (kind == 12) {
      pad(layer, source);
    } else if (kind == 13) {
      layer.op = IntegerOp::Flatten;
      layer.output = source.output;
      layer.shape = {1, 1, static_cast<int>(source.shape.count())};
    } else {
      layer.op = IntegerOp::Requantize;
      layer.output = tensor_format();
      layer.shape = source.shape;
      layer.stages = stages(layer.shape.c, span_of(layer.output.format) / span_of(source.output.format), layer.output);
    }
    if ((layer.op == IntegerOp::Add || layer.op == IntegerOp::Concat) && layer.inputs.size() < 2) {
      layer.inputs.push_back(from);
      layer.input_stages.push_back(layer.input_stages[0]);
      if (layer.op == IntegerOp::Concat) layer.shape.c += source.shape.c;
    }
    network_.layers.push_back(layer);
  }

  arith::Random random_;
  RandomOptions options_;
  IntegerNetwork network_;
};

}  // namespace

namespace {

// A softmax behind one network in three, of draws of its own: what the other layers are does not depend on it. Its
// table is that of a scale, or any that does not rise; inputs of more than 8 bits are narrowed first.
void append_softmax(RandomCase& random, std::uint64_t seed) {
  arith::Random draw(seed ^ 0x736F66746D6178U);
  const auto below = [&](int count) { return static_cast<int>(draw.below(static_cast<std::uint64_t>(count))); };
  if (below(3) != 0) return;
  std::vector<IntegerLayer>& layers = random.network.layers;
  const auto add = [&](const char* name, IntegerOp op) {
    IntegerLayer layer;
    layer.name = name;
    layer.op = op;
    layer.inputs = {static_cast<int>(layers.size()) - 1};
    layer.shape = layers.back().shape;
    random.accumulations.push_back(random.accumulations.back());
    return &layers.emplace_back(layer);
  };
  if (layers.back().output.format.width > kSoftmaxCodeBits) {
    const int shift = layers.back().output.format.width - 8;
    IntegerLayer& narrow = *add("narrow", IntegerOp::Requantize);
    narrow.stages = {arith::ShiftRight{shift, arith::Rounding::RND_CONV}, arith::Narrow{integer_format(8)}};
  }
  IntegerLayer& softmax = *add("softmax", IntegerOp::Softmax);
  softmax.output = below(2) == 0 ? TensorFormat{integer_format(8), 0x1p-8, -128}
                                 : TensorFormat{integer_format(8, false), std::ldexp(1.0, -1 - below(8)), below(20)};
  softmax.exponentials = softmax_table(std::ldexp(1.0 + draw.uniform(), below(10) - 9));
  if (below(2) == 0) {
    int largest = 1 + below(kSoftmaxOne);
    for (std::int32_t& entry : softmax.exponentials) {
      entry = largest;
      largest -= below(2) == 0 ? 0 : below(1 + largest / 4);
    }
  }
  random.network.output = static_cast<int>(layers.size()) - 1;
}

}  // namespace

RandomCase random_case(std::uint64_t seed, const RandomOptions& options) {
  RandomCase random = Generator(seed, options).run();
  if (options.softmax && !options.weighted_only) append_softmax(random, seed);
  return random;
}

}  // namespace guardbit::tests
