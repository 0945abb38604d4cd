// Which stage lists the fused loop can compute, with which parameters, and for which inputs: by exact bounds.
//
// A list is cut after its last stage that scales. What comes before it, the core, must be
//   [add a bias] [multiply, shift left ...] [shift right [shift right]]     or     [add a bias] scale
// with narrowings in between that are proven to change nothing. What follows is the tail (fused_tail.cpp). All stages
// are monotone in the value, so the ends of the input's interval bound everything, channel by channel.
#include <algorithm>
#include <type_traits>

#include "arith/detail/fused_tail.hpp"
#include "arith/detail/rounding_terms.hpp"
#include "arith/narrow.hpp"

namespace guardbit::arith::detail {
namespace {

constexpr std::int64_t kLargestLimit = std::int64_t{1} << 31;
constexpr std::int64_t kSmallestLimit = 1 << 10;  // inputs below this are not worth a plan of their own
constexpr int128 kCoreBound = int128{1} << 62;    // of values between stages, so that no product leaves 128 bits

template <class T>
bool scales(const T&) {
  return std::is_same_v<T, ShiftLeft> || std::is_same_v<T, Multiply> || std::is_same_v<T, ShiftRight> ||
         std::is_same_v<T, Scale>;
}

// Stages before this index are the core.
std::size_t core_size(const StageList& stages) {
  std::size_t size = 0;
  while (size < stages.size() &&
         (std::holds_alternative<Add>(stages[size]) || std::holds_alternative<Subtract>(stages[size]))) {
    ++size;
  }
  for (std::size_t i = 0; i < stages.size(); ++i) {
    if (std::visit([](const auto& stage) { return scales(stage); }, stages[i])) size = i + 1;
  }
  return size;
}

// The core of one list, its stages sorted by what they do.
struct Core {
  std::vector<const Stage*> biases, factors;
  std::vector<const ShiftRight*> shifts;
  const Scale* scale = nullptr;
  bool per_channel = false;
};

void note(Core& core, const Parameter& parameter) { core.per_channel |= parameter.values.size() > 1; }

std::optional<Core> sort_core(const StageList& stages, std::size_t size) {
  Core core;
  for (std::size_t i = 0; i < size; ++i) {
    const Stage& any = stages[i];
    const bool allowed = std::visit(
        [&](const auto& stage) {
          using T = std::decay_t<decltype(stage)>;
          if constexpr (std::is_same_v<T, Add> || std::is_same_v<T, Subtract>) {
            note(core, stage.value);
            core.biases.push_back(&any);
            return core.factors.empty() && core.shifts.empty() && core.scale == nullptr;
          } else if constexpr (std::is_same_v<T, ShiftLeft> || std::is_same_v<T, Multiply>) {
            if constexpr (std::is_same_v<T, Multiply>) note(core, stage.value);
            if constexpr (std::is_same_v<T, ShiftLeft>) note(core, stage.bits);
            core.factors.push_back(&any);
            return core.shifts.empty() && core.scale == nullptr;
          } else if constexpr (std::is_same_v<T, ShiftRight>) {
            note(core, stage.bits);
            core.shifts.push_back(&stage);
            return core.shifts.size() <= 2 && core.scale == nullptr;
          } else if constexpr (std::is_same_v<T, Scale>) {
            core.per_channel |= stage.values.size() > 1;
            const bool first = core.scale == nullptr && core.factors.empty() && core.shifts.empty();
            core.scale = &stage;
            return first;
          } else {
            return std::is_same_v<T, Narrow>;
          }
        },
        any);
    if (!allowed) return std::nullopt;
  }
  return core;
}

// One stage of the core on an exact value. Narrowings: the value, as proven by `unchanged`.
int128 step(const Stage& any, int128 value, std::int64_t channel) {
  if (const auto* add = std::get_if<Add>(&any)) return value + add->value.at(channel);
  if (const auto* subtract = std::get_if<Subtract>(&any)) return value - subtract->value.at(channel);
  if (const auto* left = std::get_if<ShiftLeft>(&any)) return value * (int128{1} << left->bits.at(channel));
  if (const auto* multiply = std::get_if<Multiply>(&any)) return value * multiply->value.at(channel);
  if (const auto* right = std::get_if<ShiftRight>(&any)) {
    return round_shift(value, static_cast<int>(right->bits.at(channel)), right->rounding).value;
  }
  return value;
}

bool unchanged(const Stage& any, int128 value) {
  if (const auto* narrow = std::get_if<Narrow>(&any)) return !fit(value, narrow->format).overflowed;
  if (const auto* multiply = std::get_if<Multiply>(&any)) {
    return !multiply->format || !fit(value, *multiply->format).overflowed;
  }
  return true;
}

// The core applied to one end of the interval; nothing if a narrowing may act or a value is too wide.
std::optional<int128> core_value(const StageList& stages, std::size_t size, int128 value, std::int64_t channel) {
  for (std::size_t i = 0; i < size; ++i) {
    value = step(stages[i], value, channel);
    if (value < -kCoreBound || value > kCoreBound || !unchanged(stages[i], value)) return std::nullopt;
  }
  return value;
}

// One channel of the fused form.
struct Lane {
  int128 bias = 0;
  std::int64_t pre = 0, multiplier = 1, base = 0, post = 0, extra = 0;
};

// `base` and `extra` of a right shift by lane.post, which is below 32, of a value in 32 bits.
FusedSelect plan_rounding(Rounding mode, Lane& lane) {
  const RoundingTerms terms = rounding_terms(mode, static_cast<int>(lane.post));
  lane.base = terms.base;
  lane.extra = terms.extra;
  switch (terms.select) {
    case RoundingSelect::None:
      return FusedSelect::None;
    case RoundingSelect::Negative:
      return FusedSelect::Negative;
    case RoundingSelect::Odd:
      break;
  }
  return FusedSelect::Odd;
}

// A product and one right shift of `bits`, of which the last one is left to the high word. On the finer grid of the
// product times 2^pre any number just below half rounds ties down. Modes that look at the sign round the magnitude.
std::optional<FusedSelect> plan_single(Rounding mode, std::int64_t bits, Lane& lane, std::uint32_t& low_word) {
  lane.pre = std::max<std::int64_t>(0, 33 - bits);
  lane.post = bits + lane.pre - 32;  // 1 or more
  if (lane.post > 31) return std::nullopt;
  const std::int64_t half = std::int64_t{1} << (lane.post - 1);
  switch (mode) {
    case Rounding::TRN:
      return FusedSelect::None;
    case Rounding::TRN_ZERO:
      return FusedSelect::Magnitude;
    case Rounding::RND:
    case Rounding::RND_INF:
      lane.base = half;
      return mode == Rounding::RND ? FusedSelect::None : FusedSelect::Magnitude;
    case Rounding::RND_MIN_INF:
    case Rounding::RND_ZERO:
      lane.base = half - 1;
      low_word = UINT32_MAX;
      return mode == Rounding::RND_MIN_INF ? FusedSelect::None : FusedSelect::Magnitude;
    case Rounding::RND_CONV:
    case Rounding::RND_CONV_ODD:
      break;
  }
  return std::nullopt;
}

// A product and two right shifts: the first ends at bit 32 of the product, the second is one in 32 bits. A value < 0
// gives a first result <= 0, and 0 stays 0 with `extra` or without: so the input's sign will do.
std::optional<FusedSelect> plan_double(Rounding first, std::int64_t first_bits, Rounding second, Lane& lane,
                                       std::uint32_t& low_word) {
  if (first_bits > 32 || (first != Rounding::RND && first != Rounding::TRN)) return std::nullopt;
  lane.pre = 32 - first_bits;
  low_word = first == Rounding::RND ? std::uint32_t{1} << 31 : 0;
  const FusedSelect select = plan_rounding(second, lane);
  return select == FusedSelect::Odd ? std::nullopt : std::optional(select);
}

// Splits factor = multiplier * 2^exponent with a multiplier of 32 bits; false if it has none.
bool split_factor(int128 factor, Lane& lane, std::int64_t& exponent) {
  exponent = 0;
  while (!fits32(factor) && (factor & 1) == 0) {
    factor /= 2;
    ++exponent;
  }
  lane.multiplier = static_cast<std::int64_t>(factor);
  return fits32(factor) && factor != INT32_MIN;
}

int128 factor_of(const Core& core, std::int64_t channel) {
  int128 factor = 1;
  for (const Stage* stage : core.factors) {
    factor = step(*stage, factor, channel);
    if (factor < -kCoreBound || factor > kCoreBound) return 0;  // no plan: `core_value` refuses such products
  }
  return factor;
}

// The fused form of one channel. `kind` is chosen for all channels together.
std::optional<FusedSelect> plan_lane(const Core& core, FusedCore kind, std::int64_t channel, Lane& lane,
                                     std::uint32_t& low_word) {
  for (const Stage* stage : core.biases) lane.bias = step(*stage, lane.bias, channel);
  if (kind == FusedCore::Scale) return FusedSelect::None;
  const int128 factor = factor_of(core, channel);
  const auto bits = [&](std::size_t i) { return core.shifts[i]->bits.at(channel); };
  if (kind == FusedCore::Low) {
    if (!fits32(factor) || core.shifts.size() > 1) return std::nullopt;
    lane.multiplier = static_cast<std::int64_t>(factor);
    if (core.shifts.empty()) return FusedSelect::None;
    lane.post = bits(0);
    if (lane.post > 31) return std::nullopt;
    return plan_rounding(core.shifts[0]->rounding, lane);
  }
  std::int64_t exponent = 0;
  if (core.shifts.empty() || !split_factor(factor, lane, exponent)) return std::nullopt;
  std::optional<FusedSelect> select;
  if (core.shifts.size() == 1) {
    select = plan_single(core.shifts[0]->rounding, bits(0) - exponent, lane, low_word);
  } else {
    lane.post = bits(1);
    if (lane.post > 31) return std::nullopt;
    select = plan_double(core.shifts[0]->rounding, bits(0) - exponent, core.shifts[1]->rounding, lane, low_word);
  }
  if (select != FusedSelect::None && lane.multiplier < 0) return std::nullopt;  // the sign of u would not do
  return lane.pre > 31 || lane.post > 31 ? std::nullopt : select;
}

// Whether the fused form's own intermediate values fit for this input.
bool lane_fits(FusedCore kind, FusedSelect select, const Lane& lane, std::uint32_t low_word, int128 value) {
  const int128 u = value + lane.bias;
  if (!fits32(u) || kind == FusedCore::Scale) return fits32(u);
  const int128 wide = u * (kind == FusedCore::High ? int128{1} << lane.pre : int128{lane.multiplier});
  const bool both_signs = select == FusedSelect::Magnitude;
  if (!fits32(wide) || (both_signs && wide == INT32_MIN)) return false;
  for (const int128 operand : {wide, both_signs ? -wide : wide}) {
    const int128 x = kind == FusedCore::High
                         ? ((operand * lane.multiplier + (int128{lane.base} << 32) + low_word) >> 32)
                         : operand + lane.base;
    if (!fits32(x) || !fits32(x + lane.extra)) return false;
  }
  return true;
}

// Ends of all channels' values after the core, and the limit for which they hold.
struct Proof {
  std::int64_t limit = kLargestLimit;
  int128 low = 0, high = 0;
};

bool prove(const StageList& stages, std::size_t size, const FusedPlan& plan, const std::vector<Lane>& lanes,
           Proof& proof) {
  const auto holds = [&](std::int64_t channel) {
    const Lane& lane = lanes[static_cast<std::size_t>(channel)];
    for (const int128 end : {-int128{proof.limit}, int128{proof.limit} - 1}) {
      if (!lane_fits(plan.core, plan.select, lane, plan.low_word, end)) return false;
      if (plan.core == FusedCore::Scale) continue;
      const auto value = core_value(stages, size, end, channel);
      if (!value || !fits32(*value)) return false;
    }
    return true;
  };
  const auto channels = static_cast<std::int64_t>(lanes.size());
  for (std::int64_t c = 0; c < channels; ++c) {
    while (!holds(c)) {
      proof.limit /= 2;
      if (proof.limit < kSmallestLimit) return false;
    }
  }
  if (plan.core == FusedCore::Scale) {
    proof.low = -kUnboundedTail;
    proof.high = kUnboundedTail;
    return true;
  }
  proof.low = INT32_MAX;
  proof.high = INT32_MIN;
  for (std::int64_t c = 0; c < channels; ++c) {
    for (const int128 end : {-int128{proof.limit}, int128{proof.limit} - 1}) {
      const int128 value = core_value(stages, size, end, c).value_or(0);
      proof.low = std::min(proof.low, value);
      proof.high = std::max(proof.high, value);
    }
  }
  return true;
}

void fill(FusedPlan& plan, const Core& core, const std::vector<Lane>& lanes) {
  plan.period = core.per_channel ? static_cast<std::int64_t>(lanes.size()) : 1;
  const std::size_t size = static_cast<std::size_t>(plan.period) + kFusedLanes;
  const auto spread = [&](auto& into, const auto& value) {
    into.reserve(size);
    for (std::size_t i = 0; i < size; ++i) into.push_back(value(i % static_cast<std::size_t>(plan.period)));
  };
  const auto member = [&](auto field) {
    return [&lanes, field](std::size_t c) { return static_cast<std::int32_t>(lanes[c].*field); };
  };
  spread(plan.bias, member(&Lane::bias));
  spread(plan.pre, member(&Lane::pre));
  spread(plan.multiplier, member(&Lane::multiplier));
  spread(plan.base, member(&Lane::base));
  spread(plan.post, member(&Lane::post));
  spread(plan.extra, member(&Lane::extra));
  if (core.scale != nullptr) {
    spread(plan.scale, [&](std::size_t c) { return core.scale->values[core.scale->values.size() == 1 ? 0 : c]; });
  }
}

// The plan with one kind of core.
std::optional<FusedPlan> fuse_with(FusedCore kind, const StageList& stages, std::size_t size, const Core& core,
                                   std::int64_t channels) {
  FusedPlan plan;
  plan.core = kind;
  std::vector<Lane> lanes(static_cast<std::size_t>(core.per_channel ? channels : 1));
  std::int64_t channel = 0;
  for (Lane& lane : lanes) {
    const auto select = plan_lane(core, kind, channel++, lane, plan.low_word);
    if (!select) return std::nullopt;
    plan.select = *select;  // of the stages' modes: the same for every channel
  }
  plan.has_bias = !core.biases.empty();
  Proof proof;
  if (!prove(stages, size, plan, lanes, proof)) return std::nullopt;
  plan.limit = proof.limit;
  FusedTail tail(proof.low, proof.high);
  for (std::size_t i = size; i < stages.size(); ++i) {
    if (!tail.append(stages[i], i)) return std::nullopt;
  }
  if (!tail.finish(plan)) return std::nullopt;
  fill(plan, core, lanes);
  return plan;
}

}  // namespace

std::optional<FusedPlan> fuse_stages(const StageList& stages, std::int64_t channels) {
  const std::size_t size = core_size(stages);
  const auto core = sort_core(stages, size);
  if (!core) return std::nullopt;
  if (core->scale != nullptr) return fuse_with(FusedCore::Scale, stages, size, *core, channels);
  auto low = fuse_with(FusedCore::Low, stages, size, *core, channels);
  auto high = fuse_with(FusedCore::High, stages, size, *core, channels);
  return high && (!low || high->limit > low->limit) ? std::move(high) : std::move(low);
}

FusedParameters FusedPlan::at(std::int64_t channel) const {
  const auto first = static_cast<std::size_t>(channel % period);
  return {.bias = bias.data() + first, .pre = pre.data() + first, .multiplier = multiplier.data() + first,
          .base = base.data() + first, .post = post.data() + first, .extra = extra.data() + first,
          .scale = scale.empty() ? nullptr : scale.data() + first, .low_word = low_word, .low = low, .high = high,
          .count_low = count_low, .count_high = count_high, .offset = offset, .limit = limit};
}

}  // namespace guardbit::arith::detail
