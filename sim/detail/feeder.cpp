#include "sim/detail/feeder.hpp"

#include <algorithm>
#include <numeric>

namespace guardbit::sim {
std::vector<OperandRun> operand_runs(const GemmView& view, const Span& k) {
  std::vector<OperandRun> runs;
  for (std::int64_t at = k.begin; at < k.end;) {
    const std::int64_t tap = at / view.channels, channel = at % view.channels;
    const std::int64_t count = std::min(view.channels - channel, k.end - at);
    runs.push_back({tap / view.window.kernel_w * view.window.dilation_h,
                    tap % view.window.kernel_w * view.window.dilation_w, channel, count});
    at += count;
  }
  return runs;
}

void gather(const LayerState& state, const Fold& fold, std::span<const std::int32_t> scratchpad,
            std::vector<std::int32_t>& operands) {
  const auto zero_point = static_cast<std::int32_t>(state.zero_point);
  operands.resize(static_cast<std::size_t>(fold.m.size() * fold.k.size()));
  std::int32_t* out = operands.data();
  for_operands(
      state, fold, [&](std::int64_t count) { out = std::fill_n(out, count, 0); },
      [&](std::int64_t address, std::int64_t count) {
        const std::int32_t* in = scratchpad.data() + address;
        for (std::int64_t i = 0; i < count; ++i) {
          out[i] = in[i] - zero_point;
        }
        out += count;
      });
}

void gather_addresses(const LayerState& state, const Fold& fold, std::vector<std::int64_t>& addresses) {
  addresses.resize(static_cast<std::size_t>(fold.m.size() * fold.k.size()));
  std::int64_t* out = addresses.data();
  for_operands(
      state, fold, [&](std::int64_t count) { out = std::fill_n(out, count, -1); },
      [&](std::int64_t address, std::int64_t count) {
        std::iota(out, out + count, address);
        out += count;
      });
}

}  // namespace guardbit::sim
