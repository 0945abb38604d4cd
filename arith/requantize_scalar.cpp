// The fused requantize loop for any processor: one value at a time.
#include "arith/detail/fused_loop.hpp"

namespace guardbit::arith::detail {
namespace {

struct Scalar {
  static constexpr int kLanes = 1;
  using I = std::int32_t;
  using F = float;

  static std::uint32_t bits(I v) { return static_cast<std::uint32_t>(v); }
  static I load(const std::int32_t* from) { return *from; }
  static F load(const float* from) { return *from; }
  static I set(std::int32_t value) { return value; }
  // Modulo 2^32, as vector lanes add: inputs that turn out to be outside the limit may overflow.
  static I add(I a, I b) { return static_cast<I>(bits(a) + bits(b)); }
  static I min(I a, I b) { return a < b ? a : b; }
  static I max(I a, I b) { return a < b ? b : a; }
  static I shift_left(I a, I by) { return static_cast<I>(bits(a) << by); }
  static I shift_right(I a, I by) { return a >> by; }
  static I add_where_negative(I x, I sign, I extra) { return sign < 0 ? add(x, extra) : x; }
  static I add_where_odd(I x, I value, I extra) { return (value & 1) != 0 ? add(x, extra) : x; }
  static I magnitude(I v) { return v < 0 ? static_cast<I>(0U - bits(v)) : v; }
  static I negate_where_negative(I x, I sign) { return sign < 0 ? static_cast<I>(0U - bits(x)) : x; }
  static void count_outside(I& count, I x, I low, I span) { count += bits(x) - bits(low) > bits(span) ? 1 : 0; }

  // One lane: the even one is all there is.
  static void split(I all, I& even, I& odd) { even = odd = all; }
  static void rounding(I base, std::uint32_t low_word, I& even, I& odd) {
    even = base;
    odd = static_cast<I>(low_word);
  }
  static I multiply_low(I a, I b) { return static_cast<I>(bits(a) * bits(b)); }
  static I multiply_high(I v, I multiplier, I, I base, I low_word) {
    const std::int64_t product = std::int64_t{v} * multiplier;
    const std::uint64_t rounding = (std::uint64_t{bits(base)} << 32) + bits(low_word);
    return static_cast<I>((static_cast<std::uint64_t>(product) + rounding) >> 32);
  }
  static I scaled(I v, F scale) {
    const F product = static_cast<F>(v) * scale;
    const F held = product > 0x1p30F ? 0x1p30F : product < -0x1p30F ? -0x1p30F : product;
    const auto toward_zero = static_cast<I>(held);
    const F rest = held - static_cast<F>(toward_zero);  // exact
    const bool odd = (toward_zero & 1) != 0;
    if (rest > 0.5F || (rest == 0.5F && odd)) return toward_zero + 1;
    if (rest < -0.5F || (rest == -0.5F && odd)) return toward_zero - 1;
    return toward_zero;
  }

  template <class Out>
  static void store(Out* to, I v) {
    *to = static_cast<Out>(v);
  }

  template <class In>
  struct Reader {
    std::int64_t limit;
    bool all_inside = true;
    explicit Reader(std::int64_t bound) : limit(bound) {}
    I read(const In* from) {
      all_inside = all_inside && -limit <= *from && *from < limit;
      return static_cast<I>(*from);
    }
    [[nodiscard]] bool inside() const { return all_inside; }
  };
};

}  // namespace

FusedLoop fused_loop_scalar(FusedCore core, FusedSelect select, bool has_bias, FusedIn in, FusedOut out) {
  return pick<Scalar>(core, select, has_bias, in, out);
}

}  // namespace guardbit::arith::detail
