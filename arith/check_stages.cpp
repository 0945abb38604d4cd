// Static check of a stage list: parameters, and an interval that holds every intermediate value.
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "arith/error.hpp"
#include "arith/detail/stage_program.hpp"
#include "arith/narrow.hpp"
#include "arith/stage_text.hpp"
#include "arith/stages.hpp"

namespace guardbit::arith {
namespace {

struct Interval {
  int128 low = 0;
  int128 high = 0;
  bool wide = false;  // more than 127 bits
};

// Messages start with this: which stage list, which stage.
struct Site {
  const std::string& where;
  std::size_t number;
  const Stage& stage;
  [[noreturn]] void fail(const std::string& why) const {
    throw Error(where + ": stage " + std::to_string(number) + " (" + to_string(stage) + "): " + why);
  }
};

void check_size(const Site& site, std::size_t size, std::int64_t channels) {
  if (size == 0 || (size != 1 && static_cast<std::int64_t>(size) != channels)) {
    site.fail(std::to_string(size) + " values; 1 or " + std::to_string(channels) + " (one per channel) are allowed");
  }
}

// Smallest and largest value of a parameter, after its checks.
Interval bounds(const Site& site, const Parameter& parameter, std::int64_t channels) {
  check_size(site, parameter.values.size(), channels);
  const auto [low, high] = std::minmax_element(parameter.values.begin(), parameter.values.end());
  return {*low, *high};
}

Interval shift_bounds(const Site& site, const Parameter& bits, std::int64_t channels) {
  const Interval range = bounds(site, bits, channels);
  if (range.low < 0 || range.high > 63) {
    const auto bad = static_cast<std::int64_t>(range.low < 0 ? range.low : range.high);
    site.fail("shift " + std::to_string(bad) + " is not allowed; 0..63");
  }
  return range;
}

void check_format(const Site& site, const Format& format) {
  if (!format.has_linear_codes() || format.width < 1 || format.width > kMaxWidth) {
    site.fail("an integer or fixed-point format of 1..64 bits is needed");
  }
  if (format.n_bits < 0 || format.n_bits > format.width ||
      (format.overflow == Overflow::WRAP_SM && !format.is_signed)) {
    site.fail("0.." + std::to_string(format.width) + " saturated bits, and WRAP_SM for signed formats only");
  }
}

Interval add(const Interval& a, const Interval& b) {
  Interval sum;
  sum.wide = __builtin_add_overflow(a.low, b.low, &sum.low);
  sum.wide |= __builtin_add_overflow(a.high, b.high, &sum.high);
  return sum;
}

Interval multiply(const Interval& a, const Interval& b) {
  Interval product;
  int128 corner[4];
  product.wide |= __builtin_mul_overflow(a.low, b.low, &corner[0]);
  product.wide |= __builtin_mul_overflow(a.low, b.high, &corner[1]);
  product.wide |= __builtin_mul_overflow(a.high, b.low, &corner[2]);
  product.wide |= __builtin_mul_overflow(a.high, b.high, &corner[3]);
  product.low = *std::min_element(corner, corner + 4);
  product.high = *std::max_element(corner, corner + 4);
  return product;
}

Interval fit_interval(const Interval& a, const Format& format) {
  const bool fits = !fit(a.low, format).overflowed && !fit(a.high, format).overflowed;
  return fits ? a : Interval{format.min_code(), format.max_code()};
}

Interval scale(const Site& site, const Interval& a, const Scale& stage, std::int64_t channels) {
  check_size(site, stage.values.size(), channels);
  float largest = 0;
  for (const float value : stage.values) {
    if (!std::isfinite(value)) {
      site.fail("a scale is not a finite number");
    }
    largest = std::max(largest, std::fabs(value));
  }
  const double magnitude = std::max(-static_cast<double>(a.low), static_cast<double>(a.high)) * double{largest};
  if (magnitude >= 0x1p119) {
    return {0, 0, true};
  }
  const int128 bound = static_cast<int128>(magnitude * (1 + 0x1p-20)) + 1;  // above two binary32 roundings
  return {-bound, bound};
}

// The interval after one stage; throws for parameters that are not allowed.
Interval after(const Site& site, const Interval& in, std::int64_t channels) {
  return std::visit(
      [&](const auto& stage) -> Interval {
        using T = std::decay_t<decltype(stage)>;
        if constexpr (std::is_same_v<T, Add>) {
          return add(in, bounds(site, stage.value, channels));
        } else if constexpr (std::is_same_v<T, Subtract>) {
          const Interval value = bounds(site, stage.value, channels);
          return add(in, {-value.high, -value.low});
        } else if constexpr (std::is_same_v<T, ShiftLeft>) {
          const Interval bits = shift_bounds(site, stage.bits, channels);
          return multiply(in, {1, int128{1} << static_cast<int>(bits.high)});
        } else if constexpr (std::is_same_v<T, Multiply>) {
          const Interval product = multiply(in, bounds(site, stage.value, channels));
          if (!stage.format) {
            return product;
          }
          check_format(site, *stage.format);
          return product.wide ? product : fit_interval(product, *stage.format);
        } else if constexpr (std::is_same_v<T, ShiftRight>) {
          const Interval bits = shift_bounds(site, stage.bits, channels);
          const int least = static_cast<int>(bits.low);
          const int most = static_cast<int>(bits.high);
          // Monotone in the value; toward zero with more bits, up to one rounding step.
          const auto shifted = [&](int128 value, int by) { return round_shift(value, by, stage.rounding).value; };
          return {std::min(shifted(in.low, least), shifted(in.low, most)),
                  std::max(shifted(in.high, least), shifted(in.high, most))};
        } else if constexpr (std::is_same_v<T, Narrow>) {
          check_format(site, stage.format);
          return fit_interval(in, stage.format);
        } else if constexpr (std::is_same_v<T, Relu>) {
          return {std::max(in.low, int128{0}), std::max(in.high, int128{0})};
        } else if constexpr (std::is_same_v<T, Clamp>) {
          if (stage.low && stage.high && *stage.low > *stage.high) {
            site.fail("its low bound is above its high bound");
          }
          Interval out = in;
          if (stage.low) {
            out = {std::max(out.low, int128{*stage.low}), std::max(out.high, int128{*stage.low})};
          }
          if (stage.high) {
            out = {std::min(out.low, int128{*stage.high}), std::min(out.high, int128{*stage.high})};
          }
          return out;
        } else {
          static_assert(std::is_same_v<T, Scale>);
          return scale(site, in, stage, channels);
        }
      },
      site.stage);
}

}  // namespace

namespace detail {

int safe_input_bits(const StageList& stages, std::int64_t channels) {
  const std::string where = "requantize";
  StageList all;  // products before their narrowing, because those must fit too
  Interval values{-1, 0};
  for (std::size_t number = 0; number < stages.size(); ++number) {
    values = after(Site{where, number, stages[number]}, values, channels);  // checks the parameters
    all.push_back(stages[number]);
    if (auto* multiply = std::get_if<Multiply>(&all.back()); multiply != nullptr && multiply->format) {
      const Format format = *multiply->format;
      multiply->format.reset();
      all.push_back(Narrow{format});
    }
  }
  for (int bits = 64; bits >= 1; --bits) {
    values = {-(int128{1} << (bits - 1)), (int128{1} << (bits - 1)) - 1};
    bool fits = true;
    for (std::size_t number = 0; number < all.size() && fits; ++number) {
      values = after(Site{where, number, all[number]}, values, channels);
      fits = !values.wide && values.low >= INT64_MIN && values.high <= INT64_MAX;
    }
    if (fits) {
      return bits;
    }
  }
  return 0;
}

}  // namespace detail

void check_stages(const StageList& stages, std::int64_t channels, int input_bits, const std::string& where) {
  if (input_bits < 1 || input_bits > 64) {
    throw Error(where + ": an input of " + std::to_string(input_bits) + " bits; 1..64 are allowed");
  }
  Interval values{-(int128{1} << (input_bits - 1)), (int128{1} << (input_bits - 1)) - 1};
  for (std::size_t number = 0; number < stages.size(); ++number) {
    const Site site{where, number, stages[number]};
    values = after(site, values, channels);
    // Two's complement of 127 bits: within plus or minus 2^126.
    if (values.wide || values.low < -(int128{1} << 126) || values.high >= (int128{1} << 126)) {
      site.fail("its result may need more than 127 bits for an input of " + std::to_string(input_bits) + " bits");
    }
  }
  if (values.low < INT64_MIN || values.high > INT64_MAX) {
    throw Error(where + ": the result may need more than 64 bits; end the stages with a narrowing");
  }
}

}  // namespace guardbit::arith
