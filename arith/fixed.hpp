// Fixed-point numbers whose format is a run-time value (Number) or part of the type (Fixed<format>), with one
// implementation.
//
// + - * are exact: the result has the format that holds every result. Bits are lost only in an explicit conversion,
// which is narrow() with the target's rounding and overflow mode. Fixed: a format beyond 64 bits does not compile.
// Number: results may have up to 126 bits; more is a caller's bug and stops the program.
#pragma once

#include <compare>
#include <cstdint>
#include <type_traits>

#include "arith/real.hpp"

namespace guardbit::arith {

namespace detail {

[[nodiscard]] constexpr int larger(int a, int b) { return a < b ? b : a; }

// The exact format with these bits. Its modes never act.
[[nodiscard]] constexpr Format exact_format(bool integer, int integer_bits, int frac_bits, bool is_signed) {
  return Format{.kind = integer ? Kind::Integer : Kind::Fixed, .width = integer_bits + frac_bits,
                .integer_bits = integer_bits, .is_signed = is_signed, .rounding = Rounding::TRN,
                .overflow = Overflow::WRAP};
}

[[nodiscard]] constexpr bool both_integers(const Format& a, const Format& b) {
  return a.kind == Kind::Integer && b.kind == Kind::Integer;
}

// Integer bits (sign included) that `format` needs inside a signed result.
[[nodiscard]] constexpr int signed_integer_bits(const Format& format) {
  return format.integer_bits + (format.is_signed ? 0 : 1);
}

}  // namespace detail

// Formats of exact results. Sum: one integer bit more than the wider operand; difference: always signed.
[[nodiscard]] constexpr Format sum_format(const Format& a, const Format& b) {
  const bool is_signed = a.is_signed || b.is_signed;
  const int integer_bits =
      is_signed ? detail::larger(detail::signed_integer_bits(a), detail::signed_integer_bits(b))
                : detail::larger(a.integer_bits, b.integer_bits);
  return detail::exact_format(detail::both_integers(a, b), integer_bits + 1,
                              detail::larger(a.frac_bits(), b.frac_bits()), is_signed);
}

[[nodiscard]] constexpr Format difference_format(const Format& a, const Format& b) {
  const bool unsigned_operands = !a.is_signed && !b.is_signed;
  const int integer_bits = detail::larger(detail::signed_integer_bits(a), detail::signed_integer_bits(b));
  return detail::exact_format(detail::both_integers(a, b), integer_bits + (unsigned_operands ? 0 : 1),
                              detail::larger(a.frac_bits(), b.frac_bits()), true);
}

// Product: widths and fraction bits add up.
[[nodiscard]] constexpr Format product_format(const Format& a, const Format& b) {
  return detail::exact_format(detail::both_integers(a, b), a.integer_bits + b.integer_bits,
                              a.frac_bits() + b.frac_bits(), a.is_signed || b.is_signed);
}

// code * 2^-format.frac_bits(), with a linear format that contains the code.
struct Number {
  Format format;
  int128 code = 0;

  [[nodiscard]] constexpr Narrowed to(const Format& target) const { return narrow(code, format.frac_bits(), target); }
};

namespace detail {

[[nodiscard]] constexpr Number checked(const Format& format, int128 code) {
  if (!format.has_linear_codes() || format.width < 1 || format.width > 126 || !format.contains(code)) {
    __builtin_trap();
  }
  return {format, code};
}

// The code with the fraction bits of a format that has at least as many.
[[nodiscard]] constexpr int128 aligned(const Number& number, const Format& format) {
  const int shift = format.frac_bits() - number.format.frac_bits();
  if (shift > 126) {
    __builtin_trap();
  }
  return shift_left(number.code, shift);
}

}  // namespace detail

[[nodiscard]] constexpr Number operator+(const Number& a, const Number& b) {
  const Format format = sum_format(a.format, b.format);
  return detail::checked(format, detail::aligned(a, format) + detail::aligned(b, format));
}

[[nodiscard]] constexpr Number operator-(const Number& a, const Number& b) {
  const Format format = difference_format(a.format, b.format);
  return detail::checked(format, detail::aligned(a, format) - detail::aligned(b, format));
}

[[nodiscard]] constexpr Number operator*(const Number& a, const Number& b) {
  const Format format = product_format(a.format, b.format);
  return detail::checked(format, a.code * b.code);
}

template <Format F>
class Fixed {
  static_assert(F.has_linear_codes(), "Fixed needs an integer or fixed-point format");
  static_assert(1 <= F.width && F.width <= kMaxWidth, "an exact result beyond 64 bits: narrow an operand first");

 public:
  using Code = std::conditional_t<F.is_signed, std::int64_t, std::uint64_t>;
  static constexpr Format kFormat = F;

  constexpr Fixed() = default;

  // The number with this code, which must be one of the format's.
  [[nodiscard]] static constexpr Fixed from_code(int128 code) {
    if (!F.contains(code)) {
      __builtin_trap();
    }
    Fixed result;
    result.code_ = static_cast<Code>(code);
    return result;
  }

  // The nearest code in the sense of F's modes; NaN gives 0. For the flags use narrow(value, F).
  [[nodiscard]] static constexpr Fixed from_double(double value) { return from_code(narrow(value, F).value); }

  // The narrowing. For its flags use convert().
  template <Format G>
    requires(!(F == G))
  explicit constexpr Fixed(Fixed<G> other)
      : code_(static_cast<Code>(narrow(other.code(), G.frac_bits(), F).value)) {}

  [[nodiscard]] constexpr Code code() const { return code_; }
  [[nodiscard]] constexpr Number number() const { return {F, code_}; }
  [[nodiscard]] constexpr double to_double() const {  // exact up to 53 significant bits
    double value = static_cast<double>(code_);
    for (int i = 0; i < F.frac_bits(); ++i) value /= 2;
    for (int i = 0; i > F.frac_bits(); --i) value *= 2;
    return value;
  }

  friend constexpr bool operator==(const Fixed&, const Fixed&) = default;
  friend constexpr auto operator<=>(const Fixed&, const Fixed&) = default;

 private:
  Code code_ = 0;
};

// `value` in format F, with the flags of the narrowing.
template <Format F, Format G>
[[nodiscard]] constexpr Narrowed convert(Fixed<G> value) {
  return narrow(value.code(), G.frac_bits(), F);
}

template <Format A, Format B>
[[nodiscard]] constexpr auto operator+(Fixed<A> a, Fixed<B> b) {
  constexpr Format kSum = sum_format(A, B);
  static_assert(kSum.width <= kMaxWidth, "an exact sum beyond 64 bits: narrow an operand first");
  return Fixed<kSum>::from_code((a.number() + b.number()).code);
}

template <Format A, Format B>
[[nodiscard]] constexpr auto operator-(Fixed<A> a, Fixed<B> b) {
  constexpr Format kDifference = difference_format(A, B);
  static_assert(kDifference.width <= kMaxWidth, "an exact difference beyond 64 bits: narrow an operand first");
  return Fixed<kDifference>::from_code((a.number() - b.number()).code);
}

template <Format A, Format B>
[[nodiscard]] constexpr auto operator*(Fixed<A> a, Fixed<B> b) {
  constexpr Format kProduct = product_format(A, B);
  static_assert(kProduct.width <= kMaxWidth, "an exact product beyond 64 bits: narrow an operand first");
  return Fixed<kProduct>::from_code((a.number() * b.number()).code);
}

}  // namespace guardbit::arith
