// Requantize: accumulators to codes with the exact count of saturations, per preset and type, beside the same
// arithmetic as plain loops that count nothing. A block is what an engine hands over at a time: 256 rows, 64 channels.
//
// The peers are gemmlowp's SaturatingRoundingDoublingHighMul and RoundingDivideByPOT (fixedpoint.h), written out, with
// TFLite's clamp to int8 at the end; compiled for any x86-64 and for AVX-512, as far as the compiler makes vectors of
// them. per_element (seconds) is what may be quoted.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "arith/philox.hpp"
#include "arith/stages.hpp"

namespace {

using namespace guardbit::arith;

constexpr std::int64_t kChannels = 64;
constexpr std::int64_t kRows = 256;

enum class Preset { TfliteDouble, TfliteSingle, OnnxFloat, Pow2 };

OutputSpec spec_of(Format format, Activation activation) {
  OutputSpec spec;
  for (std::int64_t c = 0; c < kChannels; ++c) {
    spec.real_multipliers.push_back(0.0005 + 0.00001 * static_cast<double>(c));
  }
  spec.zero_point = format.is_signed ? -7 : 120;
  spec.format = format;
  spec.activation = activation;
  return spec;
}

StageList stages_of(Preset preset, const OutputSpec& spec) {
  switch (preset) {
    case Preset::TfliteDouble:
      return tflite_double(spec);
    case Preset::TfliteSingle:
      return tflite_single(spec);
    case Preset::OnnxFloat:
      return onnx_float(spec);
    case Preset::Pow2:
      return pow2(spec, 11, Rounding::RND_CONV);
  }
  __builtin_unreachable();
}

// Sums of 19 bits: after the multiplication 8 % of them are beyond int8.
template <class In>
std::vector<In> accumulators(std::size_t count) {
  Random random(3, 0);
  std::vector<In> values(count);
  for (In& value : values) {
    value = static_cast<In>(random.below(1U << 19)) - (1 << 18);
  }
  return values;
}

void per_element(benchmark::State& state, std::size_t count) {
  state.counters["per_element"] = benchmark::Counter(
      static_cast<double>(count), benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

template <class In, class Out>
void requantize(benchmark::State& state, const StageList& stages) {
  const Requantizer requantizer(stages, kChannels);
  const std::vector<In> in = accumulators<In>(kChannels * kRows);
  std::vector<Out> out(in.size());
  StageCounts counts;
  for (auto _ : state) {
    counts = {};
    requantizer.apply(in.data(), kChannels, out.data(), kChannels, kRows, 0, kChannels, counts);
    benchmark::DoNotOptimize(out.data());
  }
  per_element(state, in.size());
  state.counters["saturated"] = static_cast<double>(counts.changed.back());
}

const Format kInt8 = integer_format(8);
const Format kUint8 = integer_format(8, false);
const Format kInt16 = integer_format(16);

void preset(benchmark::State& state, Preset which) {
  requantize<std::int32_t, std::int8_t>(state, stages_of(which, spec_of(kInt8, Activation::None)));
}
BENCHMARK_CAPTURE(preset, tflite_double, Preset::TfliteDouble);
BENCHMARK_CAPTURE(preset, tflite_single, Preset::TfliteSingle);
BENCHMARK_CAPTURE(preset, onnx_float, Preset::OnnxFloat);
BENCHMARK_CAPTURE(preset, pow2, Preset::Pow2);

// Other types, with an activation: the widest is what the engines use.
void double_u8_relu(benchmark::State& state) {
  requantize<std::int32_t, std::uint8_t>(state, tflite_double(spec_of(kUint8, Activation::Relu)));
}
void double_i16(benchmark::State& state) {
  requantize<std::int32_t, std::int16_t>(state, tflite_double(spec_of(kInt16, Activation::None)));
}
void double_from_64_bits(benchmark::State& state) {
  requantize<std::int64_t, std::int8_t>(state, tflite_double(spec_of(kInt8, Activation::None)));
}
void double_64_to_32_bits(benchmark::State& state) {
  requantize<std::int64_t, std::int32_t>(state, tflite_double(spec_of(kInt8, Activation::None)));
}
BENCHMARK(double_u8_relu);
BENCHMARK(double_i16);
BENCHMARK(double_from_64_bits);
BENCHMARK(double_64_to_32_bits);

// A converter that no fused loop knows: 49-bit wrapping multiply, two narrowings that act.
void general_stages(benchmark::State& state) {
  requantize<std::int64_t, std::int32_t>(
      state, StageList{Multiply{1234567, integer_format(49, true, Overflow::WRAP)}, ShiftRight{20, Rounding::RND_CONV},
                       Narrow{integer_format(17)}, ShiftRight{2, Rounding::RND_INF}, Narrow{kInt8}});
}
BENCHMARK(general_stages);

void one_by_one(benchmark::State& state) {
  const StageList stages = tflite_double(spec_of(kInt8, Activation::None));
  const std::vector<std::int32_t> in = accumulators<std::int32_t>(kChannels * kRows);
  std::vector<std::int8_t> out(in.size());
  StageCounts counts;
  counts.changed.resize(stages.size());
  for (auto _ : state) {
    for (std::size_t i = 0; i < in.size(); ++i) {
      out[i] = static_cast<std::int8_t>(
          apply_stages(stages, in[i], static_cast<std::int64_t>(i % kChannels), counts));
    }
    benchmark::DoNotOptimize(out.data());
  }
  per_element(state, in.size());
}
BENCHMARK(one_by_one);

[[gnu::always_inline]] inline std::int32_t gemmlowp_high_mul(std::int32_t a, std::int32_t b) {
  const bool overflow = a == b && a == std::numeric_limits<std::int32_t>::min();
  const std::int64_t ab = std::int64_t{a} * b;
  const std::int32_t nudge = ab >= 0 ? (1 << 30) : (1 - (1 << 30));
  const auto high = static_cast<std::int32_t>((ab + nudge) / (std::int64_t{1} << 31));
  return overflow ? std::numeric_limits<std::int32_t>::max() : high;
}

[[gnu::always_inline]] inline std::int32_t gemmlowp_divide_by_pot(std::int32_t x, int exponent) {
  const std::int32_t mask = static_cast<std::int32_t>((std::int64_t{1} << exponent) - 1);
  const std::int32_t remainder = x & mask;
  const std::int32_t threshold = (mask >> 1) + (x < 0 ? 1 : 0);
  return (x >> exponent) + (remainder > threshold ? 1 : 0);
}

struct Peer {
  std::vector<std::int32_t> multipliers, shifts;
  std::int32_t zero_point;
};

[[gnu::always_inline]] inline void gemmlowp_rows(const Peer& peer, const std::int32_t* in, std::int8_t* out) {
  const std::int32_t* multipliers = peer.multipliers.data();
  const std::int32_t* shifts = peer.shifts.data();
  const std::int32_t zero_point = peer.zero_point;
  for (std::int64_t r = 0; r < kRows; ++r) {
    const std::int32_t* from = in + r * kChannels;
    std::int8_t* to = out + r * kChannels;
    for (std::int64_t c = 0; c < kChannels; ++c) {
      const std::int32_t x = gemmlowp_divide_by_pot(gemmlowp_high_mul(from[c], multipliers[c]), shifts[c]) + zero_point;
      to[c] = static_cast<std::int8_t>(std::min(std::max(x, -128), 127));
    }
  }
}

void rows_anywhere(const Peer& peer, const std::int32_t* in, std::int8_t* out) { gemmlowp_rows(peer, in, out); }
[[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")]] void rows_avx512(
    const Peer& peer, const std::int32_t* in, std::int8_t* out) {
  gemmlowp_rows(peer, in, out);
}

void plain_loop(benchmark::State& state, void (*rows)(const Peer&, const std::int32_t*, std::int8_t*)) {
  const OutputSpec spec = spec_of(kInt8, Activation::None);
  Peer peer{.multipliers = {}, .shifts = {}, .zero_point = static_cast<std::int32_t>(spec.zero_point)};
  for (const double real : spec.real_multipliers) {
    const QuantizedMultiplier m = quantize_multiplier(real);
    peer.multipliers.push_back(m.multiplier);
    peer.shifts.push_back(-m.shift);
  }
  const std::vector<std::int32_t> in = accumulators<std::int32_t>(kChannels * kRows);
  std::vector<std::int8_t> out(in.size());
  for (auto _ : state) {
    rows(peer, in.data(), out.data());
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  per_element(state, in.size());
  // The peer is the same function.
  std::vector<std::int8_t> ours(in.size());
  StageCounts counts;
  Requantizer(tflite_double(spec), kChannels)
      .apply(in.data(), kChannels, ours.data(), kChannels, kRows, 0, kChannels, counts);
  if (ours != out) state.SkipWithError("differs");
}
BENCHMARK_CAPTURE(plain_loop, gemmlowp, rows_anywhere);
BENCHMARK_CAPTURE(plain_loop, gemmlowp_avx512, rows_avx512);

}  // namespace
