// Stages as loops over 64-bit values. The proof that 64 bits suffice is safe_input_bits(); the rounding rule is
// round.hpp's; apply_stages() is the definition that the results and counts are compared with.
#include "arith/detail/stage_program.hpp"

#include <type_traits>

namespace guardbit::arith::detail {
namespace {

std::vector<std::int64_t> per_channel(const Parameter& parameter, std::int64_t channels) {
  std::vector<std::int64_t> values;
  for (std::int64_t c = 0; c < channels; ++c) {
    values.push_back(parameter.at(c));
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
          ops.back().rounding = stage.rounding;
          return true;
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

template <Rounding kMode>
GUARDBIT_INLINE void shift_right(std::int64_t* values, const std::int64_t* bits, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    values[i] = round_shift_64(values[i], static_cast<int>(bits[i]), kMode);
  }
}

GUARDBIT_INLINE void run_shift(Rounding mode, std::int64_t* values, const std::int64_t* bits, std::int64_t count) {
  switch (mode) {
#define X(id, meaning)                                \
  case Rounding::id:                                  \
    shift_right<Rounding::id>(values, bits, count);   \
    return;
    GUARDBIT_ROUNDING_MODES(X)
#undef X
  }
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

GUARDBIT_INLINE void run_all(const StageProgram& program, std::int64_t* values, std::int64_t first_channel,
                             std::int64_t count, std::uint64_t* changed) {
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
        run_shift(op.rounding, values, parameter, count);
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
}

void run_baseline(const StageProgram& p, std::int64_t* v, std::int64_t first, std::int64_t n, std::uint64_t* changed) {
  run_all(p, v, first, n, changed);
}
[[gnu::target("avx2")]] void run_avx2(const StageProgram& p, std::int64_t* v, std::int64_t first, std::int64_t n,
                                      std::uint64_t* changed) {
  run_all(p, v, first, n, changed);
}
[[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")]] void run_avx512(
    const StageProgram& p, std::int64_t* v, std::int64_t first, std::int64_t n, std::uint64_t* changed) {
  run_all(p, v, first, n, changed);
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

void run_program(const StageProgram& program, std::int64_t* values, std::int64_t first_channel, std::int64_t count,
                 std::uint64_t* changed, Isa isa) {
  switch (isa) {
    case Isa::Baseline:
      return run_baseline(program, values, first_channel, count, changed);
    case Isa::Avx2:
      return run_avx2(program, values, first_channel, count, changed);
    case Isa::Avx512:
      return run_avx512(program, values, first_channel, count, changed);
  }
}

}  // namespace guardbit::arith::detail
