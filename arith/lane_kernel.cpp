// The lane kernel and its three builds.
#include "arith/detail/lane_vectors.hpp"

namespace guardbit::arith::detail {
namespace {

// sum += left * right, all lanes.
template <typename T, int kBytes>
GUARDBIT_INLINE void add_products(T left, const std::int32_t* right, Lanes<T, kBytes>& sum) {
  using L = Lanes<T, kBytes>;
  for (int j = 0; j < L::kVectors; ++j) {
    const auto source = *reinterpret_cast<const typename L::Source*>(right + j * L::kPerVector);
    sum.v[j] += __builtin_convertvector(source, typename L::Vector) * left;
  }
}

template <typename T, int kBytes, Fit kFit, bool kSingleStep>
GUARDBIT_INLINE void run_lanes(const LaneBlock<T>& in) {
  const LaneRange<T> range{in.low, in.high, in.mask};
  Running<T, kBytes> run;
  load(in.value, run.value);
  load(in.exact, run.exact);
  load(in.exact_min, run.low);
  load(in.exact_max, run.high);
  run.count = {};
  if constexpr (kSingleStep) {
    for (int k = 0; k < in.depth; ++k) {
      Lanes<T, kBytes> sum = {};
      add_products<T, kBytes>(in.lhs[k], in.rhs + std::int64_t{k} * kLanes, sum);
      narrow_lanes<T, kBytes, kFit>(range, sum, run);
    }
  } else {
    for (int k = 0; k < in.depth;) {
      const int end = in.depth - k < in.step ? in.depth : k + in.step;
      Lanes<T, kBytes> sum = {};
      for (; k < end; ++k) {
        add_products<T, kBytes>(in.lhs[k], in.rhs + std::int64_t{k} * kLanes, sum);
      }
      narrow_lanes<T, kBytes, kFit>(range, sum, run);
    }
  }
  store(run.exact, in.exact);
  store(run.low, in.exact_min);
  store(run.high, in.exact_max);
  if constexpr (kFit != Fit::None) {
    store(run.value, in.value);
    T count[kLanes];
    store(run.count, count);
    for (int i = 0; i < kLanes; ++i) {
      in.count[i] += static_cast<std::int32_t>(count[i]);
    }
  }
}

// One function per instruction set, lane type, fit and step.
#define GUARDBIT_BUILD(NAME, BYTES, ATTRIBUTE)                                       \
  template <typename T, Fit kFit, bool kSingleStep>                                  \
  ATTRIBUTE void NAME(const LaneBlock<T>& in) {                                      \
    run_lanes<T, BYTES, kFit, kSingleStep>(in);                                      \
  }                                                                                  \
  template <typename T>                                                              \
  LaneKernel<T> pick_##NAME(Fit fit, bool single_step) {                             \
    switch (fit) {                                                                   \
      case Fit::None:                                                                \
        return single_step ? NAME<T, Fit::None, true> : NAME<T, Fit::None, false>;   \
      case Fit::Clamp:                                                               \
        return single_step ? NAME<T, Fit::Clamp, true> : NAME<T, Fit::Clamp, false>; \
      case Fit::Wrap:                                                                \
        return single_step ? NAME<T, Fit::Wrap, true> : NAME<T, Fit::Wrap, false>;   \
    }                                                                                \
    __builtin_unreachable();                                                         \
  }

GUARDBIT_BUILD(run_baseline, 16, )
GUARDBIT_BUILD(run_avx2, 32, [[gnu::target("avx2")]])
GUARDBIT_BUILD(run_avx512, 64, [[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")]])

template <typename T>
LaneKernel<T> pick(Isa isa, Fit fit, bool single_step) {
  switch (isa) {
    case Isa::Baseline:
      return pick_run_baseline<T>(fit, single_step);
    case Isa::Avx2:
      return pick_run_avx2<T>(fit, single_step);
    case Isa::Avx512:
      return pick_run_avx512<T>(fit, single_step);
  }
  __builtin_unreachable();
}

}  // namespace

Isa best_isa() {
  const bool avx512 = __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
                      __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0;
  if (avx512) {
    return Isa::Avx512;
  }
  return __builtin_cpu_supports("avx2") != 0 ? Isa::Avx2 : Isa::Baseline;
}

LaneKernel<std::int32_t> lane_kernel_32(Isa isa, Fit fit, bool single_step) {
  return pick<std::int32_t>(isa, fit, single_step);
}

LaneKernel<std::int64_t> lane_kernel_64(Isa isa, Fit fit, bool single_step) {
  return pick<std::int64_t>(isa, fit, single_step);
}

}  // namespace guardbit::arith::detail
