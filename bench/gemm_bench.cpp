// Exact matrix products beside oneDNN's unchecked int8 product, in one process, call by call in turn.
//
// Shape 256 x 256 x 1152 (rows, columns, depth), the inner convolutions of CifarNet; u8 x s8 -> s32 on both sides.
// `ratio` is oneDNN's time over ours, the median over pairs: the figure that may be quoted. oneDNN is called as often in
// a pair as takes about the time of one call of ours, so that other work on the machine meets both alike; times are
// CPU times of the thread. `ratio_min` is the ratio of the smallest times. Rates are of the smallest times.
#include <benchmark/benchmark.h>

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "arith/gemm.hpp"
#include "arith/philox.hpp"
#include "bench/all_processors.hpp"
#include "bench/onednn_gemm.hpp"

namespace {

using namespace guardbit::arith;
using Clock = std::chrono::steady_clock;

constexpr int kRows = 256;
constexpr int kCols = 256;
constexpr int kDepth = 1152;

struct Operands {
  std::vector<std::uint8_t> lhs;
  std::vector<std::int32_t> rhs;
};

// Uniform over all codes: sums leave 16 and 20 bits all the time.
Operands uniform() {
  Operands o;
  Random random(1, 0);
  for (int i = 0; i < kRows * kDepth; ++i) o.lhs.push_back(static_cast<std::uint8_t>(random.below(256)));
  for (int i = 0; i < kDepth * kCols; ++i) o.rhs.push_back(static_cast<std::int32_t>(random.below(255)) - 127);
  return o;
}

// As in trained networks: half of the activations 0 and the others half-normal, weights normal; both clipped at their
// 8 bits, 3.3 and 4 standard deviations out.
Operands trained_like() {
  Operands o;
  Random random(2, 0);
  for (int i = 0; i < kRows * kDepth; ++i) {
    const int x = static_cast<int>(random.normal() * 76.0);
    o.lhs.push_back(static_cast<std::uint8_t>(std::clamp(x, 0, 255)));
  }
  for (int i = 0; i < kDepth * kCols; ++i) {
    o.rhs.push_back(std::clamp(static_cast<int>(random.normal() * 32.0), -127, 127));
  }
  return o;
}

double seconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

void beside_onednn(benchmark::State& state, const Operands& operands, const Accumulation& accumulation,
                   const GemmOptions& options) {
  const PackedWeights weights(operands.rhs.data(), kCols, kDepth, kCols);
  const guardbit::bench::OneDnnGemm peer(kRows, kCols, kDepth, operands.lhs.data(), operands.rhs.data());
  std::vector<std::int32_t> out(std::size_t{kRows} * kCols);
  const GemmOut to{.out32 = out.data(), .stride = kCols, .row_step = kCols};
  std::vector<double> ours, theirs, ratios;
  AccumulationEvidence evidence;
  GemmWork work;
  const auto run = [&] {
    const double start = cpu_seconds();
    gemm(GemmLhs::of(operands.lhs.data(), kDepth, 0), kRows, weights, {}, accumulation, to, evidence, options, &work);
    return cpu_seconds() - start;
  };
  const auto run_peer = [&](int times) {
    const double start = cpu_seconds();
    for (int i = 0; i < times; ++i) peer.run();
    return (cpu_seconds() - start) / times;
  };
  run_peer(2);
  const int times = std::max(1, static_cast<int>(std::lround(std::min(run(), run()) / run_peer(4))));
  for (auto _ : state) {
    theirs.push_back(run_peer(times));
    ours.push_back(run());
    benchmark::DoNotOptimize(out.data());
    ratios.push_back(theirs.back() / ours.back());
    state.SetIterationTime(ours.back());
  }
  const double macs = double{kRows} * kCols * kDepth;
  const double all = double(work.proven + work.guarded + work.lanes + work.general);
  const double best = *std::min_element(ours.begin(), ours.end());
  const double peer_best = *std::min_element(theirs.begin(), theirs.end());
  state.counters["ratio"] = median(ratios);
  state.counters["ratio_min"] = peer_best / best;
  state.counters["MACs"] = macs / best;
  state.counters["onednn_MACs"] = macs / peer_best;
  state.counters["in_lanes"] = double(work.lanes) / all;
  state.counters["overflowing_outputs"] = evidence.accumulator.rate();
}

// Two threads against one: `ratio` is the one's time over the two's.
void two_threads(benchmark::State& state, const Operands& operands, const Accumulation& accumulation,
                 GemmOptions options) {
  const guardbit::bench::AllProcessors all;
  const PackedWeights weights(operands.rhs.data(), kCols, kDepth, kCols);
  std::vector<std::uint8_t> lhs;
  constexpr int kTimes = 8;  // rows enough for a thread to be worth its start
  for (int i = 0; i < kTimes; ++i) lhs.insert(lhs.end(), operands.lhs.begin(), operands.lhs.end());
  std::vector<std::int32_t> out(std::size_t{kTimes} * kRows * kCols);
  const GemmOut to{.out32 = out.data(), .stride = kCols, .row_step = kCols};
  std::vector<double> ratios;
  for (auto _ : state) {
    double time[2];
    for (const int threads : {1, 2}) {
      options.threads = threads;
      AccumulationEvidence evidence;
      const auto start = Clock::now();
      gemm(GemmLhs::of(lhs.data(), kDepth, 0), kTimes * kRows, weights, {}, accumulation, to, evidence, options);
      time[threads - 1] = seconds(start, Clock::now());
    }
    ratios.push_back(time[0] / time[1]);
    state.SetIterationTime(time[1]);
  }
  state.counters["ratio"] = median(ratios);
  state.counters["ratio_max"] = *std::max_element(ratios.begin(), ratios.end());
}

Accumulation accumulator(int width, Overflow overflow, int step) {
  return {.accumulator = {.format = integer_format(width, true, overflow), .step = step}, .psum = {}, .fold = 0};
}

#define GUARDBIT_BENCH(NAME, FUNCTION, ...) BENCHMARK_CAPTURE(FUNCTION, NAME, __VA_ARGS__)->UseManualTime()

GUARDBIT_BENCH(proven_wrap32, beside_onednn, uniform(), accumulator(32, Overflow::WRAP, 1), {});
GUARDBIT_BENCH(exact_sat16_step1, beside_onednn, uniform(), accumulator(16, Overflow::SAT, 1), {});
GUARDBIT_BENCH(exact_wrap20_step1, beside_onednn, uniform(), accumulator(20, Overflow::WRAP, 1),
               {.path = GemmPath::Lanes32});
GUARDBIT_BENCH(auto_wrap20_step1, beside_onednn, uniform(), accumulator(20, Overflow::WRAP, 1), {});
GUARDBIT_BENCH(exact_sat20_step1, beside_onednn, uniform(), accumulator(20, Overflow::SAT, 1),
               {.path = GemmPath::Lanes32});
GUARDBIT_BENCH(exact_sat20_step4, beside_onednn, uniform(), accumulator(20, Overflow::SAT, 4),
               {.path = GemmPath::Lanes32});
GUARDBIT_BENCH(guarded_wrap20_trained, beside_onednn, trained_like(), accumulator(20, Overflow::WRAP, 1),
               {.path = GemmPath::Guarded});
GUARDBIT_BENCH(guarded_sat18_trained, beside_onednn, trained_like(), accumulator(18, Overflow::SAT, 1),
               {.path = GemmPath::Guarded});
GUARDBIT_BENCH(exact_sat16_avx2, beside_onednn, uniform(), accumulator(16, Overflow::SAT, 1), {.isa = GemmIsa::Avx2});
GUARDBIT_BENCH(exact_wrap20_avx2, beside_onednn, uniform(), accumulator(20, Overflow::WRAP, 1),
               {.path = GemmPath::Lanes32, .isa = GemmIsa::Avx2});
GUARDBIT_BENCH(guarded_wrap20_avx2, beside_onednn, trained_like(), accumulator(20, Overflow::WRAP, 1),
               {.path = GemmPath::Guarded, .isa = GemmIsa::Avx2});
GUARDBIT_BENCH(sat16_two_threads, two_threads, uniform(), accumulator(16, Overflow::SAT, 1), {});
GUARDBIT_BENCH(guarded_two_threads, two_threads, trained_like(), accumulator(20, Overflow::WRAP, 1), {});

}  // namespace
