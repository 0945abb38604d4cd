// Reading of kernel, stride, dilation and padding.
#pragma once

#include "nets/config/section.hpp"
#include "nets/graph/network.hpp"

namespace guardbit::nets::detail {

constexpr int kMaxValue = 1 << 20;  // of every size in a layer

// TensorFlow's SAME padding of one axis: {before, after}.
[[nodiscard]] std::pair<int, int> same_padding(int in, int kernel, int stride, int dilation);

[[nodiscard]] Window conv_window(const Section& layer, const Shape& in);
[[nodiscard]] Window pool_window(const Section& layer, const Shape& in, bool dilated);
// [top, bottom, left, right] or one number for all; for `pad`.
[[nodiscard]] Padding read_padding(const Section& layer);

}  // namespace guardbit::nets::detail
