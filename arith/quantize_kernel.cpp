// Rounding by adding 1.5 * 2^(p-1): a number below 2^(p-2) in magnitude then has a last place of one, so the addition
// itself rounds to the nearest even integer, and the integer can be read off the bits. The difference to the source is
// exact and tells which way it went; the other modes are corrections of one.
#include "arith/detail/quantize_kernel.hpp"

#include <bit>
#include <cmath>
#include <type_traits>

namespace guardbit::arith::detail {
namespace {

#define GUARDBIT_INLINE [[gnu::always_inline]] inline

template <typename Real>
using IntegerOf = std::conditional_t<sizeof(Real) == 4, std::int32_t, std::int64_t>;

template <typename Real>
inline constexpr Real kMagic = sizeof(Real) == 4 ? Real(0x1.8p23) : Real(0x1.8p52);

// The integer nearest to even, plus or minus one as the mode wants it. `error` is the source less that integer. Written
// as sums of comparisons because those become vector code on every instruction set.
template <typename Real, Correction kCorrection>
GUARDBIT_INLINE IntegerOf<Real> corrected(Real scaled, Real error, IntegerOf<Real> even, const QuantizePlan& plan) {
  using Int = IntegerOf<Real>;
  const Int minus = scaled < 0 ? Int{-1} : Int{0};
  const auto pick = [&](const std::int32_t* by_sign) {
    return static_cast<Int>((Int{by_sign[0]} & ~minus) | (Int{by_sign[1]} & minus));
  };
  constexpr bool kTies = kCorrection == Correction::Ties;
  const Int down = (kTies ? error == Real(0.5) : error > 0) ? Int{-1} : Int{0};
  const Int up = (kTies ? error == Real(-0.5) : error < 0) ? Int{-1} : Int{0};
  return static_cast<Int>(even + (pick(plan.add) & down) - (pick(plan.take) & up));
}

// Extremes of the bits of floats, from which range and magnitude follow without ordering the floats one by one.
struct Extremes {
  std::uint32_t least = UINT32_MAX, most = 0;  // as unsigned numbers
  std::int32_t top = INT32_MIN;                // as signed numbers

  GUARDBIT_INLINE void add(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const auto as_signed = static_cast<std::int32_t>(bits);
    least = bits < least ? bits : least;
    most = bits > most ? bits : most;
    top = as_signed > top ? as_signed : top;
  }
  // Negative floats are the large unsigned numbers, and the larger the further below zero.
  [[nodiscard]] std::int32_t lowest_key() const { return key_of(static_cast<std::int32_t>(most) < 0 ? most : least); }
  [[nodiscard]] std::int32_t highest_key() const { return key_of(top >= 0 ? static_cast<std::uint32_t>(top) : least); }
  [[nodiscard]] std::int32_t largest_magnitude() const {
    const auto below = static_cast<std::int32_t>(most & INT32_MAX);  // of the lowest, if it is below zero
    return below > top ? below : top;
  }

