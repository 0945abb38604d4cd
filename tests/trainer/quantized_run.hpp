// A quantized training in the hands of a test: small networks, every object of trainer::train at hand.
#pragma once

#include <numeric>

#include "nets/data/dataset.hpp"
#include "nets/graph/build.hpp"
#include "nets/graph/load.hpp"
#include "trainer/evaluate.hpp"
#include "trainer/quant/quantizer_state.hpp"

namespace guardbit::trainer {

inline const nets::Dataset& glyphs(std::int64_t count = 320) {
  static const nets::Dataset data = nets::load_dataset(
      nets::read_dataset_spec(nets::Section::parse("{name: glyphs, train_size: " + std::to_string(count) +
                                                   ", test_size: 40}")),
      nets::Split::Train);
  return data;
}

inline const char* const kSmallLenet = R"(
name: lenet
input: [28, 28, 1]
layers:
  conv1: {type: convolution, channels: 6, kernel: 5, padding: same, stride: 2, activation: relu}
  pool1: {type: max_pool, kernel: 2}
  conv2: {type: convolution, channels: 8, kernel: 3, activation: relu6}
  fc1: {type: fully_connected, channels: 24, activation: relu}
  fc2: {type: fully_connected, channels: 10}
graph: {from: input, with: [conv1, pool1, conv2, fc1, fc2], to: output}
)";

// Batch normalization, residual additions with and without relu, depthwise, concat, padding, both pools, a relu of its
// own, dropout and softmax: what the converter can express.
inline const char* const kSmallResnet = R"(
name: resnet
input: [28, 28, 1]
layers:
  conv0: {type: convolution, channels: 8, kernel: 3, stride: 2, padding: same, batch_norm: {momentum: 0.8},
    activation: relu}
  a1: {type: convolution, channels: 8, kernel: 3, padding: same, batch_norm: {momentum: 0.8}, activation: relu}
  a2: {type: depthwise_convolution, kernel: 3, padding: same, batch_norm: {momentum: 0.8}}
  add1: {type: add, activation: relu}
  b1: {type: convolution, channels: 12, kernel: 3, stride: 2, padding: same, bias: true, batch_norm: {momentum: 0.8},
    activation: relu6}
  b2: {type: convolution, channels: 12, kernel: 1, stride: 2}
  add2: {type: add}
  r2: {type: activation, mode: relu}
  both: {type: concat}
  wide: {type: pad, padding: [1, 0, 0, 1], channels: [0, 2]}
  max: {type: max_pool, kernel: 3, stride: 2, padding: valid}
  drop: {type: dropout, rate: 0.2}
  pool: {type: average_pool, global: true}
  flat: {type: flatten}
  fc: {type: fully_connected, channels: 10}
  soft: {type: softmax}
graph:
  - {from: input, with: [conv0], to: x}
  - {from: x, with: [a1, a2], to: y}
  - {from: [x, y], with: [add1], to: z}
  - {from: z, with: [b1], to: u}
  - {from: z, with: [b2], to: v}
  - {from: [u, v], with: [add2], to: s}
  - {from: s, with: [r2], to: t}
  - {from: [s, t], with: [both, wide, max, drop, pool, flat, fc, soft], to: output}
)";

inline nets::Network small_network(const char* yaml) {
  nets::Network network = nets::build_network(nets::Section::parse(yaml));
  network.preprocess = {.scale = 1.0 / 255, .mean = {0.13}, .std = {0.31}};
  nets::initialise(network, 5);
  return network;
}

struct Rules {
  const char* name;
  const char* yaml;
};
inline const Rules kRules[] = {
    {"int8", "  weights: {type: affine}\n  activation: {type: affine, decay: 0.9}\n"},
    {"dfp16", "  weights: {type: dfp, width: 16}\n  biases: {type: dfp, width: 16}\n"
              "  activation: {type: dfp, width: 16}\n"
              "  gradient: {weights: {type: dfp, width: 16, stochastic: ulp}, error: {type: dfp, width: 16}}\n"
              "  update: {interval: 3}\n"},
    {"dfp8", "  weights: {type: dfp}\n  activation: {type: dfp}\n  update: {interval: 2}\n"},
    {"lsq4", "  weights: {type: lsq, width: 4}\n  activation: {type: lsq, width: 4}\n"},
    {"pact", "  weights: {type: dorefa, width: 3}\n  activation: {type: pact, width: 4, alpha: 4}\n"},
    {"binary", "  weights: {type: binary_connect}\n  activation: {type: dorefa, width: 8, clip: 3}\n"},
    {"mixed", "  weights: {type: fixed, width: 8, point: 1}\n  activation: {type: affine, width: 5}\n"
              "  input: {type: fixed, width: 6}\n  rounding: RND\n  output_policy: tflite_single\n"},
};

class QuantizedRun {
 public:
  QuantizedRun(const nets::Network& float_network, const std::string& quantizer, const std::string& device,
               int threads = 1, std::int64_t batch_size = 32)
      : QuantizedRun(float_network, quantizer, make_backend(device, threads), batch_size) {}
  QuantizedRun(const nets::Network& float_network, const std::string& quantizer, std::unique_ptr<Backend> device,
               std::int64_t batch_size)
      : network(float_network), backend(std::move(device)), batch(batch_size),
        state(nets::parse_yaml("quantizer:\n" + quantizer), network),
        parameters(*backend, network, {.training = true, .states = 1, .average = true, .learned = state.learned()}),
        graph(*backend, network, parameters, batch, Mode::Train, &state),
        infer(*backend, network, parameters, batch, Mode::Infer, &state), data(*backend, glyphs()) {}

  void load(Graph& into, std::int64_t first) {
    std::vector<SampleTransform> samples(static_cast<std::size_t>(batch));
    for (std::int64_t i = 0; i < batch; ++i)
      samples[static_cast<std::size_t>(i)].sample = static_cast<std::int32_t>((first + i) % data.count());
    backend->load_batch(data.images(), data.labels(), samples, network.preprocess, into.input(batch),
                        into.labels(batch));
  }
  // `fill`: gives the graph another batch than that of the step.
  double forward_backward(double rate = 0.05, void (*fill)(QuantizedRun&, Graph&) = nullptr) {
    backend->begin_step({.learning_rate = rate, .seed = 3, .step = steps});
    state.begin_step(3, steps);
    if (fill != nullptr) fill(*this, graph);
    else load(graph, static_cast<std::int64_t>(steps) * batch);
    backend->fill(graph.metrics(), 0);
    graph.forward(batch);
    graph.loss(batch, 0);
    graph.backward(batch);
    return download_metrics(*backend, graph.metrics()).loss / static_cast<double>(batch);
  }
  double step(double rate = 0.05) {
    const double loss = forward_backward(rate);
    for (const Parameter& p : parameters.all())
      if (p.gradient) backend->update({.momentum = 0.5}, 0, 1, p.value, p.gradient, p.state[0], {});
    state.clip_masters(*backend, parameters);
    backend->moving_average(0.5, parameters.values(), parameters.averages());
    ++steps;
    return loss;
  }

  nets::Network network;
  std::unique_ptr<Backend> backend;
  std::int64_t batch;
  QuantizerState state;
  Parameters parameters;
  Graph graph, infer;
  DeviceDataset data;
  std::uint64_t steps = 0;
};

}  // namespace guardbit::trainer
