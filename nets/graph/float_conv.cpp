// Convolutions on one image: blocks of patches times packed weights; depthwise directly.
#include "nets/graph/detail/float_conv.hpp"

#include <algorithm>

namespace guardbit::nets::detail {
namespace {

constexpr std::int64_t kBlockRows = 48;  // patches per block: a multiple of every kernel's rows

// One patch [R][S][C / groups] of `group`, zeros where it lies in the padding.
void copy_patch(const float* in, const Shape& shape, const Window& window, int p, int q, int first_channel,
                int channels, float* patch) {
  for (int r = 0; r < window.kernel_h; ++r) {
    const int y = p * window.stride_h - window.padding.top + r * window.dilation_h;
    for (int s = 0; s < window.kernel_w; ++s, patch += channels) {
      const int x = q * window.stride_w - window.padding.left + s * window.dilation_w;
      if (y < 0 || y >= shape.h || x < 0 || x >= shape.w) {
        std::fill_n(patch, channels, 0.0F);
      } else {
        std::copy_n(in + (std::int64_t{y} * shape.w + x) * shape.c + first_channel, channels, patch);
      }
    }
  }
}

}  // namespace

void conv2d(const ConvAttributes& conv, const Shape& in_shape, const Shape& out_shape,
            const std::vector<PackedWeights>& groups, const float* in, float* out, std::vector<float>& scratch) {
  const int group_channels = in_shape.c / conv.groups;
  const int group_outputs = conv.channels / conv.groups;
  const std::int64_t depth = groups.front().depth;
  const std::int64_t rows = std::int64_t{out_shape.h} * out_shape.w;
  scratch.resize(static_cast<std::size_t>(kBlockRows * depth));
  for (int group = 0; group < conv.groups; ++group) {
    for (std::int64_t first = 0; first < rows; first += kBlockRows) {
      const std::int64_t count = std::min(kBlockRows, rows - first);
      for (std::int64_t i = 0; i < count; ++i) {
        const auto p = static_cast<int>((first + i) / out_shape.w);
        const auto q = static_cast<int>((first + i) % out_shape.w);
        copy_patch(in, in_shape, conv.window, p, q, group * group_channels, group_channels,
                   scratch.data() + i * depth);
      }
      float_gemm(scratch.data(), count, groups[static_cast<std::size_t>(group)],
                 out + first * out_shape.c + group * group_outputs, out_shape.c);
    }
  }
}

void depthwise_conv2d(const Window& window, const Shape& in_shape, const Shape& out_shape, const float* taps,
                      const float* bias, const float* in, float* out) {
  const int channels = in_shape.c;
  for (int p = 0; p < out_shape.h; ++p) {
    for (int q = 0; q < out_shape.w; ++q, out += channels) {
      std::copy_n(bias, channels, out);
      for (int r = 0; r < window.kernel_h; ++r) {
        const int y = p * window.stride_h - window.padding.top + r * window.dilation_h;
        if (y < 0 || y >= in_shape.h) continue;
        for (int s = 0; s < window.kernel_w; ++s) {
          const int x = q * window.stride_w - window.padding.left + s * window.dilation_w;
          if (x < 0 || x >= in_shape.w) continue;
          const float* const pixel = in + (std::int64_t{y} * in_shape.w + x) * channels;
          const float* const tap = taps + (std::int64_t{r} * window.kernel_w + s) * channels;
          for (int c = 0; c < channels; ++c) out[c] += pixel[c] * tap[c];
        }
      }
    }
  }
}

}  // namespace guardbit::nets::detail
