// The depthwise kernel and its three builds.
#include "arith/detail/depthwise_kernel.hpp"

#include "arith/detail/lane_vectors.hpp"

namespace guardbit::arith::detail {
namespace {

// sum += operands * weights, lane by lane.
template <typename T, int kBytes>
GUARDBIT_INLINE void add_products(const std::int32_t* left, const std::int32_t* right, Lanes<T, kBytes>& sum) {
  using L = Lanes<T, kBytes>;
  using Source = typename L::Source;
  for (int j = 0; j < L::kVectors; ++j) {
    const auto a = *reinterpret_cast<const Source*>(left + j * L::kPerVector);
    const auto b = *reinterpret_cast<const Source*>(right + j * L::kPerVector);
    sum.v[j] += __builtin_convertvector(a, typename L::Vector) * __builtin_convertvector(b, typename L::Vector);
  }
}

// Adds the outputs of one block to the totals; a true lane is -1.
template <typename T, int kBytes>
GUARDBIT_INLINE void add_evidence(const Running<T, kBytes>& run, Lanes<T, kBytes> (&totals)[4]) {
  for (int j = 0; j < Lanes<T, kBytes>::kVectors; ++j) {
    const auto overflowed = run.count.v[j] != 0;
    const auto differs = run.value.v[j] != run.exact.v[j];
    totals[0].v[j] += run.count.v[j];
    totals[1].v[j] -= overflowed;
    totals[2].v[j] -= overflowed & ~differs;
    totals[3].v[j] -= differs;
  }
}

struct RowBody {
  template <typename T, int kBytes, Fit kFit, bool kSingleStep>
  GUARDBIT_INLINE static void run(const DepthwiseRow<T>& in, std::int64_t blocks, std::int64_t* out,
                                  DepthwiseTotals<T>& totals) {
    const LaneRange<T> range{in.low, in.high, in.mask};
    Lanes<T, kBytes> counts[4] = {};
    Running<T, kBytes> run;
    load(totals.low, run.low);
    load(totals.high, run.high);
    const std::int64_t advance = kLanes % in.channels;
    std::int64_t channel = 0;
    for (std::int64_t at = 0; at < blocks * kLanes; at += kLanes) {
      load(in.exact + channel, run.exact);
      if constexpr (kFit != Fit::None) {
        load(in.value + channel, run.value);
        load(in.count + channel, run.count);
      }
      const std::int32_t* weights = in.weights + channel;
      int tap = 0;
      for (int group = 0; group < in.groups; ++group) {
        Lanes<T, kBytes> sum = {};
        const int end = kSingleStep ? tap + 1 : in.ends[group];
        for (; tap < end; ++tap, weights += in.stride) add_products<T, kBytes>(in.taps[tap] + at, weights, sum);
        narrow_lanes<T, kBytes, kFit>(range, sum, run);
      }
      T final[kLanes];
      store(kFit == Fit::None ? run.exact : run.value, final);
      for (int i = 0; i < kLanes; ++i) out[at + i] = final[i];
      if constexpr (kFit != Fit::None) add_evidence(run, counts);
      channel += advance;
      if (channel >= in.channels) channel -= in.channels;
    }
    store(run.low, totals.low);
    store(run.high, totals.high);
    if constexpr (kFit != Fit::None) {
      store(counts[0], totals.count);
      store(counts[1], totals.outputs);
      store(counts[2], totals.transient);
      store(counts[3], totals.harmful);
    }
  }
};

}  // namespace

DepthwiseKernel<std::int32_t> depthwise_kernel_32(Isa isa, Fit fit, bool single_step) {
  return Builds<RowBody, std::int32_t, DepthwiseKernel<std::int32_t>>::pick(isa, fit, single_step);
}

DepthwiseKernel<std::int64_t> depthwise_kernel_64(Isa isa, Fit fit, bool single_step) {
  return Builds<RowBody, std::int64_t, DepthwiseKernel<std::int64_t>>::pick(isa, fit, single_step);
}

}  // namespace guardbit::arith::detail
