// Running sums in vector lanes: kLanes of them as GCC vectors, one narrowing, and the choice of a build. Shared by the
// kernels of the accumulator tile and of depthwise convolution, which are built for three instruction sets each.
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

// The builds of a kernel that is written as Body::run<T, kBytes, kFit, kSingleStep>(arguments...), always inlined: one
// function per instruction set, fit and step. Kernel is the type of a pointer to one of them.
template <class Body, typename T, typename Kernel>
struct Builds;

template <class Body, typename T, typename... Arguments>
struct Builds<Body, T, void (*)(Arguments...)> {
  using Kernel = void (*)(Arguments...);

  template <Fit kFit, bool kSingleStep>
  static void baseline(Arguments... arguments) {
    Body::template run<T, 16, kFit, kSingleStep>(arguments...);
  }
  template <Fit kFit, bool kSingleStep>
  [[gnu::target("avx2")]] static void avx2(Arguments... arguments) {
    Body::template run<T, 32, kFit, kSingleStep>(arguments...);
  }
  template <Fit kFit, bool kSingleStep>
  [[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")]] static void avx512(
      Arguments... arguments) {
    Body::template run<T, 64, kFit, kSingleStep>(arguments...);
  }

  template <Fit kFit, bool kSingleStep>
  static Kernel of(Isa isa) {
    switch (isa) {
      case Isa::Baseline:
        return baseline<kFit, kSingleStep>;
      case Isa::Avx2:
        return avx2<kFit, kSingleStep>;
      case Isa::Avx512:
        return avx512<kFit, kSingleStep>;
    }
    __builtin_unreachable();
  }
  static Kernel pick(Isa isa, Fit fit, bool single_step) {
    switch (fit) {
      case Fit::None:
        return single_step ? of<Fit::None, true>(isa) : of<Fit::None, false>(isa);
      case Fit::Clamp:
        return single_step ? of<Fit::Clamp, true>(isa) : of<Fit::Clamp, false>(isa);
      case Fit::Wrap:
        return single_step ? of<Fit::Wrap, true>(isa) : of<Fit::Wrap, false>(isa);
    }
    __builtin_unreachable();
  }
};

}  // namespace guardbit::arith::detail
