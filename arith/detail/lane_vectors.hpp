// Running sums in vector lanes: kLanes of them as GCC vectors, and one narrowing. Shared by the kernels of the
// accumulator tile and of depthwise convolution, which build it for three instruction sets each.
#pragma once

#include <type_traits>

#include "arith/detail/lane_kernel.hpp"

namespace guardbit::arith::detail {

#define GUARDBIT_INLINE [[gnu::always_inline]] inline

// Lanes as GCC vectors, kBytes wide: what stays in one register of the instruction set.
template <typename T, int kBytes>
struct Lanes {
  static constexpr int kPerVector = kBytes / static_cast<int>(sizeof(T));
  static constexpr int kVectors = kLanes / kPerVector;
  typedef T Vector __attribute__((vector_size(kBytes)));
  typedef std::make_unsigned_t<T> Unsigned __attribute__((vector_size(kBytes)));
  typedef std::int32_t Source __attribute__((vector_size(kPerVector * 4), aligned(4), may_alias));
  Vector v[kVectors];
};

template <typename T, int kBytes>
GUARDBIT_INLINE void load(const T* from, Lanes<T, kBytes>& to) {
  __builtin_memcpy(&to, from, sizeof to);
}

template <typename T, int kBytes>
GUARDBIT_INLINE void store(const Lanes<T, kBytes>& from, T* to) {
  __builtin_memcpy(to, &from, sizeof from);
}

// What a format does to a sum: into [low, high], or modulo (mask + 1) into [low, low + mask].
template <typename T>
struct LaneRange {
  T low;
  T high;
  T mask;
};

template <typename T, int kBytes>
struct Running {
  Lanes<T, kBytes> value, exact, count, low, high;
};

// One narrowing of all lanes: value += sum, fitted.
template <typename T, int kBytes, Fit kFit>
GUARDBIT_INLINE void narrow_lanes(const LaneRange<T>& in, const Lanes<T, kBytes>& sum, Running<T, kBytes>& run) {
  using L = Lanes<T, kBytes>;
  for (int j = 0; j < L::kVectors; ++j) {
    auto& exact = run.exact.v[j];
    exact += sum.v[j];
    run.low.v[j] = exact < run.low.v[j] ? exact : run.low.v[j];
    run.high.v[j] = exact > run.high.v[j] ? exact : run.high.v[j];
    if constexpr (kFit != Fit::None) {
      const typename L::Vector wide = run.value.v[j] + sum.v[j];
      typename L::Vector fitted;
      if constexpr (kFit == Fit::Clamp) {
        const typename L::Vector in_low = typename L::Vector{} + in.low;
        const typename L::Vector in_high = typename L::Vector{} + in.high;
        fitted = wide < in_low ? in_low : wide;
        fitted = fitted > in_high ? in_high : fitted;
      } else {
        const auto low = static_cast<std::make_unsigned_t<T>>(in.low);
        const auto mask = static_cast<std::make_unsigned_t<T>>(in.mask);
        fitted = (typename L::Vector)((((typename L::Unsigned)wide - low) & mask) + low);
      }
      run.count.v[j] -= wide != fitted;  // a true lane is -1
      run.value.v[j] = fitted;
    }
  }
}

}  // namespace guardbit::arith::detail
