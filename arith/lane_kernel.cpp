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

struct LaneBody {
  template <typename T, int kBytes, Fit kFit, bool kSingleStep>
  GUARDBIT_INLINE static void run(const LaneBlock<T>& in) {
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
};

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
  return Builds<LaneBody, std::int32_t, LaneKernel<std::int32_t>>::pick(isa, fit, single_step);
}

LaneKernel<std::int64_t> lane_kernel_64(Isa isa, Fit fit, bool single_step) {
  return Builds<LaneBody, std::int64_t, LaneKernel<std::int64_t>>::pick(isa, fit, single_step);
}

}  // namespace guardbit::arith::detail
