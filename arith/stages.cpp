// The obvious requantizer: one value through all stages in 128 bits, and the check that 128 bits suffice.
#include "arith/stages.hpp"

#include <type_traits>

#include "arith/error.hpp"
#include "arith/narrow.hpp"
#include "arith/scale_float.hpp"

namespace guardbit::arith {
namespace {

float scale_at(const Scale& stage, std::int64_t channel) {
  return stage.values.size() == 1 ? stage.values[0] : stage.values[static_cast<std::size_t>(channel)];
}

int128 fit_counted(int128 value, const Format& format, std::uint64_t& changed) {
  const Fitted fitted = fit(value, format);
  changed += fitted.overflowed ? 1 : 0;
  return fitted.value;
}

int128 apply_stage(const Stage& any, int128 value, std::int64_t channel, std::uint64_t& changed) {
  return std::visit(
      [&](const auto& stage) -> int128 {
        using T = std::decay_t<decltype(stage)>;
        if constexpr (std::is_same_v<T, Add>) {
          return value + stage.value.at(channel);
        } else if constexpr (std::is_same_v<T, Subtract>) {
          return value - stage.value.at(channel);
        } else if constexpr (std::is_same_v<T, ShiftLeft>) {
          return round_shift(value, -static_cast<int>(stage.bits.at(channel)), Rounding::TRN).value;
        } else if constexpr (std::is_same_v<T, Multiply>) {
          const int128 product = value * stage.value.at(channel);
          return stage.format ? fit_counted(product, *stage.format, changed) : product;
        } else if constexpr (std::is_same_v<T, ShiftRight>) {
          return round_shift(value, static_cast<int>(stage.bits.at(channel)), stage.rounding).value;
        } else if constexpr (std::is_same_v<T, Narrow>) {
          return fit_counted(value, stage.format, changed);
        } else if constexpr (std::is_same_v<T, Relu>) {
          return value < 0 ? int128{0} : value;
        } else if constexpr (std::is_same_v<T, Clamp>) {
          const int128 raised = stage.low && value < *stage.low ? int128{*stage.low} : value;
          return stage.high && raised > *stage.high ? int128{*stage.high} : raised;
        } else {
          static_assert(std::is_same_v<T, Scale>);
          return scale_binary32(value, scale_at(stage, channel));
        }
      },
      any);
}

}  // namespace

void StageCounts::merge(const StageCounts& other) {
  total += other.total;
  if (changed.size() < other.changed.size()) {
    changed.resize(other.changed.size());
  }
  for (std::size_t stage = 0; stage < other.changed.size(); ++stage) {
    changed[stage] += other.changed[stage];
  }
}

std::int64_t apply_stages(const StageList& stages, std::int64_t value, std::int64_t channel, StageCounts& counts) {
  int128 running = value;
  for (std::size_t stage = 0; stage < stages.size(); ++stage) {
    running = apply_stage(stages[stage], running, channel, counts.changed[stage]);
  }
  ++counts.total;
  if (running < INT64_MIN || running > INT64_MAX) {
    throw Error("requantize: a result in channel " + std::to_string(channel) +
                " needs more than 64 bits; end the stages with a narrowing");
  }
  return static_cast<std::int64_t>(running);
}

}  // namespace guardbit::arith
