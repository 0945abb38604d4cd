// Reading of kernel, stride, dilation and padding.
#include "nets/graph/detail/window.hpp"

#include <algorithm>

namespace guardbit::nets::detail {
namespace {

using Pair = std::array<std::int64_t, 2>;

// N or [height, width].
void read_pair(const Section& layer, const char* key, std::optional<Pair> absent, int& height, int& width) {
  const Pair pair = layer.pair(key, 1, kMaxValue, absent);
  height = static_cast<int>(pair[0]);
  width = static_cast<int>(pair[1]);
}

void set_padding(Window& window, const Section& layer, const Shape& in, bool same_by_default) {
  bool same = same_by_default;
  if (layer.has("padding")) {
    const Value value = layer.raw("padding");
    if (value.kind() != Kind::Text) {
      window.padding = read_padding(layer);
      return;
    }
    if (value.text() != "same" && value.text() != "valid") {
      layer.fail("padding", value.text(), "same, valid, a number, or [top, bottom, left, right]");
    }
    same = value.text() == "same";
  }
  if (!same) return;
  const auto [top, bottom] = same_padding(in.h, window.kernel_h, window.stride_h, window.dilation_h);
  const auto [left, right] = same_padding(in.w, window.kernel_w, window.stride_w, window.dilation_w);
  window.padding = {top, bottom, left, right};
}

}  // namespace

std::pair<int, int> same_padding(int in, int kernel, int stride, int dilation) {
  const std::int64_t out = (std::int64_t{in} + stride - 1) / stride;
  const std::int64_t extent = std::int64_t{dilation} * (kernel - 1) + 1;
  const std::int64_t total = std::clamp<std::int64_t>((out - 1) * stride + extent - in, 0, kMaxValue);
  return {static_cast<int>(total / 2), static_cast<int>(total - total / 2)};
}

Padding read_padding(const Section& layer) {
  const std::vector<std::int64_t> sides = layer.integers("padding", 0, kMaxValue, std::vector<std::int64_t>{0});
  const auto side = [&](std::size_t i) { return static_cast<int>(sides[sides.size() == 1 ? 0 : i]); };
  if (sides.size() != 1 && sides.size() != 4) {
    layer.fail("padding", std::to_string(sides.size()) + " numbers", "one, or [top, bottom, left, right]");
  }
  return {side(0), side(1), side(2), side(3)};
}

Window conv_window(const Section& layer, const Shape& in) {
  Window window;
  read_pair(layer, "kernel", std::nullopt, window.kernel_h, window.kernel_w);
  read_pair(layer, "stride", Pair{1, 1}, window.stride_h, window.stride_w);
  read_pair(layer, "dilation", Pair{1, 1}, window.dilation_h, window.dilation_w);
  set_padding(window, layer, in, true);
  return window;
}

Window pool_window(const Section& layer, const Shape& in, bool dilated) {
  Window window;
  if (layer.boolean("global", false)) {
    window.kernel_h = in.h;
    window.kernel_w = in.w;
    return window;
  }
  read_pair(layer, "kernel", std::nullopt, window.kernel_h, window.kernel_w);
  window.kernel_h = std::min(window.kernel_h, in.h);
  window.kernel_w = std::min(window.kernel_w, in.w);
  read_pair(layer, "stride", Pair{window.kernel_h, window.kernel_w}, window.stride_h, window.stride_w);
  if (dilated) read_pair(layer, "dilation", Pair{1, 1}, window.dilation_h, window.dilation_w);
  set_padding(window, layer, in, false);
  return window;
}

}  // namespace guardbit::nets::detail
