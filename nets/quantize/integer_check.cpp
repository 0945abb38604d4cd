// Structural and numeric checks of an integer network. What passes here can be run by every engine without further
// bounds checks: indices, shapes, windows with at least one valid tap, codes within their formats, stages whose
// intermediate values fit 127 bits and whose results fit the output format.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "arith/error.hpp"
#include "nets/quantize/conv_shape.hpp"
#include "nets/quantize/integer_network.hpp"
#include "nets/quantize/softmax_table.hpp"
#include "nets/quantize/stage_range.hpp"

namespace guardbit::nets {
namespace {

constexpr int kMaxOperandBits = 16;  // activations and weights of a weighted layer
constexpr int kMaxCodeBits = 31;     // any other code is an int32 with room for its zero point
constexpr int kMaxExtent = 1 << 20;  // of one dimension
constexpr std::int64_t kMaxElements = std::int64_t{1} << 31;
constexpr std::int64_t kMaxBias = std::int64_t{1} << 60;

class Checker {
 public:
  Checker(const IntegerNetwork& network, const IntegerLayer& layer, int index)
      : network_(network), layer_(layer), index_(index) {}

  void run() const {
    check_inputs();
    check_format(layer_.output);
    check_shape();
    if (layer_.weighted()) check_weights();
    check_table();
    check_stage_lists();
  }

 private:
  template <class... A>
  [[noreturn]] void fail(fmt::format_string<A...> text, A&&... arguments) const {
    throw Error(fmt::format("layer {} ({}): {}", layer_.name, name(layer_.op),
                            fmt::format(text, std::forward<A>(arguments)...)));
  }
  const IntegerLayer& in(std::size_t i = 0) const { return network_.layer(layer_.inputs[i]); }
  std::size_t channels() const { return static_cast<std::size_t>(layer_.shape.c); }

  void check_inputs() const {
    const std::size_t found = layer_.inputs.size();
    for (const int input : layer_.inputs) {
      if (input < 0 || input >= index_) fail("input {} is not an earlier layer, allowed 0 to {}", input, index_ - 1);
    }
    const bool many = layer_.op == IntegerOp::Add || layer_.op == IntegerOp::Concat;
    const std::size_t wanted = layer_.op == IntegerOp::Input ? 0 : 1;
    if (many ? found < 2 : found != wanted)
      fail("{} inputs, allowed {}", found, many ? "2 or more" : wanted == 1 ? "1" : "0");
    if ((layer_.op == IntegerOp::Input) != (index_ == 0)) fail("layer 0, and only it, is the input");
  }

  void check_format(const TensorFormat& tensor) const {
    const arith::Format& format = tensor.format;
    const int limit = format.is_signed ? kMaxCodeBits + 1 : kMaxCodeBits;
    if (!format.has_linear_codes() || format.width < 1 || format.width > limit) {
      fail("output format {}, allowed integer and fixed formats of 1 to {} bits", arith::to_string(format), limit);
    }
    if (!format.contains(tensor.zero_point)) {
      fail("zero point {} is not a code of {}", tensor.zero_point, arith::to_string(format));
    }
    if (!std::isfinite(tensor.scale) || tensor.scale <= 0) fail("scale {}, allowed finite and above 0", tensor.scale);
  }

  static bool positive(const Shape& s) {
    return s.h >= 1 && s.w >= 1 && s.c >= 1 && s.h <= kMaxExtent && s.w <= kMaxExtent && s.c <= kMaxExtent &&
           s.count() < kMaxElements;
  }

  // Output extent of a window over `size`; every window position must touch at least one real element if `touch`.
  int extent(const char* axis, int size, int kernel, int stride, int dilation, int before, int after,
             bool touch) const {
    const auto sane = [](int v, int low) { return v >= low && v <= kMaxExtent; };
    if (!sane(kernel, 1) || !sane(stride, 1) || !sane(dilation, 1) || !sane(before, 0) || !sane(after, 0)) {
      fail("window along {}: kernel {}, stride {}, dilation {}, padding {} and {}; allowed 1 to {} (padding 0 to {})",
           axis, kernel, stride, dilation, before, after, kMaxExtent, kMaxExtent);
    }
    const std::int64_t reach = std::int64_t{dilation} * (kernel - 1) + 1;
    const std::int64_t room = std::int64_t{size} + before + after - reach;
    if (room < 0) fail("window along {} reaches {} elements, allowed at most {}", axis, reach, size + before + after);
    const std::int64_t outputs = room / stride + 1;
    for (std::int64_t o = 0; touch && o < outputs; ++o) {
      // The first tap at or behind element 0; a search tap by tap would take for ever on hostile sizes.
      const std::int64_t start = o * stride - before;
      const std::int64_t tap = start >= 0 ? 0 : (-start + dilation - 1) / dilation;
      if (tap >= kernel || start + tap * dilation >= size) fail("window {} along {} lies wholly in the padding", o, axis);
    }
    return static_cast<int>(std::min<std::int64_t>(outputs, kMaxExtent + 1));
  }

