// Pooling over the valid part of each window.
#include <algorithm>

#include "nets/engines/reference_ops.hpp"

namespace guardbit::nets::reference {
namespace {

// Calls visit(code) for every valid element of the window of output (p, q).
template <class Visit>
void for_window(const Context& context, std::int64_t n, int p, int q, int c, Visit visit) {
  const Window& window = context.layer.window;
  const IntTensor& in = context.input();
  for (int r = 0; r < window.kernel_h; ++r) {
    for (int s = 0; s < window.kernel_w; ++s) {
      const int y = p * window.stride_h - window.padding.top + r * window.dilation_h;
      const int x = q * window.stride_w - window.padding.left + s * window.dilation_w;
      if (y >= 0 && y < in.shape[1] && x >= 0 && x < in.shape[2]) visit(at(in, n, y, x, c));
    }
  }
}

template <class Output>
void for_outputs(const Context& context, LayerResult& result, Output output) {
  const Shape shape = context.layer.shape;
  std::size_t element = 0;
  for (std::int64_t n = 0; n < context.input().shape[0]; ++n) {
    for (int p = 0; p < shape.h; ++p) {
      for (int q = 0; q < shape.w; ++q) {
        for (int c = 0; c < shape.c; ++c) result.codes.data[element++] = output(n, p, q, c);
      }
    }
  }
}

}  // namespace

void max_pool(const Context& context, LayerResult& result) {
  for_outputs(context, result, [&](std::int64_t n, int p, int q, int c) {
    std::int32_t largest = INT32_MIN;
    for_window(context, n, p, q, c, [&](std::int32_t code) { largest = std::max(largest, code); });
    return largest;
  });
}

void average_pool(const Context& context, LayerResult& result) {
  for_outputs(context, result, [&](std::int64_t n, int p, int q, int c) {
    std::int64_t sum = 0;
    std::int64_t taps = 0;
    for_window(context, n, p, q, c, [&](std::int32_t code) {
      sum += code;
      ++taps;
    });
    const std::int64_t mean = sum >= 0 ? (sum + taps / 2) / taps : (sum - taps / 2) / taps;  // ties away from zero
    return static_cast<std::int32_t>(arith::apply_stages(context.layer.stages, mean, c, result.stages));
  });
}

}  // namespace guardbit::nets::reference
