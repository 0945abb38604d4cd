// The static graph: gradients of whole networks against finite differences, both back ends against each other, and
// inference against the float engine of nets.
#include <gtest/gtest.h>

#include <cmath>

#include "arith/error.hpp"
#include "nets/config/section.hpp"
#include "nets/graph/build.hpp"
#include "nets/graph/float_engine.hpp"
#include "nets/graph/load.hpp"
#include "tests/trainer/device.hpp"
#include "trainer/graph/graph.hpp"

namespace guardbit::trainer {
namespace {

// Every operator once, with a tensor read three times, an activation that cannot work in place, and a flatten.
const char* const kEverything = R"(
name: everything
input: [6, 6, 2]
layers:
  a: {type: convolution, channels: 4, kernel: 3, padding: same, batch_norm: {epsilon: 0.01, momentum: 0.5}, activation: relu6}
  b: {type: depthwise_convolution, kernel: 3, padding: same, batch_norm: {epsilon: 0.01, momentum: 0.5}}
  sum: {type: add, activation: relu}
  r: {type: activation, mode: relu}
  c: {type: convolution, channels: 3, kernel: 1, padding: valid, activation: relu}
  both: {type: concat}
  p: {type: pad, padding: [1, 0, 0, 1], channels: [1, 2]}
  max: {type: max_pool, kernel: 3, stride: 2, padding: valid}
  avg: {type: average_pool, kernel: 2, stride: 1}
  flat: {type: flatten}
  drop: {type: dropout, rate: 0.25}
  f: {type: fully_connected, channels: 5}
  soft: {type: softmax}
graph:
  - {from: input, with: [a], to: x}
  - {from: x, with: [b], to: y}
  - {from: [x, y], with: [sum], to: z}
  - {from: x, with: [r], to: v}
  - {from: z, with: [c], to: u}
  - {from: [u, v], with: [both, p, max, avg, flat, drop, f, soft], to: output}
)";

nets::Network network(const char* yaml) {
  nets::Network result = nets::build_network(nets::Section::parse(yaml));
  nets::initialise(result, 5);
  // Random biases, so that no relu stands exactly at its kink and every parameter matters.
  std::uint64_t seed = 100;
  for (auto& [name, tensor] : result.parameters) {
    if (tensor.shape.size() > 1) continue;
    const std::vector<double> values = random_values(tensor.count(), ++seed);
    for (std::size_t i = 0; i < tensor.data.size(); ++i)
      tensor.data[i] = static_cast<float>(name.ends_with("variance") || name.ends_with("gamma") ? 1 + values[i] / 4
                                                                                                : values[i] / 4);
  }
  return result;
}

struct Session {
  Device device;
  Parameters parameters;
  Graph graph;
  std::int64_t n;

