// Floats to 16-bit fixed point with exact statistics: the vector loops, with one and two threads, beside a plain loop
// that moves the same bytes, and beside the same conversion by one scalar number at a time and by SystemC's sc_fixed.
// per_element (seconds; of CPU time for one thread, of time that passed for two) is what may be quoted.
//
// 60 MB go past, so memory decides, and with it the size of the pages: with huge_pages:1 the arrays of both lie on pages
// of 2 MB (huge_MB: how much really does, of the whole process), else on pages of 4 KB.
#define SC_INCLUDE_FX
#include <benchmark/benchmark.h>

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <systemc>
#include <vector>

#include "arith/parallel.hpp"
#include "arith/philox.hpp"
#include "arith/quantize.hpp"
#include "arith/real.hpp"
#include "bench/all_processors.hpp"

int sc_main(int, char**) { return 0; }

namespace {

using namespace guardbit::arith;

constexpr std::size_t kCount = 10000000;
constexpr Format kTarget = {.kind = Kind::Fixed, .width = 16, .integer_bits = 8, .rounding = Rounding::RND_CONV,
                            .overflow = Overflow::SAT};

// An array on pages of 2 MB or of 4 KB.
template <typename T>
class Array {
 public:
  Array(std::size_t count, bool huge) : count_(count) {
    constexpr std::size_t kPage = std::size_t{2} << 20;
    const std::size_t bytes = (count * sizeof(T) + kPage - 1) / kPage * kPage;
    data_ = static_cast<T*>(std::aligned_alloc(kPage, bytes));
    if (data_ == nullptr) throw std::bad_alloc();
    madvise(data_, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    std::memset(data_, 0, bytes);
  }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  ~Array() { std::free(data_); }
  [[nodiscard]] std::span<T> all() const { return {data_, count_}; }

 private:
  T* data_;
  std::size_t count_;
};

// MB of this process that lie on huge pages.
double huge_megabytes() {
  std::ifstream rollup("/proc/self/smaps_rollup");
  for (std::string word; rollup >> word;) {
    double kilobytes = 0;
    if (word == "AnonHugePages:" && rollup >> kilobytes) return kilobytes / 1024;
  }
  return 0;
}

// Normal numbers of deviation 40, so that 0.14 % overflow the range of +-128.
std::span<const float> source(bool huge) {
  static const auto make = [](bool on_huge) {
    auto made = std::make_unique<Array<float>>(kCount, on_huge);
    Random random(1);
    for (float& value : made->all()) value = static_cast<float>(random.normal() * 40);
    return made;
  };
  static const std::unique_ptr<Array<float>> arrays[] = {make(false), make(true)};
  return arrays[huge ? 1 : 0]->all();
}

void per_element(benchmark::State& state, std::size_t count) {
  state.counters["per_element"] = benchmark::Counter(
      static_cast<double>(count), benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

// convert(in, out, threads) with the threads and pages asked for.
template <typename Convert>
void measure(benchmark::State& state, const Convert& convert) {
  const int threads = static_cast<int>(state.range(0));
  const bool huge = state.range(1) != 0;
  std::optional<guardbit::bench::AllProcessors> all;
  if (threads > 1) all.emplace();
  const std::span<const float> in = source(huge);
  const Array<std::int16_t> out(in.size(), huge);
  for (auto _ : state) {
    convert(in, out.all(), threads);
    benchmark::DoNotOptimize(out.all().data());
  }
  if (huge) state.counters["huge_MB"] = huge_megabytes();
  per_element(state, in.size());
}

void quantize_bulk(benchmark::State& state, Format format, bool histogram) {
  QuantizeStatistics statistics;
  measure(state, [&](std::span<const float> in, std::span<std::int16_t> out, int threads) {
    statistics = QuantizeStatistics{.histogram = histogram};
    quantize<std::int16_t>(in, format, out, statistics, threads);
  });
  state.counters["overflows"] = static_cast<double>(statistics.above + statistics.below);
}

// The time to move the same bytes: what no conversion can beat.
void copy_bytes(benchmark::State& state) {
  measure(state, [](std::span<const float> in, std::span<std::int16_t> out, int threads) {
    parallel_parts(threads, static_cast<std::int64_t>(in.size()), [&](int, std::int64_t first, std::int64_t last) {
      const auto begin = static_cast<std::size_t>(first);
      const auto end = static_cast<std::size_t>(last);
      for (std::size_t i = begin; i < end; ++i) out[i] = static_cast<std::int16_t>(static_cast<std::int32_t>(in[i]));
    });
  });
}

Format with(Rounding rounding, Overflow overflow) {
  Format format = kTarget;
  format.rounding = rounding;
  format.overflow = overflow;
  return format;
}

void one_thread(benchmark::internal::Benchmark* family) {
  family->ArgNames({"threads", "huge_pages"})->Args({1, 0})->Args({1, 1})->Unit(benchmark::kMillisecond);
}
void two_threads(benchmark::internal::Benchmark* family) {
  family->ArgNames({"threads", "huge_pages"})->Args({2, 0})->Args({2, 1})->Unit(benchmark::kMillisecond);
  family->UseRealTime();
}

BENCHMARK(copy_bytes)->Apply(one_thread);
BENCHMARK_CAPTURE(quantize_bulk, rnd_conv_sat, kTarget, false)->Apply(one_thread);
BENCHMARK(copy_bytes)->Apply(two_threads);
BENCHMARK_CAPTURE(quantize_bulk, rnd_conv_sat, kTarget, false)->Apply(two_threads);
BENCHMARK_CAPTURE(quantize_bulk, rnd_sat, with(Rounding::RND, Overflow::SAT), false)->Apply(one_thread);
BENCHMARK_CAPTURE(quantize_bulk, trn_wrap, with(Rounding::TRN, Overflow::WRAP), false)->Apply(one_thread);
BENCHMARK_CAPTURE(quantize_bulk, rnd_conv_sat_histogram, kTarget, true)->Apply(one_thread);

void scalar_narrow(benchmark::State& state) {
  const std::span<const float> in = source(false);
  std::vector<std::int16_t> out(in.size());
  for (auto _ : state) {
    std::uint64_t overflows = 0;
    for (std::size_t i = 0; i < in.size(); ++i) {
      const NarrowedReal narrowed = narrow(double{in[i]}, kTarget);
      out[i] = static_cast<std::int16_t>(narrowed.value);
      overflows += narrowed.overflowed ? 1 : 0;
    }
    benchmark::DoNotOptimize(overflows);
  }
  per_element(state, in.size());
}
BENCHMARK(scalar_narrow)->Unit(benchmark::kMillisecond);

void systemc_fixed(benchmark::State& state) {
  const std::span<const float> in = source(false);
  constexpr std::size_t kPart = kCount / 10;
  sc_dt::sc_fixed_fast<16, 8, sc_dt::SC_RND_CONV, sc_dt::SC_SAT> code;
  for (auto _ : state) {
    std::uint64_t overflows = 0;
    for (std::size_t i = 0; i < kPart; ++i) {
      code = double{in[i]};
      overflows += code.overflow_flag() ? 1 : 0;
    }
    benchmark::DoNotOptimize(overflows);
  }
  per_element(state, kPart);
}
BENCHMARK(systemc_fixed)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