  Shape windowed(bool touch) const {
    const Window& w = layer_.window;
    const Shape s = in().shape;
    return {extent("H", s.h, w.kernel_h, w.stride_h, w.dilation_h, w.padding.top, w.padding.bottom, touch),
            extent("W", s.w, w.kernel_w, w.stride_w, w.dilation_w, w.padding.left, w.padding.right, touch), s.c};
  }

  Shape expected_shape() const {
    const Shape shape = layer_.shape;
    switch (layer_.op) {
      case IntegerOp::Input:
        return shape;
      case IntegerOp::Conv2d: {
        const Shape out = windowed(false);
        return {out.h, out.w, shape.c};
      }
      case IntegerOp::FullyConnected:
        return {1, 1, shape.c};
      case IntegerOp::MaxPool:
      case IntegerOp::AveragePool:
        return windowed(true);
      case IntegerOp::Add:
      case IntegerOp::Requantize:
      case IntegerOp::Softmax:
        return in().shape;
      case IntegerOp::Concat: {
        Shape sum = in().shape;
        for (std::size_t i = 1; i < layer_.inputs.size(); ++i) sum.c += in(i).shape.c;
        return sum;
      }
      case IntegerOp::Pad: {
        const Padding& p = layer_.padding;
        if (std::min({p.top, p.bottom, p.left, p.right, layer_.channels_before}) < 0) fail("negative padding");
        const Shape s = in().shape;
        const int c = std::max(shape.c, s.c + layer_.channels_before);  // the rest follows the old channels
        return {s.h + p.top + p.bottom, s.w + p.left + p.right, c};
      }
      case IntegerOp::Flatten:
        return {1, 1, static_cast<int>(in().shape.count())};
    }
    __builtin_unreachable();
  }

  void check_shape() const {
    if (!positive(layer_.shape))
      fail("shape [{}, {}, {}], allowed 1 to {} each", layer_.shape.h, layer_.shape.w, layer_.shape.c, kMaxExtent);
    const Shape want = expected_shape();
    if (want != layer_.shape) {
      fail("shape [{}, {}, {}], its inputs give [{}, {}, {}]", layer_.shape.h, layer_.shape.w, layer_.shape.c, want.h,
           want.w, want.c);
    }
    for (std::size_t i = 1; i < layer_.inputs.size(); ++i) {
      const Shape a = in().shape;
      const Shape b = in(i).shape;
      if (a.h != b.h || a.w != b.w || (layer_.op == IntegerOp::Add && a.c != b.c)) {
        fail("inputs of shape [{}, {}, {}] and [{}, {}, {}] do not go together", a.h, a.w, a.c, b.h, b.w, b.c);
      }
    }
  }

  void check_weights() const {
    const arith::Format& format = layer_.weight_format;
    if (!format.has_linear_codes() || format.width < 1 || format.width > kMaxOperandBits ||
        in().output.format.width > kMaxOperandBits) {
      fail("{} activations and {} weights, allowed integer and fixed formats of 1 to {} bits",
           arith::to_string(in().output.format), arith::to_string(format), kMaxOperandBits);
    }
    const int in_channels =
        layer_.op == IntegerOp::FullyConnected ? static_cast<int>(in().shape.count()) : in().shape.c;
    const int groups = layer_.op == IntegerOp::FullyConnected ? 1 : layer_.groups;
    if (groups < 1 || in_channels % groups != 0 || layer_.shape.c % groups != 0) {
      fail("{} groups do not divide {} input and {} output channels", groups, in_channels, layer_.shape.c);
    }
    const ConvShape shape = conv_shape(network_, layer_);
    const std::vector<std::int64_t> want{shape.k, shape.r, shape.s, shape.group_c};
    if (std::int64_t{shape.r} * shape.s * shape.group_c >= std::int64_t{1} << 28)
      fail("more than 2^28 products per output");
    if (layer_.weight.shape != want || layer_.weight.data.size() != static_cast<std::size_t>(layer_.weight.count())) {
      fail("weight of shape [{}], its inputs give [{}]", fmt::join(layer_.weight.shape, ", "), fmt::join(want, ", "));
    }
    for (const std::int32_t code : layer_.weight.data) {
      if (!format.contains(code)) fail("weight {} is not a code of {}", code, arith::to_string(format));
    }
    check_count("bias", layer_.bias.size(), false);
    for (const std::int64_t bias : layer_.bias) {
      if (bias < -kMaxBias || bias > kMaxBias) fail("bias {}, allowed magnitudes up to 2^60", bias);
    }
    check_count("weight_scales", layer_.weight_scales.size(), true);
    check_count("real_multipliers", layer_.real_multipliers.size(), true);
    for (const double s : layer_.weight_scales) {
      if (!std::isfinite(s) || s <= 0) fail("weight scale {}, allowed finite and above 0", s);
    }
  }

