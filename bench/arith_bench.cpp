// Exact accumulation with evidence beside oneDNN's unchecked int8 product, in one process on one core.
//
// Shape: 256 x 256 x 1152 (rows, columns, depth), the inner convolutions of CifarNet. Rates are MACs or elements per
// second; the ratio of two rates of one run is what may be quoted.
#include <benchmark/benchmark.h>

#include <dnnl.hpp>
#include <vector>

#include "arith/accumulate.hpp"
#include "arith/philox.hpp"

namespace {

using namespace guardbit::arith;

constexpr int kRows = 256;
constexpr int kCols = 256;
constexpr int kDepth = 1152;

std::vector<std::int32_t> random_operands(std::size_t count, std::uint64_t seed, int low, int high) {
  Random random(seed, 0);
  std::vector<std::int32_t> values(count);
  for (std::int32_t& value : values) {
    value = low + static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(high - low + 1)));
  }
  return values;
}

void accumulate(benchmark::State& state, const Accumulation& accumulation) {
  const auto lhs = random_operands(std::size_t{kRows} * kDepth, 1, 0, 255);  // int8 codes minus a zero point of -128
  const auto rhs = random_operands(std::size_t{kDepth} * kCols, 2, -127, 127);
  std::vector<std::int64_t> out(std::size_t{kRows} * kCols);
  AccumulatorTile tile(kRows, kCols, accumulation);
  for (auto _ : state) {
    AccumulationEvidence evidence;
    tile.reset(kRows, kCols, {});
    tile.accumulate(lhs.data(), kDepth, rhs.data(), kCols, kDepth);
    tile.finish(out.data(), kCols, 0, kCols, evidence);
    benchmark::DoNotOptimize(evidence);
  }
  state.counters["MACs"] =
      benchmark::Counter(double{kRows} * kCols * kDepth, benchmark::Counter::kIsIterationInvariantRate);
}

Accumulation accumulator(int width, Overflow overflow, int step) {
  return {.accumulator = {.format = integer_format(width, true, overflow), .step = step}, .psum = {}, .fold = 0};
}

BENCHMARK_CAPTURE(accumulate, sat16_step1, accumulator(16, Overflow::SAT, 1));
BENCHMARK_CAPTURE(accumulate, wrap20_step1, accumulator(20, Overflow::WRAP, 1));
BENCHMARK_CAPTURE(accumulate, sat20_step4, accumulator(20, Overflow::SAT, 4));
BENCHMARK_CAPTURE(accumulate, wrap32_step1, accumulator(32, Overflow::WRAP, 1));

// The peer: u8 x s8 -> s32, nothing checked.
void onednn_u8s8s32(benchmark::State& state) {
  using tag = dnnl::memory::format_tag;
  using type = dnnl::memory::data_type;
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const dnnl::memory::desc lhs_desc({kRows, kDepth}, type::u8, tag::ab);
  const dnnl::memory::desc rhs_desc({kDepth, kCols}, type::s8, tag::any);
  const dnnl::memory::desc out_desc({kRows, kCols}, type::s32, tag::ab);
  const dnnl::matmul::primitive_desc matmul_desc({lhs_desc, rhs_desc, out_desc}, engine);
  dnnl::memory lhs(lhs_desc, engine), rhs(matmul_desc.weights_desc(), engine), out(out_desc, engine);
  const dnnl::matmul matmul(matmul_desc);
  for (auto _ : state) {
    matmul.execute(stream, {{DNNL_ARG_SRC, lhs}, {DNNL_ARG_WEIGHTS, rhs}, {DNNL_ARG_DST, out}});
    stream.wait();
  }
  state.counters["MACs"] =
      benchmark::Counter(double{kRows} * kCols * kDepth, benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(onednn_u8s8s32);

}  // namespace
