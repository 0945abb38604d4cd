// The fused requantize loop (fused_stages.hpp), written once on a class V of vector operations. Each instruction set's
// file includes this and brings its V; everything here has internal linkage, because these files have flags of their
// own.
#pragma once

#include "arith/detail/fused_stages.hpp"

namespace guardbit::arith::detail {
namespace {

// The value before the clamp. u: input with its bias.
template <class V, FusedCore kCore, FusedSelect kSelect>
struct FusedValue {
  using I = typename V::I;
  I pre, multiplier, post, base, extra, even, odd, even_round, odd_round;
  typename V::F scale;

  FusedValue(const FusedParameters& p, int lane) {
    if constexpr (kCore == FusedCore::Scale) {
      scale = V::load(p.scale + lane);
    } else {
      multiplier = V::load(p.multiplier + lane);
      post = V::load(p.post + lane);
      base = V::load(p.base + lane);
      extra = V::load(p.extra + lane);
    }
    if constexpr (kCore == FusedCore::High) {
      pre = V::load(p.pre + lane);
      V::split(multiplier, even, odd);
      V::rounding(base, p.low_word, even_round, odd_round);
    }
  }
  [[gnu::always_inline]] I operator()(I u) const {
    if constexpr (kCore == FusedCore::Scale) {
      return V::scaled(u, scale);
    } else {
      I wide, x;
      if constexpr (kCore == FusedCore::High) {
        wide = V::shift_left(kSelect == FusedSelect::Magnitude ? V::magnitude(u) : u, pre);
        x = V::multiply_high(wide, even, odd, even_round, odd_round);
      } else {
        wide = V::multiply_low(u, multiplier);
        x = V::add(wide, base);
      }
      if constexpr (kSelect == FusedSelect::Negative) x = V::add_where_negative(x, wide, extra);
      if constexpr (kSelect == FusedSelect::Odd) x = V::add_where_odd(x, V::shift_right(wide, post), extra);
      x = V::shift_right(x, post);
      return kSelect == FusedSelect::Magnitude ? V::negate_where_negative(x, u) : x;
    }
  }
};

template <class V, FusedCore kCore, FusedSelect kSelect, bool kBias, class In, class Out>
bool fused_tile(const FusedTile& tile) {
  using I = typename V::I;
  const FusedParameters& p = tile.parameters;
  bool inside = true;
  for (int lane = 0; lane < kFusedLanes; lane += V::kLanes) {
    const FusedValue<V, kCore, kSelect> value(p, lane);
    const I bias = V::load(p.bias + lane);
    const I low = V::set(p.low);
    const I high = V::set(p.high);
    const I count_low = V::set(p.count_low);
    const auto span = static_cast<std::uint32_t>(p.count_high) - static_cast<std::uint32_t>(p.count_low);
    const I count_span = V::set(static_cast<std::int32_t>(span));
    const I offset = V::set(p.offset);
    I outside = V::set(0);
    typename V::template Reader<In> reader(p.limit);
    const In* in = static_cast<const In*>(tile.in) + lane;
    Out* out = static_cast<Out*>(tile.out) + lane;
    for (std::int64_t row = 0; row < tile.rows; ++row, in += tile.in_stride, out += tile.out_stride) {
      I u = reader.read(in);
      if constexpr (kBias) u = V::add(u, bias);
      const I x = value(u);
      V::count_outside(outside, x, count_low, count_span);
      V::store(out, V::add(V::min(V::max(x, low), high), offset));
    }
    V::store(tile.outside + lane, outside);
    inside = inside && reader.inside();
  }
  return inside;
}

template <class V, FusedCore kCore, FusedSelect kSelect, bool kBias, class In>
FusedLoop pick_out(FusedOut out) {
  switch (out) {
    case FusedOut::Bits8:
      return fused_tile<V, kCore, kSelect, kBias, In, std::int8_t>;
    case FusedOut::Bits16:
      return fused_tile<V, kCore, kSelect, kBias, In, std::int16_t>;
    case FusedOut::Bits32:
      break;
  }
  return fused_tile<V, kCore, kSelect, kBias, In, std::int32_t>;
}

template <class V, FusedCore kCore, FusedSelect kSelect>
FusedLoop pick_in(bool has_bias, FusedIn in, FusedOut out) {
  if (in == FusedIn::Int32) {
    return has_bias ? pick_out<V, kCore, kSelect, true, std::int32_t>(out)
                    : pick_out<V, kCore, kSelect, false, std::int32_t>(out);
  }
  return has_bias ? pick_out<V, kCore, kSelect, true, std::int64_t>(out)
                  : pick_out<V, kCore, kSelect, false, std::int64_t>(out);
}

template <class V>
FusedLoop pick(FusedCore core, FusedSelect select, bool has_bias, FusedIn in, FusedOut out) {
  using enum FusedSelect;
  switch (core) {
    case FusedCore::High:
      return select == None       ? pick_in<V, FusedCore::High, None>(has_bias, in, out)
             : select == Negative ? pick_in<V, FusedCore::High, Negative>(has_bias, in, out)
                                  : pick_in<V, FusedCore::High, Magnitude>(has_bias, in, out);
    case FusedCore::Low:
      return select == None       ? pick_in<V, FusedCore::Low, None>(has_bias, in, out)
             : select == Negative ? pick_in<V, FusedCore::Low, Negative>(has_bias, in, out)
                                  : pick_in<V, FusedCore::Low, Odd>(has_bias, in, out);
    case FusedCore::Scale:
      break;
  }
  return pick_in<V, FusedCore::Scale, None>(has_bias, in, out);
}

}  // namespace
}  // namespace guardbit::arith::detail