 private:
  static std::int32_t key_of(std::uint32_t bits) {
    const auto as_signed = static_cast<std::int32_t>(bits);
    return as_signed ^ ((as_signed >> 31) & INT32_MAX);
  }
};

// Values stay offset by the bits of the magic number until they are codes, whose low bits those do not touch.
template <typename Real, Correction kCorrection, bool kWraps, typename Code>
GUARDBIT_INLINE QuantizeBlock run(const QuantizePlan& plan_in, const float* in, Code* out, std::size_t size) {
  using Int = IntegerOf<Real>;
  using Bits = std::make_unsigned_t<Int>;
  constexpr Int kOffset = std::bit_cast<Int>(kMagic<Real>);
  const QuantizePlan plan = plan_in;  // a copy cannot alias the codes
  const Real scale = static_cast<Real>(plan.scale);
  // Values are below 2^51 in magnitude: bounds further out never act.
  constexpr Int kFar = sizeof(Real) == 4 ? Int{1} << 24 : static_cast<Int>(std::int64_t{1} << 53);
  const Int low_code = static_cast<Int>(plan.low);
  const Int high_code = static_cast<Int>(plan.high);
  const Int low = kOffset + (low_code < -kFar ? -kFar : low_code);
  const Int high = kOffset + (high_code > kFar ? kFar : high_code);
  const Bits mask = static_cast<Bits>(high_code) - static_cast<Bits>(low_code);
  Extremes extremes;
  Int above = 0;
  Int below = 0;
  Int inexact = 0;
  for (std::size_t i = 0; i < size; ++i) {
    extremes.add(in[i]);
    const Real scaled = static_cast<Real>(in[i]) * scale;
    const Real shifted = scaled + kMagic<Real>;
    const Real even = shifted - kMagic<Real>;
    inexact += scaled != even ? 1 : 0;
    Int value = std::bit_cast<Int>(shifted);
    if constexpr (kCorrection != Correction::None) {
      value = corrected<Real, kCorrection>(scaled, scaled - even, value, plan);
    }
    above += value > high ? 1 : 0;
    below += value < low ? 1 : 0;
    if constexpr (kWraps) {
      const Bits base = static_cast<Bits>(low_code);
      const Bits wrapped = ((static_cast<Bits>(value) - static_cast<Bits>(kOffset) - base) & mask) + base;
      out[i] = static_cast<Code>(static_cast<Int>(wrapped));
    } else {
      const Int raised = value < low ? low : value;
      const Int fitted = raised > high ? high : raised;
      out[i] = static_cast<Code>(fitted - kOffset);
    }
  }
  return {.above = above, .below = below, .inexact = inexact, .lowest_key = extremes.lowest_key(),
          .highest_key = extremes.highest_key(), .largest_magnitude = extremes.largest_magnitude()};
}

template <typename Real, bool kWraps, typename Code>
GUARDBIT_INLINE QuantizeBlock run_corrected(const QuantizePlan& plan, const float* in, Code* out, std::size_t size) {
  switch (plan.correction) {
    case Correction::None:
      return run<Real, Correction::None, kWraps>(plan, in, out, size);
    case Correction::Ties:
      return run<Real, Correction::Ties, kWraps>(plan, in, out, size);
    case Correction::Inexact:
      return run<Real, Correction::Inexact, kWraps>(plan, in, out, size);
  }
  __builtin_unreachable();
}

template <typename Code>
GUARDBIT_INLINE QuantizeBlock run_plan(const QuantizePlan& plan, const float* in, Code* out, std::size_t size) {
  if (plan.in_binary32) {
    return plan.wraps ? run_corrected<float, true>(plan, in, out, size)
                      : run_corrected<float, false>(plan, in, out, size);
  }
  return plan.wraps ? run_corrected<double, true>(plan, in, out, size)
                    : run_corrected<double, false>(plan, in, out, size);
}

template <typename Code>
QuantizeBlock run_baseline(const QuantizePlan& plan, const float* in, Code* out, std::size_t size) {
  return run_plan(plan, in, out, size);
}
template <typename Code>
[[gnu::target("avx2")]] QuantizeBlock run_avx2(const QuantizePlan& plan, const float* in, Code* out,
                                               std::size_t size) {
  return run_plan(plan, in, out, size);
}
template <typename Code>
[[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")]] QuantizeBlock run_avx512(
    const QuantizePlan& plan, const float* in, Code* out, std::size_t size) {
  return run_plan(plan, in, out, size);
}

void plan_corrections(Rounding mode, QuantizePlan& plan) {
  const auto set = [](std::int32_t (&by_sign)[2], int plus, int minus) {
    by_sign[0] = plus;
    by_sign[1] = minus;
  };
  plan.correction = mode == Rounding::RND_CONV                             ? Correction::None
                    : mode == Rounding::TRN || mode == Rounding::TRN_ZERO ? Correction::Inexact
                                                                           : Correction::Ties;
  switch (mode) {
    case Rounding::RND:
      return set(plan.add, 1, 1);
    case Rounding::RND_ZERO:
      set(plan.take, 1, 0);
      return set(plan.add, 0, 1);
    case Rounding::RND_MIN_INF:
      return set(plan.take, 1, 1);
    case Rounding::RND_INF:
      set(plan.add, 1, 0);
      return set(plan.take, 0, 1);
    case Rounding::RND_CONV:
      return;
    case Rounding::TRN:
      return set(plan.take, 1, 1);
    case Rounding::TRN_ZERO:
      set(plan.take, 1, 0);
      return set(plan.add, 0, 1);
    case Rounding::RND_CONV_ODD:
      set(plan.add, 1, 1);
      return set(plan.take, 1, 1);
  }
}

}  // namespace

QuantizePlan plan_quantize(const Format& format) {
  const bool wraps = format.overflow == Overflow::WRAP && format.n_bits == 0;
  const bool symmetric = format.overflow == Overflow::SAT_SYM && format.is_signed;
  const int frac_bits = format.frac_bits();
  if ((!wraps && format.overflow != Overflow::SAT && format.overflow != Overflow::SAT_SYM) || frac_bits < -400 ||
      frac_bits > 400) {
    return {};
  }
  QuantizePlan plan;
  plan.scale = std::ldexp(1.0, frac_bits);
  // Scaling up is exact in binary32, scaling down might meet subnormal numbers; in binary64 both are exact.
  plan.in_binary32 = frac_bits >= 0 && frac_bits <= 100 && format.width <= 20;
  plan.wraps = wraps;
  plan.high = static_cast<std::int64_t>(format.max_code());
  plan.low = symmetric ? -plan.high : static_cast<std::int64_t>(format.min_code());
  const double limit = std::ldexp(1.0, (plan.in_binary32 ? 22 : 51) - frac_bits);  // exact below this magnitude
  plan.exact_below = limit >= 0x1p128 ? std::bit_cast<std::int32_t>(INFINITY)
                                      : std::bit_cast<std::int32_t>(static_cast<float>(limit));
  plan_corrections(format.rounding, plan);
  return plan;
}

template <typename Code>
QuantizeBlock quantize_block(const QuantizePlan& plan, const float* in, Code* out, std::size_t size, Isa isa) {
  switch (isa) {
    case Isa::Baseline:
      return run_baseline(plan, in, out, size);
    case Isa::Avx2:
      return run_avx2(plan, in, out, size);
    case Isa::Avx512:
      return run_avx512(plan, in, out, size);
  }
  __builtin_unreachable();
}

template QuantizeBlock quantize_block(const QuantizePlan&, const float*, std::int8_t*, std::size_t, Isa);
template QuantizeBlock quantize_block(const QuantizePlan&, const float*, std::int16_t*, std::size_t, Isa);
template QuantizeBlock quantize_block(const QuantizePlan&, const float*, std::int32_t*, std::size_t, Isa);
template QuantizeBlock quantize_block(const QuantizePlan&, const float*, std::int64_t*, std::size_t, Isa);

}  // namespace guardbit::arith::detail
