// The narrowing adder of one PE, for the step kernels of the grids: inlined into loops over columns, so that the
// compiler turns it into vector code.
#pragma once

#include <algorithm>
#include <limits>
#include <type_traits>

#include "arith/overflow.hpp"
#include "sim/detail/pe_grid.hpp"

// One copy of a function for each kind of processor, chosen when the program starts; results do not depend on it.
#define GUARDBIT_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))

namespace guardbit::sim {

inline constexpr std::size_t kLanes = 16;  // columns are padded to whole vectors

// In a register: index of the first narrowing that overflowed, when there was none.
template <class T>
inline constexpr T kNever = std::numeric_limits<T>::max();

// The overflow mode's answer for `sum`; the sum itself when it did not overflow.
template <class T, PeMode M>
[[gnu::always_inline]] inline T narrowed(T sum, T overflowed, T low, T high, int width) {
  if constexpr (M == PeMode::Saturate) {
    const T raised = sum < low ? low : sum;
    return raised > high ? high : raised;
  } else if constexpr (M == PeMode::Zero) {
    return overflowed != 0 ? T(0) : sum;
  } else if constexpr (M == PeMode::WrapSigned) {
    const int shift = static_cast<int>(sizeof(T) * 8) - width;
    return static_cast<T>(static_cast<std::make_unsigned_t<T>>(sum) << shift) >> shift;
  } else {
    static_assert(M == PeMode::WrapUnsigned);
    return sum & high;
  }
}

// acc' = narrow(acc + term) for one PE, with evidence. Without branches, except in General, so that it vectorizes.
template <class T, PeMode M>
[[gnu::always_inline]] inline void narrow_sum(T above, T term, T first_above, T narrowing, const PeRules& rules,
                                              T low, T high, T& acc, T& first, T& count) {
  T overflowed = 0;
  if constexpr (M == PeMode::General) {
    T sum = 0;
    if (__builtin_add_overflow(above, term, &sum)) {  // only where the format has 63 bits or more
      overflowed = 1;
      acc = static_cast<T>(arith::fit(arith::int128{above} + term, rules.format).value);
    } else {
      overflowed = sum < low || sum > high ? 1 : 0;
      acc = overflowed != 0 ? static_cast<T>(arith::fit(sum, rules.format).value) : sum;
    }
  } else {
    const T sum = above + term;
    overflowed = static_cast<T>(sum < low) | static_cast<T>(sum > high);
    acc = narrowed<T, M>(sum, overflowed, low, high, rules.format.width);
  }
  count += overflowed;
  const T mine = overflowed != 0 ? narrowing : kNever<T>;
  first = first_above < mine ? first_above : mine;
}

}  // namespace guardbit::sim
