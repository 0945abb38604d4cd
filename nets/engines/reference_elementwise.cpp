// Operators that look at one element of each input at a time.
#include "nets/engines/reference_ops.hpp"

namespace guardbit::nets::reference {
namespace {

// input_stages[i] applied to one code. Their counts are not evidence of the layer.
class Rescale {
 public:
  explicit Rescale(const arith::StageList& stages) : stages_(stages) { unused_.changed.resize(stages.size()); }
  std::int64_t operator()(std::int64_t code, std::int64_t channel) {
    return stages_.empty() ? code : arith::apply_stages(stages_, code, channel, unused_);
  }

 private:
  const arith::StageList& stages_;
  arith::StageCounts unused_;
};

std::vector<Rescale> rescales(const Context& context) {
  return {context.layer.input_stages.begin(), context.layer.input_stages.end()};
}

}  // namespace

void add(const Context& context, LayerResult& result) {
  const std::int64_t channels = context.layer.shape.c;
  std::vector<Rescale> rescale = rescales(context);
  for (std::size_t e = 0; e < result.codes.data.size(); ++e) {
    const std::int64_t channel = static_cast<std::int64_t>(e) % channels;
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < context.layer.inputs.size(); ++i) {
      sum += rescale[i](context.input(i).data[e], channel);
    }
    result.codes.data[e] =
        static_cast<std::int32_t>(arith::apply_stages(context.layer.stages, sum, channel, result.stages));
  }
}

void concat(const Context& context, LayerResult& result) {
  const Shape shape = context.layer.shape;
  std::vector<Rescale> rescale = rescales(context);
  std::size_t element = 0;
  for (std::int64_t n = 0; n < result.codes.shape[0]; ++n) {
    for (int h = 0; h < shape.h; ++h) {
      for (int w = 0; w < shape.w; ++w) {
        for (std::size_t i = 0; i < context.layer.inputs.size(); ++i) {
          const IntTensor& in = context.input(i);
          for (std::int64_t c = 0; c < in.shape[3]; ++c) {
            result.codes.data[element++] = static_cast<std::int32_t>(rescale[i](at(in, n, h, w, c), c));
          }
        }
      }
    }
  }
}

void requantize(const Context& context, LayerResult& result) {
  for (std::size_t e = 0; e < result.codes.data.size(); ++e) {
    const std::int64_t channel = static_cast<std::int64_t>(e) % context.layer.shape.c;
    result.codes.data[e] = static_cast<std::int32_t>(
        arith::apply_stages(context.layer.stages, context.input().data[e], channel, result.stages));
  }
}

void pad(const Context& context, LayerResult& result) {
  const Shape shape = context.layer.shape;
  const IntTensor& in = context.input();
  std::size_t element = 0;
  for (std::int64_t n = 0; n < in.shape[0]; ++n) {
    for (int h = 0; h < shape.h; ++h) {
      for (int w = 0; w < shape.w; ++w) {
        for (int c = 0; c < shape.c; ++c) {
          const int y = h - context.layer.padding.top;
          const int x = w - context.layer.padding.left;
          const int channel = c - context.layer.channels_before;
          const bool inside =
              y >= 0 && y < in.shape[1] && x >= 0 && x < in.shape[2] && channel >= 0 && channel < in.shape[3];
          result.codes.data[element++] =
              inside ? at(in, n, y, x, channel) : static_cast<std::int32_t>(context.layer.output.zero_point);
        }
      }
    }
  }
}

}  // namespace guardbit::nets::reference