  Session(const nets::Network& network, const std::string& backend, std::int64_t images, Mode mode = Mode::Train)
      : device(backend), parameters(*device, network, {.training = mode == Mode::Train}),
        graph(*device, network, parameters, images + 3, mode), n(images) {
    device->begin_step({.learning_rate = 0, .seed = 3, .step = 1});
    std::vector<std::int32_t> labels;
    for (std::int64_t i = 0; i < n; ++i) labels.push_back(static_cast<std::int32_t>(i % graph.classes()));
    device->copy_in(graph.labels(n), labels.data());
  }
  void set_input() {
    const TensorView x = graph.input(n);
    upload(*device, x, std::span<const double>(random_values(x.count(), 17)));
  }
  double loss() {
    set_input();
    device->fill(graph.metrics(), 0);
    graph.forward(n);
    graph.loss(n, 0.1);
    return download_metrics(*device, graph.metrics()).loss / static_cast<double>(n);
  }
  void step() {
    loss();
    graph.backward(n);
  }
};

TEST(Graph, GradientsOfAllParametersMatchFiniteDifferences) {
  const nets::Network everything = network(kEverything);
  Session run(everything, "reference", 4);
  run.step();
  int checked = 0;
  for (const Parameter& p : run.parameters.all()) {
    if (!p.trainable) continue;
    const std::vector<double> gradient = run.device.read(p.gradient), start = run.device.read(p.value);
    const std::size_t stride = std::max<std::size_t>(1, start.size() / 8);
    for (std::size_t i = 0; i < start.size(); i += stride, ++checked) {
      const double h = 1e-6;
      const auto loss_at = [&](double value) {
        std::vector<double> moved = start;
        moved[i] = value;
        upload(*run.device, p.value, std::span<const double>(moved));
        return run.loss();
      };
      const double numeric = (loss_at(start[i] + h) - loss_at(start[i] - h)) / (2 * h);
      EXPECT_NEAR(gradient[i], numeric, 1e-7 * (1 + std::abs(numeric))) << p.name << " " << i;
    }
    upload(*run.device, p.value, std::span<const double>(start));
  }
  EXPECT_GE(checked, 60);
}

class FloatGraph : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { GUARDBIT_SKIP_WITHOUT(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(All, FloatGraph, testing::Values("cpu", "cuda_on_host", "cuda_scattered", "cuda"),
                         [](const auto& name) { return std::string(name.param); });

TEST_P(FloatGraph, GradientsMatchTheReference) {
  const nets::Network everything = network(kEverything);
  Session reference(everything, "reference", 11), device(everything, GetParam(), 11);
  reference.step();
  device.step();
  for (const Parameter& p : reference.parameters.all()) {
    const Parameter& q = device.parameters.get(p.name);
    const auto compare = [&](const TensorView& a, const TensorView& b) {
      const std::vector<double> expected = reference.device.read(a), found = device.device.read(b);
      for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(found[i], expected[i], 2e-5) << p.name << " " << i;
    };
    compare(p.value, q.value);  // running statistics
    if (p.trainable) compare(p.gradient, q.gradient);
  }
}

TEST(Graph, InferenceEqualsTheFloatEngine) {
  const nets::Network everything = network(kEverything);
  for (const char* backend : {"reference", "cpu", "cuda_scattered"}) {
    Session run(everything, backend, 5, Mode::Infer);
    run.set_input();
    nets::FloatTensor input({5, 6, 6, 2});
    input.data = download(*run.device, run.graph.input(5));
    run.graph.forward(5);
    const auto all = nets::run_float(everything, input);
    const nets::FloatTensor& scores = all[static_cast<std::size_t>(*everything.find("f"))];
    const std::vector<double> found = run.device.read(run.graph.scores(5));
    ASSERT_EQ(found.size(), scores.data.size());
    for (std::size_t i = 0; i < found.size(); ++i)
      EXPECT_NEAR(found[i], static_cast<double>(scores.data[i]), 1e-5) << backend << " " << i;
  }
}

TEST(Graph, NamesTheLayerThatIsNotFinite) {
  const nets::Network everything = network(kEverything);
  Session run(everything, "cpu", 2);
  run.loss();
  EXPECT_EQ(run.graph.find_non_finite(2), "");
  const Parameter& weight = run.parameters.get("c.weight");
  std::vector<float> values = download(*run.device, weight.value);
  values[1] = INFINITY;
  upload(*run.device, weight.value, std::span<const float>(values));
  run.loss();
  EXPECT_EQ(run.graph.find_non_finite(2), "c.weight");
}

TEST(Graph, RefusesAnOutputThatIsAMap) {
  const nets::Network maps = network("{name: m, input: [4, 4, 1], layers: {c: {type: convolution, channels: 2, kernel: 3, "
                                     "padding: same}}, graph: {from: input, with: [c], to: output}}");
  try {
    Session run(maps, "cpu", 1);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "network m: output c: found a map of 4 x 4 positions, allowed one score per class");
  }
}

TEST(MemoryPlan, BuffersThatLiveTogetherNeverOverlap) {
  arith::Random random(4);
  for (int round = 0; round < 50; ++round) {
    std::vector<Buffer> buffers(40);
    std::size_t sum = 0;
    for (Buffer& b : buffers) {
      b.begin = static_cast<int>(random.below(30));
      b.end = b.begin + static_cast<int>(random.below(8));
      b.bytes = random.below(5000);
      sum += b.bytes + 63;
    }
    const std::size_t total = plan_memory(buffers);
    EXPECT_LE(total, sum);
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      EXPECT_LE(buffers[i].offset + buffers[i].bytes, total);
      EXPECT_EQ(buffers[i].offset % 64, 0U);
      for (std::size_t j = 0; j < i; ++j) {
        const Buffer &a = buffers[i], &b = buffers[j];
        const bool together = a.begin <= b.end && b.begin <= a.end;
        const bool overlap = a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
        EXPECT_FALSE(together && overlap && a.bytes > 0 && b.bytes > 0);
      }
    }
  }
}

TEST(MemoryPlan, SharesTheMemoryOfBuffersThatDoNotMeet) {
  std::vector<Buffer> buffers{{0, 1, 640, 0}, {2, 3, 640, 0}, {1, 2, 64, 0}};
  EXPECT_EQ(plan_memory(buffers), 704U);
}

}  // namespace
}  // namespace guardbit::trainer
