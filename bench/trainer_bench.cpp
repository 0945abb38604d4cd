// A whole training step (load_batch, forward, loss, backward, update) beside oneDNN's convolutions alone, taken in
// turn in one process, on one and two threads.
//
//   trainer_bench [NETWORK...] > result.json        without names: all
//
// Run from the root of the source tree. Data are random images; SGD with Nesterov momentum, shift and flip. Each round
// times both sides once; figures are medians of the rounds, the ratio is the median of the rounds' own ratios.
#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "arith/error.hpp"
#include "bench/onednn_convolutions.hpp"
#include "nets/graph/load.hpp"
#include "trainer/augment.hpp"
#include "trainer/evaluate.hpp"

namespace {

using namespace guardbit;

constexpr std::int64_t kBatch = 128, kImages = 8 * kBatch;
constexpr double kRoundSeconds = 0.15;
constexpr int kRounds = 15;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Seconds of one call, over as many as fill a round.
template <class Call>
double time_of(int calls, Call call) {
  const double begin = now();
  for (int i = 0; i < calls; ++i) call();
  return (now() - begin) / calls;
}
template <class Call>
int calls_of(Call call) {
  for (int i = 0; i < 3; ++i) call();
  return std::max(1, static_cast<int>(kRoundSeconds / time_of(3, call)));
}

class Step {
 public:
  Step(const nets::Network& network, int threads)
      : network_(network), backend_(trainer::make_backend("cpu", threads)),
        parameters_(*backend_, network, {.training = true, .states = 1, .average = false}),
        graph_(*backend_, network, parameters_, kBatch, trainer::Mode::Train), data_(*backend_, images(network)) {}

  void run() {
    std::vector<trainer::SampleTransform> transforms;
    for (std::int64_t i = 0; i < kBatch; ++i)
      transforms.push_back(trainer::augmented({.shift = 2, .flip = true}, data_.images().shape,
                                              static_cast<std::int32_t>((step_ * kBatch + i) % kImages), 1, step_));
    backend_->begin_step({.learning_rate = 0.001, .seed = 1, .step = static_cast<std::uint64_t>(step_++)});
    backend_->load_batch(data_.images(), data_.labels(), transforms, network_.preprocess, graph_.input(kBatch),
                         graph_.labels(kBatch));
    graph_.forward(kBatch);
    graph_.loss(kBatch, 0);
    graph_.backward(kBatch);
    const trainer::OptimizerSpec sgd{.rule = trainer::Rule::Sgd, .momentum = 0.9, .nesterov = true};
    for (const trainer::Parameter& p : parameters_.all())
      if (p.gradient) backend_->update(sgd, p.is_small() ? 0 : 5e-4, 1, p.value, p.gradient, p.state[0], p.state[1]);
  }

 private:
  static nets::Dataset images(const nets::Network& network) {
    nets::DatasetSpec spec;
    spec.name = "random";
    spec.train_size = kImages;
    const nets::Shape shape = network.node(0).shape;
    spec.height = shape.h, spec.width = shape.w, spec.channels = shape.c;
    return nets::load_dataset(spec, nets::Split::Train);
  }
  const nets::Network& network_;
  std::unique_ptr<trainer::Backend> backend_;
  trainer::Parameters parameters_;
  trainer::Graph graph_;
  trainer::DeviceDataset data_;
  std::int64_t step_ = 0;
};

struct Side {
  int threads, step_calls, onednn_calls;
  std::unique_ptr<Step> step;
  std::unique_ptr<bench::OneDnnConvolutions> onednn;
  std::vector<double> ours, theirs, ratio;
};

nlohmann::json measure(const std::string& name) {
  nets::Network network = nets::load_network(nets::Section(nets::load_yaml("nets/zoo/" + name + ".yaml")));
  nets::initialise(network, 1);
  std::vector<Side> sides;
  for (const int threads : {1, 2}) {
    omp_set_num_threads(threads);
    Side& side = sides.emplace_back(Side{threads, 0, 0, std::make_unique<Step>(network, threads),
                                         std::make_unique<bench::OneDnnConvolutions>(network, kBatch), {}, {}, {}});
    side.step_calls = calls_of([&] { side.step->run(); });
    side.onednn_calls = calls_of([&] { side.onednn->run(); });
  }
  std::vector<double> speed_up;
  for (int round = 0; round < kRounds; ++round) {
    for (Side& side : sides) {
      omp_set_num_threads(side.threads);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));  // threads that wait spinning have gone to sleep
      side.theirs.push_back(time_of(side.onednn_calls, [&] { side.onednn->run(); }));
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      side.ours.push_back(time_of(side.step_calls, [&] { side.step->run(); }));
      side.ratio.push_back(side.theirs.back() / side.ours.back());
    }
    speed_up.push_back(sides[0].ours.back() / sides[1].ours.back());
  }
  nlohmann::json result;
  for (const Side& side : sides) {
    const std::string key = side.threads == 1 ? "one_thread" : "two_threads";
    const double ours = kBatch / median(side.ours), theirs = kBatch / median(side.theirs);
    result[key] = {{"images_per_second", static_cast<std::int64_t>(ours)},
                   {"onednn_images_per_second", static_cast<std::int64_t>(theirs)},
                   {"ratio_to_onednn", std::stod(fmt::format("{:.3f}", median(side.ratio)))}};
    fmt::print(stderr, "{:14} {} thread(s): {:8.0f} images/s, oneDNN alone {:8.0f}, ratio {:.3f}\n", name,
               side.threads, ours, theirs, median(side.ratio));
  }
  result["two_threads_over_one"] = std::stod(fmt::format("{:.3f}", median(speed_up)));
  fmt::print(stderr, "{:14} two threads over one: {:.2f}\n", name, median(speed_up));
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> names(argv + 1, argv + argc);
  if (names.empty()) names = {"resnet20", "resnet8", "lenet5", "mobilenet_v1"};
  try {
    nlohmann::json networks;
    for (const std::string& name : names) networks[name] = measure(name);
    const nlohmann::json result{{"batch", kBatch}, {"rounds", kRounds}, {"networks", networks}};
    std::cout << result.dump(1) << "\n";
  } catch (const Error& error) {
    fmt::print(stderr, "trainer_bench: {}\n", error.what());
    return 2;
  }
}
