// Conversions by SystemC's own fixed-point types, the outside authority for narrow().
#pragma once

#define SC_INCLUDE_FX
#include <systemc>

#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "arith/format.hpp"
#include "arith/narrow.hpp"

namespace guardbit::arith::testing {

[[nodiscard]] inline sc_dt::sc_q_mode systemc_mode(Rounding mode) {
  switch (mode) {
    case Rounding::RND: return sc_dt::SC_RND;
    case Rounding::RND_ZERO: return sc_dt::SC_RND_ZERO;
    case Rounding::RND_MIN_INF: return sc_dt::SC_RND_MIN_INF;
    case Rounding::RND_INF: return sc_dt::SC_RND_INF;
    case Rounding::RND_CONV: return sc_dt::SC_RND_CONV;
    case Rounding::TRN: return sc_dt::SC_TRN;
    case Rounding::TRN_ZERO: return sc_dt::SC_TRN_ZERO;
    case Rounding::RND_CONV_ODD: break;  // SystemC has no such mode
  }
  std::abort();
}

[[nodiscard]] inline sc_dt::sc_o_mode systemc_mode(Overflow mode) {
  switch (mode) {
    case Overflow::SAT: return sc_dt::SC_SAT;
    case Overflow::SAT_ZERO: return sc_dt::SC_SAT_ZERO;
    case Overflow::SAT_SYM: return sc_dt::SC_SAT_SYM;
    case Overflow::WRAP: return sc_dt::SC_WRAP;
    case Overflow::WRAP_SM: return sc_dt::SC_WRAP_SM;
  }
  return sc_dt::SC_SAT;
}

// code * 2^-frac_bits
[[nodiscard]] inline sc_dt::sc_fxval systemc_value(std::int64_t code, int frac_bits) {
  return sc_dt::sc_fxval(sc_dt::int64{code}) >> frac_bits;
}

// What differed, over all conversions of a test.
struct Comparison {
  std::uint64_t conversions = 0;
  std::uint64_t value = 0, overflow_flag = 0, quantization_flag = 0;
  std::string first;  // the first difference, in words

  void note(bool value_differs, bool overflow_differs, bool quantization_differs, const Format& format,
            std::int64_t code, int frac_bits) {
    ++conversions;
    value += value_differs ? 1 : 0;
    overflow_flag += overflow_differs ? 1 : 0;
    quantization_flag += quantization_differs ? 1 : 0;
    if (first.empty() && (value_differs || overflow_differs || quantization_differs)) {
      first = to_string(format) + " from code " + std::to_string(code) + " with " + std::to_string(frac_bits) +
              " fraction bits";
    }
  }
  [[nodiscard]] std::uint64_t differences() const { return value + overflow_flag + quantization_flag; }
  [[nodiscard]] std::string text() const {
    const auto differ = [](std::uint64_t n) { return n == 1 ? "1 difference" : std::to_string(n) + " differences"; };
    if (differences() == 0) {
      return "compared " + std::to_string(conversions) +
             " conversions: 0 differences in value, overflow flag, quantization flag";
    }
    return "compared " + std::to_string(conversions) + " conversions: " + differ(value) + " in value, " +
           differ(overflow_flag) + " in overflow flag, " + differ(quantization_flag) +
           " in quantization flag; first: " + first;
  }
};

// Converts every code with sc_fix or sc_ufix and with narrow(). `values` are the same numbers as `codes`.
template <typename Fix>
void compare_all(const Format& format, int frac_bits, const std::vector<std::int64_t>& codes,
                 const std::vector<sc_dt::sc_fxval>& values, Comparison& result) {
  Fix target(format.width, format.integer_bits, systemc_mode(format.rounding), systemc_mode(format.overflow),
             format.n_bits);
  for (std::size_t i = 0; i < codes.size(); ++i) {
    target = values[i];
    const double code = std::ldexp(target.to_double(), format.frac_bits());  // exact up to 53 bits
    const Narrowed got = narrow(codes[i], frac_bits, format);
    bool value_differs = static_cast<double>(got.value) != code;
    // The same number written with other fraction bits must give the same answer.
    for (const int more : {1, 7, 40}) {
      value_differs |= narrow(int128{codes[i]} << more, frac_bits + more, format) != got;
    }
    for (int fewer = 1; fewer <= 4 && codes[i] % (1 << fewer) == 0; ++fewer) {
      value_differs |= narrow(codes[i] >> fewer, frac_bits - fewer, format) != got;
    }
    result.note(value_differs, got.overflowed != target.overflow_flag(), got.inexact != target.quantization_flag(),
                format, codes[i], frac_bits);
  }
}

inline void compare_all(const Format& format, int frac_bits, const std::vector<std::int64_t>& codes,
                        const std::vector<sc_dt::sc_fxval>& values, Comparison& result) {
  if (format.is_signed) {
    compare_all<sc_dt::sc_fix>(format, frac_bits, codes, values, result);
  } else {
    compare_all<sc_dt::sc_ufix>(format, frac_bits, codes, values, result);
  }
}

// Every overflow mode, and every n_bits of the wrapping ones.
template <typename Function>
void for_each_overflow(Format format, Function function) {
  for (const Overflow mode :
       {Overflow::SAT, Overflow::SAT_ZERO, Overflow::SAT_SYM, Overflow::WRAP, Overflow::WRAP_SM}) {
    if (mode == Overflow::WRAP_SM && !format.is_signed) continue;
    const bool wraps = mode == Overflow::WRAP || mode == Overflow::WRAP_SM;
    for (int n_bits = 0; n_bits <= (wraps ? format.width : 0); ++n_bits) {
      format.overflow = mode;
      format.n_bits = n_bits;
      function(format);
    }
  }
}

// All formats of this width and rounding; integer bits from -margin to width + margin. Sources: all codes with three
// more fraction bits and three more integer bits than the format.
inline void compare_width(int width, Rounding rounding, int margin, Comparison& result) {
  for (int integer_bits = -margin; integer_bits <= width + margin; ++integer_bits) {
    const int frac_bits = width - integer_bits + 3;
    const std::int64_t end = std::int64_t{1} << (width + 5);
    std::vector<std::int64_t> codes;
    std::vector<sc_dt::sc_fxval> values;
    for (std::int64_t code = -end; code < end; ++code) {
      codes.push_back(code);
      values.push_back(systemc_value(code, frac_bits));
    }
    for (const bool is_signed : {true, false}) {
      const Format format{.kind = Kind::Fixed, .width = width, .integer_bits = integer_bits, .is_signed = is_signed,
                          .rounding = rounding};
      for_each_overflow(format, [&](const Format& each) { compare_all(each, frac_bits, codes, values, result); });
    }
  }
}

}  // namespace guardbit::arith::testing
