// What is trained is what runs: the codes of the trainer's forward pass against those of every engine on the network
// that conversion makes of the parameters, on every back end.
#include <gtest/gtest.h>

#include <cmath>

#include "nets/engines/compare.hpp"
#include "nets/quantize/quantize.hpp"
#include "sim/simulator.hpp"
#include "tests/trainer/device.hpp"
#include "tests/trainer/quantized_run.hpp"

namespace guardbit::trainer {
namespace {

sim::Machine machine(const std::string& output_policy) {
  return sim::read_machine(nets::Section::parse(
      "{array: {rows: 8, columns: 8}, numerics: {activation: int16, weight: int16, "
      "accumulator: {format: \"int<48,WRAP>\", step: 1}, output: " + output_policy + "}}"));
}

void expect_same_codes(const nets::IntegerNetwork& network, const nets::RunResult& expected,
                       const nets::RunResult& actual, const std::string& what) {
  std::uint64_t compared = 0;
  for (const nets::CodeComparison& layer : nets::compare_codes(network, expected, actual)) {
    EXPECT_EQ(layer.mismatching, 0U) << what << ": " << (layer.first ? layer.first->text() : "");
    compared += layer.compared;
  }
  EXPECT_GT(compared, 0U);
}

class QuantizedCodes : public testing::TestWithParam<std::tuple<Rules, const char*>> {};

TEST_P(QuantizedCodes, OfTheTrainerAreThoseOfEveryEngine) {
  const Rules rules = std::get<0>(GetParam());
  const std::string device = std::get<1>(GetParam());
  GUARDBIT_SKIP_WITHOUT(device);
  for (const char* yaml : {kSmallLenet, kSmallResnet}) {
    QuantizedRun run(small_network(yaml), rules.yaml, make_test_backend(device, 2), 16);
    double first = 0, last = 0;
    const int steps = device == "cpu" || device == "cuda" ? 12 : 2;
    for (int i = 0; i < steps; ++i) (i == 0 ? first : last) = run.step(0.03);
    EXPECT_TRUE(std::isfinite(last));
    run.load(run.infer, 100);
    run.infer.forward(run.batch);
    const QuantizedGraph& trained = *run.infer.quantized();

    nets::Network stored = run.network;
    run.parameters.store(*run.backend, stored);
    const nets::Network folded = nets::prepare_float(stored);
    const nets::QuantizationRecord record = run.infer.quantized()->record();
    const nets::IntegerNetwork network = nets::convert(folded, *nets::make_recorded_scheme(record));
    const nets::IntTensor input = nets::quantize_input(
        network, glyphs().images.data() + 100 * 28 * 28, run.batch);
    arith::Accumulation accumulation;
    accumulation.accumulator.format = arith::integer_format(48, true, arith::Overflow::WRAP);
    const auto wide = nets::uniform(network, accumulation);
    const nets::RunResult reference = nets::make_reference_engine()->run(network, wide, input, {});
    expect_same_codes(network, reference, trained.codes(), "trainer");
    expect_same_codes(network, reference, nets::make_fast_engine()->run(network, wide, input, {.threads = 2}), "fast");
    const sim::Machine m = machine(network.output_policy);
    expect_same_codes(network, reference,
                      sim::make_tile_engine(m)->run(network, sim::accumulations(m, network), input, {}), "tile");
    for (std::size_t i = 0; i < network.layers.size(); ++i) {
      const nets::IntegerLayer &a = network.layers[i], &b = trained.network().layers[i];
      EXPECT_EQ(a.weight, b.weight) << a.name;
      EXPECT_EQ(a.bias, b.bias) << a.name;
      EXPECT_EQ(a.stages, b.stages) << a.name;
      EXPECT_EQ(a.input_stages, b.input_stages) << a.name;
      EXPECT_EQ(a.output, b.output) << a.name;
    }
    // Scores are the codes as reals.
    const std::vector<double> scores = download_double(*run.backend, run.infer.scores(run.batch));
    const nets::LayerResult& out = reference.layers[static_cast<std::size_t>(network.output)];
    const nets::TensorFormat& format = network.layer(network.output).output;
    for (std::size_t i = 0; i < scores.size(); ++i)
      EXPECT_FLOAT_EQ(static_cast<float>(scores[i]),
                      static_cast<float>(format.scale * static_cast<double>(out.codes.data[i] - format.zero_point)));
  }
}

// The first step starts from the same numbers: every integer and every estimate of a rule is that of the CPU, to the
// byte, and gradients differ as sums of floats do.
class QuantizedSteps : public testing::TestWithParam<std::tuple<Rules, const char*>> {};

TEST_P(QuantizedSteps, BeginWithTheNumbersOfTheCpu) {
  const Rules rules = std::get<0>(GetParam());
  const std::string device = std::get<1>(GetParam());
  GUARDBIT_SKIP_WITHOUT(device);
  for (const char* yaml : {kSmallLenet, kSmallResnet}) {
    QuantizedRun cpu(small_network(yaml), rules.yaml, "cpu", 1, 12);
    QuantizedRun other(small_network(yaml), rules.yaml, make_test_backend(device, 2), 12);
    EXPECT_NEAR(other.forward_backward(), cpu.forward_backward(), 1e-5);
    expect_same_codes(cpu.graph.quantized()->network(), cpu.graph.quantized()->codes(),
                      other.graph.quantized()->codes(), "step");
    const auto a = cpu.state.state(), b = other.state.state();
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i)
      if (a[i].name.find("gradient") == std::string::npos) {
        EXPECT_EQ(*a[i].value, *b[i].value) << a[i].name;
      }
    for (const Parameter& p : cpu.parameters.all()) {
      const Parameter& q = other.parameters.get(p.name);
      if (!p.gradient) {
        const std::vector<double> expected = download_double(*cpu.backend, p.value);
        const std::vector<double> found = download_double(*other.backend, q.value);
        for (std::size_t i = 0; i < expected.size(); ++i)
          EXPECT_NEAR(found[i], expected[i], 1e-6 * (1 + std::abs(expected[i]))) << p.name;
        continue;
      }
      const std::vector<double> expected = download_double(*cpu.backend, p.gradient);
      const std::vector<double> found = download_double(*other.backend, q.gradient);
      double difference = 0, square = 0;
      for (std::size_t i = 0; i < expected.size(); ++i) {
        difference += (found[i] - expected[i]) * (found[i] - expected[i]);
        square += expected[i] * expected[i];
      }
      EXPECT_LE(std::sqrt(difference), 1e-3 * std::sqrt(square) + 1e-7) << p.name;
    }
  }
}

std::string name_of(const testing::TestParamInfo<std::tuple<Rules, const char*>>& one) {
  return std::string(std::get<0>(one.param).name) + "_" + std::get<1>(one.param);
}
INSTANTIATE_TEST_SUITE_P(, QuantizedCodes,
                         testing::Combine(testing::ValuesIn(kRules),
                                          testing::Values("cpu", "reference", "cuda_on_host", "cuda_scattered",
                                                          "cuda")),
                         name_of);
INSTANTIATE_TEST_SUITE_P(, QuantizedSteps,
                         testing::Combine(testing::ValuesIn(kRules),
                                          testing::Values("cuda_on_host", "cuda_scattered", "cuda")),
                         name_of);

}  // namespace
}  // namespace guardbit::trainer
