#include "sim/detail/elementwise.hpp"

#include <algorithm>

#include "sim/check.hpp"

namespace guardbit::sim {
namespace {

using nets::IntegerOp;

// One tile in flight.
class Tile {
 public:
  Tile(const LayerState& state, const Elementwise& work, std::span<const std::int32_t> scratchpad)
      : state_(state), layer_(*state.layer), work_(work), scratchpad_(scratchpad) {}

  // Element (h, w, c) of input i, which must lie in its region.
  [[nodiscard]] std::int32_t input(std::size_t i, std::int64_t h, std::int64_t w, std::int64_t c) const {
    const Region& region = work_.inputs[i];
    const Box& box = region.box;
    const std::int64_t offset =
        ((h - box.h.begin) * box.w.size() + (w - box.w.begin)) * box.c.size() + (c - box.c.begin);
    return scratchpad_[static_cast<std::size_t>(region.address + offset)];
  }

  [[nodiscard]] std::int64_t add(std::int64_t h, std::int64_t w, std::int64_t c) const {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < work_.inputs.size(); ++i) {
      sum += state_.rescale[i](input(i, h, w, c), c);
    }
    return sum;
  }
  [[nodiscard]] std::int64_t concat(std::int64_t h, std::int64_t w, std::int64_t c) const {
    std::size_t i = 0;
    while (c >= state_.inputs[i].c) {
      c -= state_.inputs[i++].c;
    }
    return state_.rescale[i](input(i, h, w, c), c);
  }
  [[nodiscard]] std::int64_t pad(std::int64_t h, std::int64_t w, std::int64_t c) const {
    const nets::Shape& shape = state_.inputs[0];
    const std::int64_t y = h - layer_.padding.top, x = w - layer_.padding.left, channel = c - layer_.channels_before;
    const bool inside = y >= 0 && y < shape.h && x >= 0 && x < shape.w && channel >= 0 && channel < shape.c;
    return inside ? input(0, y, x, channel) : layer_.output.zero_point;
  }
  [[nodiscard]] std::int64_t largest(std::int64_t p, std::int64_t q, std::int64_t c) const {
    std::int64_t value = INT32_MIN;
    for_window(p, q, [&](std::int64_t h, std::int64_t w) {
      value = std::max<std::int64_t>(value, input(0, h, w, c));
    });
    return value;
  }
  // Ties away from zero.
  [[nodiscard]] std::int64_t mean(std::int64_t p, std::int64_t q, std::int64_t c) const {
    std::int64_t sum = 0, taps = 0;
    for_window(p, q, [&](std::int64_t h, std::int64_t w) {
      sum += input(0, h, w, c);
      ++taps;
    });
    const std::int64_t magnitude = (2 * (sum < 0 ? -sum : sum) + taps) / (2 * taps);
    return sum < 0 ? -magnitude : magnitude;
  }

  // Positions of a softmax: its tiles have all channels, its inputs their shape.
  void softmax(std::span<std::int32_t> out) const {
    const auto channels = static_cast<std::size_t>(work_.outputs.c.size());
    const auto codes = scratchpad_.subspan(static_cast<std::size_t>(work_.inputs[0].address), out.size());
    for (std::size_t at = 0; at < out.size(); at += channels) {
      (*state_.softmax)(codes.subspan(at, channels), out.subspan(at, channels));
    }
  }

 private:
  // Visits the elements of the window of output (p, q) that exist.
  template <class Visit>
  void for_window(std::int64_t p, std::int64_t q, const Visit& visit) const {
    const nets::Window& window = layer_.window;
    const nets::Shape& shape = state_.inputs[0];
    for (std::int64_t r = 0; r < window.kernel_h; ++r) {
      const std::int64_t h = p * window.stride_h - window.padding.top + r * window.dilation_h;
      for (std::int64_t s = 0; h >= 0 && h < shape.h && s < window.kernel_w; ++s) {
        const std::int64_t w = q * window.stride_w - window.padding.left + s * window.dilation_w;
        if (w >= 0 && w < shape.w) {
          visit(h, w);
        }
      }
    }
  }

  const LayerState& state_;
  const nets::IntegerLayer& layer_;
  const Elementwise& work_;
  std::span<const std::int32_t> scratchpad_;
};

}  // namespace

void compute_elementwise(const LayerState& state, const Elementwise& work, std::span<const std::int32_t> scratchpad,
                         std::span<std::int32_t> out, arith::StageCounts& counts) {
  const Tile tile(state, work, scratchpad);
  if (state.layer->op == IntegerOp::Softmax) {
    tile.softmax(out);
    return;
  }
  const Box& box = work.outputs;
  std::vector<std::int64_t> values(static_cast<std::size_t>(box.count()));
  const auto fill = [&](const auto& element) {
    std::size_t at = 0;
    for (std::int64_t h = box.h.begin; h < box.h.end; ++h) {
      for (std::int64_t w = box.w.begin; w < box.w.end; ++w) {
        for (std::int64_t c = box.c.begin; c < box.c.end; ++c) {
          values[at++] = element(h, w, c);
        }
      }
    }
  };
  using I = std::int64_t;
  bool staged = false;
  switch (state.layer->op) {
    case IntegerOp::Add:
      fill([&](I h, I w, I c) { return tile.add(h, w, c); });
      staged = true;
      break;
    case IntegerOp::AveragePool:
      fill([&](I h, I w, I c) { return tile.mean(h, w, c); });
      staged = true;
      break;
    case IntegerOp::Requantize:
      fill([&](I h, I w, I c) { return I{tile.input(0, h, w, c)}; });
      staged = true;
      break;
    case IntegerOp::MaxPool:
      fill([&](I h, I w, I c) { return tile.largest(h, w, c); });
      break;
    case IntegerOp::Concat:
      fill([&](I h, I w, I c) { return tile.concat(h, w, c); });
      break;
    case IntegerOp::Pad:
      fill([&](I h, I w, I c) { return tile.pad(h, w, c); });
      break;
    case IntegerOp::Input:
    case IntegerOp::Conv2d:
    case IntegerOp::FullyConnected:
    case IntegerOp::Flatten:
    case IntegerOp::Softmax:
      fail_check(__FILE__, __LINE__, "a layer that the vector unit does not compute");
  }
  if (staged) {
    state.requantizer->apply(values.data(), box.c.size(), out.data(), box.c.size(), box.h.size() * box.w.size(),
                             box.c.begin, box.c.size(), counts);
  } else {
    std::transform(values.begin(), values.end(), out.begin(), [](I value) { return static_cast<std::int32_t>(value); });
  }
}

}  // namespace guardbit::sim
