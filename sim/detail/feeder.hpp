// The address generator between the activation scratchpad and the array: which activation meets which weight.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/detail/layer_state.hpp"

namespace guardbit::sim {

// Consecutive k of one tap: channels [channel, channel + count) of input pixel (row, column) relative to the window.
struct OperandRun {
  std::int64_t row, column, channel, count;
};

[[nodiscard]] std::vector<OperandRun> operand_runs(const GemmView& view, const Span& k);

// Calls outside(count) or inside(address of the first operand, count) for each run of each pixel, in the order [m, k].
template <class Outside, class Inside>
void for_operands(const LayerState& state, const Fold& fold, const Outside& outside, const Inside& inside) {
  const GemmView& view = state.view;
  const std::vector<OperandRun> runs = operand_runs(view, fold.k);
  const Box& box = fold.input.box;
  const std::int64_t width = fold.outputs.w.size();
  for (std::int64_t m = fold.m.begin; m < fold.m.end; ++m) {
    const std::int64_t p = fold.outputs.h.begin + m / width, q = fold.outputs.w.begin + m % width;
    const std::int64_t top = p * view.window.stride_h - view.window.padding.top;
    const std::int64_t left = q * view.window.stride_w - view.window.padding.left;
    for (const OperandRun& run : runs) {
      const std::int64_t h = top + run.row, w = left + run.column;
      if (h < 0 || h >= view.input.h || w < 0 || w >= view.input.w) {
        outside(run.count);
      } else {
        const std::int64_t offset = ((h - box.h.begin) * box.w.size() + (w - box.w.begin)) * box.c.size() + run.channel;
        inside(fold.input.address + offset, run.count);
      }
    }
  }
}

// Writes the operands [m, k] of a pass: code - zero point, 0 for padded taps. `scratchpad` is the whole memory.
void gather(const LayerState& state, const Fold& fold, std::span<const std::int32_t> scratchpad,
            std::vector<std::int32_t>& operands);

// Where those operands stand: addresses [m, k] in the activation scratchpad, -1 for padded taps, which the address
// generator supplies itself.
void gather_addresses(const LayerState& state, const Fold& fold, std::vector<std::int64_t>& addresses);

}  // namespace guardbit::sim
