// The guarded product on every weighted layer of quantized networks, with their own weights and activations, beside
// oneDNN's unchecked product on the same operands, call by call in turn.
//
//   layers_bench CIFAR10_FOLDER BUNDLE... > result.json
//
// Each bundle runs on the first images of the test set; a layer's left operand is its gathered patches. Per layer and
// width P (WRAP, step 1): the ratio of oneDNN's CPU time to ours, the median of several pairs, and the shares of the
// work that the weights alone proved, that the guard proved, and that was done in lanes. Then geometric means.
#include <time.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "arith/error.hpp"
#include "arith/gemm.hpp"
#include "bench/onednn_gemm.hpp"
#include "nets/data/dataset.hpp"
#include "nets/engines/engine.hpp"
#include "nets/quantize/bundle.hpp"
#include "nets/quantize/conv_shape.hpp"

namespace {

using namespace guardbit;

constexpr std::int64_t kImages = 4;
constexpr int kPairs = 31;

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Operands {
  std::int64_t rows = 0, cols = 0, depth = 0;
  std::vector<std::uint8_t> lhs;  // value + zero_point
  std::int32_t zero_point = 0;
  std::vector<std::int32_t> rhs;
  std::vector<std::int64_t> initial;
};

Operands operands_of(const nets::IntegerNetwork& network, const nets::IntegerLayer& layer, const nets::RunResult& run) {
  const nets::ConvShape shape = nets::conv_shape(network, layer);
  const auto input = static_cast<std::size_t>(layer.inputs[0]);
  const auto zero_point = static_cast<std::int32_t>(network.layers[input].output.zero_point);
  Operands o;
  o.rows = kImages * shape.rows();
  o.cols = shape.group_k;
  o.depth = shape.depth();
  o.zero_point = zero_point + 128;
  std::vector<std::int32_t> values(static_cast<std::size_t>(shape.rows() * o.depth));
  for (std::int64_t image = 0; image < kImages; ++image) {
    nets::gather_rows(shape, run.layers[input].codes.data.data() + image * shape.input_count(), zero_point, 0, 0,
                      shape.rows(), values.data());
    for (const std::int32_t v : values) o.lhs.push_back(static_cast<std::uint8_t>(v + o.zero_point));
  }
  o.rhs.resize(static_cast<std::size_t>(o.depth * o.cols));
  nets::gather_weights(shape, layer.weight, 0, o.rhs.data());
  if (!layer.bias.empty()) o.initial.assign(layer.bias.begin(), layer.bias.begin() + o.cols);
  return o;
}

nlohmann::json compare(const Operands& o, int width) {
  const arith::PackedWeights weights(o.rhs.data(), o.cols, o.depth, o.cols);
  const bench::OneDnnGemm peer(o.rows, o.cols, o.depth, o.lhs.data(), o.rhs.data());
  const arith::Accumulation accumulation{
      .accumulator = {arith::integer_format(width, true, arith::Overflow::WRAP), 1}, .psum = {}, .fold = 0};
  std::vector<std::int32_t> out(static_cast<std::size_t>(o.rows * o.cols));
  const arith::GemmOut to{.out32 = out.data(), .stride = o.cols, .row_step = o.cols};
  arith::AccumulationEvidence evidence;
  arith::GemmWork work;
  const auto run = [&](int times) {
    const double start = cpu_seconds();
    for (int i = 0; i < times; ++i) {
      evidence = {};
      arith::gemm(arith::GemmLhs::of(o.lhs.data(), o.depth, o.zero_point), o.rows, weights, o.initial, accumulation, to,
                  evidence, {}, &work);
    }
    return (cpu_seconds() - start) / times;
  };
  const auto run_peer = [&](int times) {
    const double start = cpu_seconds();
    for (int i = 0; i < times; ++i) peer.run();
    return (cpu_seconds() - start) / times;
  };
  run(1);
  run_peer(1);
  // A pair takes about a millisecond.
  const int times = std::max(1, static_cast<int>(5e-4 / run_peer(2)));
  std::vector<double> ratios;
  double best = 1e9;
  for (int i = 0; i < kPairs; ++i) {
    const double theirs = run_peer(times);
    const double ours = run(times);
    ratios.push_back(theirs / ours);
    best = std::min(best, ours);
  }
  const double macs = double(o.rows) * double(o.cols) * double(o.depth);
  const double all = double(work.proven + work.guarded + work.lanes + work.general);
  return {{"ratio", median(ratios)},
          {"gmacs_per_second", macs / best * 1e-9},
          {"proven", double(work.proven) / all},
          {"guarded", double(work.guarded) / all},
          {"in_lanes", double(work.lanes) / all},
          {"overflowing_outputs", evidence.accumulator.outputs},
          {"shape", {o.rows, o.cols, o.depth}}};
}

struct Mean {
  double logarithms = 0;
  int count = 0;
  void add(double ratio) {
    logarithms += std::log(ratio);
    ++count;
  }
  [[nodiscard]] double value() const { return std::exp(logarithms / count); }
};

int run(int argc, char** argv) {
  nets::DatasetSpec spec;
  spec.name = "cifar10";
  spec.path = argv[1];
  const nets::Dataset data = nets::load_dataset(spec, nets::Split::Test);
  nlohmann::json result;
  Mean overall;
  for (int b = 2; b < argc; ++b) {
    const nets::Bundle bundle = nets::load_bundle(argv[b]);
    const nets::IntTensor input = nets::quantize_input(bundle.network, data.images.data(), kImages);
    const auto accumulations = nets::uniform(bundle.network, {});
    const nets::RunResult run = nets::make_fast_engine()->run(bundle.network, accumulations, input, {});
    nlohmann::json& mine = result["networks"][bundle.network.name];
    for (const int width : {20, 24}) {
      Mean mean;
      nlohmann::json layers = nlohmann::json::array();
      for (const nets::IntegerLayer& layer : bundle.network.layers) {
        if (!layer.weighted() || layer.groups != 1) continue;
        nlohmann::json entry = compare(operands_of(bundle.network, layer, run), width);
        entry["name"] = layer.name;
        mean.add(entry["ratio"]);
        overall.add(entry["ratio"]);
        layers.push_back(entry);
      }
      mine["P" + std::to_string(width)] = {{"layers", layers}, {"geometric_mean", mean.value()}};
    }
  }
  result["geometric_mean"] = overall.value();
  std::cout << result.dump(1) << "\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: layers_bench CIFAR10_FOLDER BUNDLE...\n";
    return 2;
  }
  try {
    return run(argc, argv);
  } catch (const guardbit::Error& error) {
    std::cerr << error.what() << "\n";
    return 2;
  }
}
