// Widths and weight norms at which no accumulator can overflow, in exact integers where the result is one (SPEC 8.1 to
// 8.3).
#pragma once

#include "arith/int128.hpp"

namespace guardbit::arith {

// Data-type bound: the smallest signed width that holds every sum of `taps` products of magnitude up to
// activation_max * weight_max. taps * activation_max * weight_max < 2^126.
[[nodiscard]] constexpr int datatype_bound_bits(std::int64_t taps, std::int64_t activation_max,
                                                std::int64_t weight_max) {
  const uint128 largest = static_cast<uint128>(int128{taps} * activation_max * weight_max);
  int bits = 1;  // the sign
  for (uint128 rest = largest; rest != 0; rest >>= 1) {
    ++bits;
  }
  return bits;
}

// A2Q (Colbert et al.): the largest sum of |weight codes| of one output for a signed accumulator of `bits` and
// activations of `activation_bits`. bits <= 53, so that binary64 is exact.
[[nodiscard]] constexpr double a2q_l1_cap(int bits, int activation_bits, bool activation_is_signed) {
  const auto top = static_cast<double>((std::int64_t{1} << (bits - 1)) - 1);
  return top / static_cast<double>(std::int64_t{1} << (activation_bits - (activation_is_signed ? 1 : 0)));
}

// A2Q+: the same for weights whose sum is zero.
[[nodiscard]] constexpr double a2q_plus_l1_cap(int bits, int activation_bits) {
  return static_cast<double>((std::int64_t{1} << bits) - 2) /
         static_cast<double>((std::int64_t{1} << activation_bits) - 1);
}

static_assert(datatype_bound_bits(1728, 255, 127) == 27 && datatype_bound_bits(27, 255, 127) == 21);
static_assert(a2q_l1_cap(16, 8, false) == 127.99609375);

}  // namespace guardbit::arith