  void check_table() const {
    if (layer_.op == IntegerOp::Softmax) {
      try {
        check_softmax(layer_, in().output);
      } catch (const Error& error) {
        fail("{}", error.what());
      }
    } else if (!layer_.exponentials.empty()) {
      fail("has exponentials, which this operator does not use");
    }
  }

  void check_count(const char* what, std::size_t found, bool one_allowed) const {
    if (found == 0 || found == channels() || (one_allowed && found == 1)) return;
    fail("{} has {} entries, allowed {}{}", what, found, one_allowed ? "1 or " : "", channels());
  }

  static int bits_of(const Interval& interval) {
    int bits = 1;
    const arith::int128 one = 1;
    while (bits < 126 && (interval.low < -(one << (bits - 1)) || interval.high >= one << (bits - 1))) ++bits;
    return bits;
  }

  // Range after `stages`, which must be well-formed for `range` entering.
  Interval through(const arith::StageList& stages, const Interval& range, int channel_count,
                   const std::string& what) const {
    arith::check_stages(stages, channel_count, bits_of(range), fmt::format("layer {}: {}", layer_.name, what));
    return stage_interval_all(stages, range, channel_count);
  }

  void check_stage_lists() const {
    const bool many = layer_.op == IntegerOp::Add || layer_.op == IntegerOp::Concat;
    if (layer_.input_stages.size() != (many ? layer_.inputs.size() : 0)) {
      fail("{} lists of input stages for {} inputs", layer_.input_stages.size(), many ? layer_.inputs.size() : 0);
    }
    const bool staged = layer_.weighted() || layer_.op == IntegerOp::Add || layer_.op == IntegerOp::AveragePool ||
                        layer_.op == IntegerOp::Requantize;
    if (!staged && !layer_.stages.empty()) fail("has stages, which this operator does not use");

    if (layer_.op == IntegerOp::Input) return;
    Interval range = layer_.weighted() ? Interval{INT64_MIN, INT64_MAX} : format_interval(in().output.format);
    if (many) {
      range = {0, 0};
      for (std::size_t i = 0; i < layer_.inputs.size(); ++i) {
        const Interval term = through(layer_.input_stages[i], format_interval(in(i).output.format), in(i).shape.c,
                                      fmt::format("input_stages[{}]", i));
        if (!within(term, {-(std::int64_t{1} << 56), std::int64_t{1} << 56}))
          fail("input {} is not narrowed to 56 bits", i);
        range = layer_.op == IntegerOp::Add ? Interval{range.low + term.low, range.high + term.high}
                                            : (i == 0 ? term : hull(range, term));
      }
    }
    if (layer_.op == IntegerOp::Softmax) return;  // its definition ends with the output format
    const Interval out = staged ? through(layer_.stages, range, layer_.shape.c, "stages") : range;
    if (!within(out, format_interval(layer_.output.format))) {
      fail("its results may leave the output format {}; end the stages with a narrowing to it",
           arith::to_string(layer_.output.format));
    }
  }

  const IntegerNetwork& network_;
  const IntegerLayer& layer_;
  int index_;
};

}  // namespace

void check(const IntegerNetwork& network) {
  if (network.layers.empty())
    throw Error(fmt::format("network {}: no layers, allowed at least the input", network.name));
  if (network.output < 0 || network.output >= static_cast<int>(network.layers.size())) {
    throw Error(
        fmt::format("network {}: output {}, allowed 0 to {}", network.name, network.output, network.layers.size() - 1));
  }
  std::set<std::string> names;
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const IntegerLayer& layer = network.layers[i];
    if (layer.name.empty() || !names.insert(layer.name).second) {
      throw Error(fmt::format("layer {}: name '{}' is empty or used twice", i, layer.name));
    }
    Checker(network, layer, static_cast<int>(i)).run();
  }
  const auto channels = static_cast<std::size_t>(network.layers[0].shape.c);
  for (const auto* values : {&network.preprocess.mean, &network.preprocess.std}) {
    if (values->size() != 1 && values->size() != channels) {
      throw Error(fmt::format("preprocess: {} entries, allowed 1 or {}", values->size(), channels));
    }
  }
}

}  // namespace guardbit::nets
