// Stages as loops over 64-bit values. The proof that 64 bits suffice is safe_input_bits(); apply_stages() is the
// definition that the results and counts are compared with.
#include "arith/detail/stage_program.hpp"

#include <type_traits>

namespace guardbit::arith::detail {
namespace {

std::vector<std::int64_t> per_channel(const Parameter& parameter, std::int64_t channels) {
  std::vector<std::int64_t> values;
  values.reserve(static_cast<std::size_t>(channels + kProgramBlock));
  for (std::int64_t i = 0; i < channels + kProgramBlock; ++i) {
    values.push_back(parameter.at(i % channels));
  }
  return values;
}

// The narrowing to `format`, or nothing when it has no loop.
std::optional<StageOp> narrowing(const Format& format, std::size_t stage) {
  const bool wraps = format.overflow == Overflow::WRAP && format.n_bits == 0;
  const bool saturates = format.overflow == Overflow::SAT || format.overflow == Overflow::SAT_SYM;
  if ((!wraps && !saturates) || (!format.is_signed && format.width == 64)) {
    return std::nullopt;
  }
  const bool symmetric = format.overflow == Overflow::SAT_SYM && format.is_signed;
  StageOp op{.kind = wraps ? StageOp::Kind::Wrap : StageOp::Kind::Saturate, .parameter = {}, .stage = stage};
  op.high = static_cast<std::int64_t>(format.max_code());
  op.low = symmetric ? -op.high : static_cast<std::int64_t>(format.min_code());
  return op;
}

bool append_rounding(StageOp& op, Rounding mode) {
  for (const std::int64_t bits : op.parameter) {
    if (bits > 62) {
      return false;
    }
    const RoundingTerms terms = rounding_terms(mode, static_cast<int>(bits));
    op.base.push_back(terms.base);
    op.extra.push_back(terms.extra);
    op.select = terms.select;
  }
  return true;
}

// Appends the ops of one stage; false when it has no 64-bit form.
bool append(std::vector<StageOp>& ops, const Stage& any, std::size_t number, std::int64_t channels) {
  const auto push_narrowing = [&](const Format& format) {
    const std::optional<StageOp> op = narrowing(format, number);
    if (op) {
      ops.push_back(*op);
    }
    return op.has_value();
  };
  const auto push = [&](StageOp::Kind kind, std::vector<std::int64_t> values) {
    ops.push_back(StageOp{.kind = kind, .parameter = std::move(values), .stage = number});
    return true;
  };
  return std::visit(
      [&](const auto& stage) -> bool {
        using T = std::decay_t<decltype(stage)>;
        if constexpr (std::is_same_v<T, Add>) {
          return push(StageOp::Kind::Add, per_channel(stage.value, channels));
        } else if constexpr (std::is_same_v<T, Subtract>) {
          auto values = per_channel(stage.value, channels);
          for (std::int64_t& value : values) {
            if (value == INT64_MIN) {
              return false;
            }
            value = -value;
          }
          return push(StageOp::Kind::Add, std::move(values));
        } else if constexpr (std::is_same_v<T, ShiftLeft>) {
          auto values = per_channel(stage.bits, channels);
          for (std::int64_t& value : values) {
            if (value > 62) {
              return false;
            }
            value = std::int64_t{1} << value;
          }
          return push(StageOp::Kind::Multiply, std::move(values));
        } else if constexpr (std::is_same_v<T, Multiply>) {
          push(StageOp::Kind::Multiply, per_channel(stage.value, channels));
          return !stage.format || push_narrowing(*stage.format);
        } else if constexpr (std::is_same_v<T, ShiftRight>) {
          push(StageOp::Kind::ShiftRight, per_channel(stage.bits, channels));
          return append_rounding(ops.back(), stage.rounding);
        } else if constexpr (std::is_same_v<T, Narrow>) {
          return push_narrowing(stage.format);
        } else if constexpr (std::is_same_v<T, Relu> || std::is_same_v<T, Clamp>) {
          push(StageOp::Kind::Clamp, {});
          if constexpr (std::is_same_v<T, Relu>) {
            ops.back().low = 0;
          } else {
            ops.back().low = stage.low.value_or(INT64_MIN);
            ops.back().high = stage.high.value_or(INT64_MAX);
          }
          return true;
        } else {
          static_assert(std::is_same_v<T, Scale>);
          return false;
        }
      },
      any);
}

#define GUARDBIT_INLINE [[gnu::always_inline]] inline

// The additions are made on the dropped bits, where they cannot overflow: round(v) = floor(v) + carry. Shifts of
// unsigned numbers, because AVX2 has no others for 64 bits.
template <RoundingSelect kSelect>
GUARDBIT_INLINE void shift_right(const StageOp& op, std::int64_t* values, std::int64_t first, std::int64_t count) {
  constexpr std::uint64_t kSign = std::uint64_t{1} << 63;
  const std::int64_t* bits = op.parameter.data() + first;
  const std::int64_t* base = op.base.data() + first;
  const std::int64_t* extra = op.extra.data() + first;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto value = static_cast<std::uint64_t>(values[i]);
    const std::uint64_t floor = ((value ^ kSign) >> bits[i]) - (kSign >> bits[i]);
    std::uint64_t dropped = value - (floor << bits[i]) + static_cast<std::uint64_t>(base[i]);
    if constexpr (kSelect == RoundingSelect::Negative) {
      dropped += static_cast<std::uint64_t>(extra[i]) & (std::uint64_t{0} - (value >> 63));
    }
    if constexpr (kSelect == RoundingSelect::Odd) {
      dropped += static_cast<std::uint64_t>(extra[i]) & (std::uint64_t{0} - (floor & 1));
    }
    values[i] = static_cast<std::int64_t>(floor + (dropped >> bits[i]));
  }
}

GUARDBIT_INLINE void run_shift(const StageOp& op, std::int64_t* values, std::int64_t first, std::int64_t count) {
  switch (op.select) {
    case RoundingSelect::None:
      return shift_right<RoundingSelect::None>(op, values, first, count);
    case RoundingSelect::Negative:
      return shift_right<RoundingSelect::Negative>(op, values, first, count);
    case RoundingSelect::Odd:
      return shift_right<RoundingSelect::Odd>(op, values, first, count);
  }
}

GUARDBIT_INLINE bool all_within(const std::int64_t* values, std::int64_t low, std::int64_t high, std::int64_t count) {
  std::int64_t outside = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    outside |= values[i] < low ? 1 : 0;
    outside |= values[i] > high ? 1 : 0;
  }
  return outside == 0;
}

