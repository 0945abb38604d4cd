// Floats to 16-bit fixed point with exact statistics: the vector loops beside the same conversion by one scalar number
// at a time and by SystemC's sc_fixed, in one process on one core. per_element (seconds) is what may be quoted.
#define SC_INCLUDE_FX
#include <benchmark/benchmark.h>

#include <systemc>
#include <vector>

#include "arith/philox.hpp"
#include "arith/quantize.hpp"
#include "arith/real.hpp"

int sc_main(int, char**) { return 0; }

namespace {

using namespace guardbit::arith;

constexpr std::size_t kCount = 10000000;
constexpr Format kTarget = {.kind = Kind::Fixed, .width = 16, .integer_bits = 8, .rounding = Rounding::RND_CONV,
                            .overflow = Overflow::SAT};

// Normal numbers of deviation 40, so that 0.14 % overflow the range of +-128.
const std::vector<float>& source() {
  static const std::vector<float> values = [] {
    Random random(1);
    std::vector<float> made(kCount);
    for (float& value : made) value = static_cast<float>(random.normal() * 40);
    return made;
  }();
  return values;
}

void per_element(benchmark::State& state, std::size_t count) {
  state.counters["per_element"] = benchmark::Counter(
      static_cast<double>(count), benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void quantize_bulk(benchmark::State& state, Format format, bool histogram) {
  const std::vector<float>& in = source();
  std::vector<std::int16_t> out(in.size());
  QuantizeStatistics statistics;
  for (auto _ : state) {
    statistics = QuantizeStatistics{.histogram = histogram};
    quantize<std::int16_t>(in, format, out, statistics);
    benchmark::DoNotOptimize(out.data());
  }
  state.counters["overflows"] = static_cast<double>(statistics.above + statistics.below);
  per_element(state, in.size());
}

Format with(Rounding rounding, Overflow overflow) {
  Format format = kTarget;
  format.rounding = rounding;
  format.overflow = overflow;
  return format;
}

BENCHMARK_CAPTURE(quantize_bulk, rnd_conv_sat, kTarget, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(quantize_bulk, rnd_sat, with(Rounding::RND, Overflow::SAT), false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(quantize_bulk, trn_wrap, with(Rounding::TRN, Overflow::WRAP), false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(quantize_bulk, rnd_conv_sat_histogram, kTarget, true)->Unit(benchmark::kMillisecond);

// The time to move the same bytes: what no conversion can beat.
void copy_bytes(benchmark::State& state) {
  const std::vector<float>& in = source();
  std::vector<std::int16_t> out(in.size());
  for (auto _ : state) {
    for (std::size_t i = 0; i < in.size(); ++i) out[i] = static_cast<std::int16_t>(static_cast<std::int32_t>(in[i]));
    benchmark::DoNotOptimize(out.data());
  }
  per_element(state, in.size());
}
BENCHMARK(copy_bytes)->Unit(benchmark::kMillisecond);

void scalar_narrow(benchmark::State& state) {
  const std::vector<float>& in = source();
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
  const std::vector<float>& in = source();
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
