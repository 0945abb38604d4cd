#include "sim/detail/feeder.hpp"

#include <algorithm>

namespace guardbit::sim {
namespace {

// Consecutive k of one tap: channels [channel, channel + count) of input pixel (row, column) relative to the window.
struct Run {
  std::int64_t row, column, channel, count;
};

std::vector<Run> runs_of(const GemmView& view, const Span& k) {
  std::vector<Run> runs;
  for (std::int64_t at = k.begin; at < k.end;) {
    const std::int64_t tap = at / view.channels, channel = at % view.channels;
    const std::int64_t count = std::min(view.channels - channel, k.end - at);
    runs.push_back({tap / view.window.kernel_w * view.window.dilation_h,
                    tap % view.window.kernel_w * view.window.dilation_w, channel, count});
    at += count;
  }
  return runs;
}

}  // namespace

void gather(const LayerState& state, const Fold& fold, std::span<const std::int32_t> scratchpad,
            std::vector<std::int32_t>& operands) {
  const GemmView& view = state.view;
  const std::vector<Run> runs = runs_of(view, fold.k);
  const Box& box = fold.input.box;
  const auto zero_point = static_cast<std::int32_t>(state.zero_point);
  operands.resize(static_cast<std::size_t>(fold.m.size() * fold.k.size()));
  std::int32_t* out = operands.data();
  const std::int64_t width = fold.outputs.w.size();
  for (std::int64_t m = fold.m.begin; m < fold.m.end; ++m) {
    const std::int64_t p = fold.outputs.h.begin + m / width, q = fold.outputs.w.begin + m % width;
    const std::int64_t top = p * view.window.stride_h - view.window.padding.top;
    const std::int64_t left = q * view.window.stride_w - view.window.padding.left;
    for (const Run& run : runs) {
      const std::int64_t h = top + run.row, w = left + run.column;
      if (h < 0 || h >= view.input.h || w < 0 || w >= view.input.w) {
        std::fill_n(out, run.count, 0);
      } else {
        const std::int64_t offset = ((h - box.h.begin) * box.w.size() + (w - box.w.begin)) * box.c.size() + run.channel;
        const std::int32_t* in = scratchpad.data() + fold.input.address + offset;
        for (std::int64_t i = 0; i < run.count; ++i) {
          out[i] = in[i] - zero_point;
        }
      }
      out += run.count;
    }
  }
}

}  // namespace guardbit::sim