GUARDBIT_INLINE std::uint64_t clamp_counted(std::int64_t* values, std::int64_t low, std::int64_t high,
                                            std::int64_t count) {
  std::int64_t changed = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t raised = values[i] < low ? low : values[i];
    const std::int64_t fitted = raised > high ? high : raised;
    changed += fitted != values[i] ? 1 : 0;
    values[i] = fitted;
  }
  return static_cast<std::uint64_t>(changed);
}

GUARDBIT_INLINE std::uint64_t wrap_counted(std::int64_t* values, std::int64_t low, std::int64_t high,
                                           std::int64_t count) {
  const auto base = static_cast<std::uint64_t>(low);
  const std::uint64_t mask = static_cast<std::uint64_t>(high) - base;
  std::int64_t changed = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto wrapped = static_cast<std::int64_t>(((static_cast<std::uint64_t>(values[i]) - base) & mask) + base);
    changed += wrapped != values[i] ? 1 : 0;
    values[i] = wrapped;
  }
  return static_cast<std::uint64_t>(changed);
}

GUARDBIT_INLINE bool run_all(const StageProgram& program, std::int64_t* values, std::int64_t first_channel,
                             std::int64_t count, std::uint64_t* changed) {
  if (!all_within(values, program.input_low, program.input_high, count)) {
    return false;
  }
  for (const StageOp& op : program.ops) {
    const std::int64_t* parameter = op.parameter.data() + first_channel;
    switch (op.kind) {
      case StageOp::Kind::Add:
        for (std::int64_t i = 0; i < count; ++i) values[i] += parameter[i];
        break;
      case StageOp::Kind::Multiply:
        for (std::int64_t i = 0; i < count; ++i) values[i] *= parameter[i];
        break;
      case StageOp::Kind::ShiftRight:
        run_shift(op, values, first_channel, count);
        break;
      case StageOp::Kind::Clamp:
        (void)clamp_counted(values, op.low, op.high, count);
        break;
      case StageOp::Kind::Saturate:
        changed[op.stage] += clamp_counted(values, op.low, op.high, count);
        break;
      case StageOp::Kind::Wrap:
        changed[op.stage] += wrap_counted(values, op.low, op.high, count);
        break;
    }
  }
  return true;
}

bool run_baseline(const StageProgram& p, std::int64_t* v, std::int64_t first, std::int64_t n, std::uint64_t* changed) {
  return run_all(p, v, first, n, changed);
}
[[gnu::target("avx2")]] bool run_avx2(const StageProgram& p, std::int64_t* v, std::int64_t first, std::int64_t n,
                                      std::uint64_t* changed) {
  return run_all(p, v, first, n, changed);
}
[[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")]] bool run_avx512(
    const StageProgram& p, std::int64_t* v, std::int64_t first, std::int64_t n, std::uint64_t* changed) {
  return run_all(p, v, first, n, changed);
}

}  // namespace

std::optional<StageProgram> compile_stages(const StageList& stages, std::int64_t channels) {
  const int bits = safe_input_bits(stages, channels);  // first, because it checks the parameters
  StageProgram program;
  for (std::size_t number = 0; number < stages.size(); ++number) {
    if (bits == 0 || !append(program.ops, stages[number], number, channels)) {
      return std::nullopt;
    }
  }
  program.input_high = static_cast<std::int64_t>((int128{1} << (bits - 1)) - 1);
  program.input_low = -program.input_high - 1;
  return program;
}

bool run_program(const StageProgram& program, std::int64_t* values, std::int64_t first_channel, std::int64_t count,
                 std::uint64_t* changed, Isa isa) {
  switch (isa) {
    case Isa::Baseline:
      return run_baseline(program, values, first_channel, count, changed);
    case Isa::Avx2:
      return run_avx2(program, values, first_channel, count, changed);
    case Isa::Avx512:
      return run_avx512(program, values, first_channel, count, changed);
  }
  __builtin_unreachable();
}

}  // namespace guardbit::arith::detail
