// A step that the device runs by itself: replays give the bytes of calls; a loss that is not finite changes nothing.
#include "trainer/guarded_step.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "nets/config/section.hpp"
#include "nets/graph/build.hpp"
#include "nets/graph/load.hpp"
#include "tests/trainer/device.hpp"

namespace guardbit::trainer {
namespace {

const char* const kNetwork = R"(
name: small
input: [6, 6, 2]
layers:
  a: {type: convolution, channels: 4, kernel: 3, padding: same, batch_norm: {momentum: 0.5}, activation: relu}
  drop: {type: dropout, rate: 0.25}
  f: {type: fully_connected, channels: 5}
graph: {from: input, with: [a, drop, f], to: output}
)";

// Passes everything on, and counts.
class Counting final : public StepRecorder {
 public:
  explicit Counting(StepRecorder& device) : device_(device) {}
  void guard(const TensorView& metrics) override { device_.guard(metrics); }
  void restore(const TensorView& x, const TensorView& y) override { device_.restore(x, y); }
  void repeat(std::unique_ptr<Recording>& recording, const std::function<void()>& calls) override {
    ++repeats;
    device_.repeat(recording, [&] {
      ++runs;
      calls();
    });
  }
  int repeats = 0, runs = 0;

 private:
  StepRecorder& device_;
};

nets::Network network() {
  nets::Network result = nets::build_network(nets::Section::parse(kNetwork));
  nets::initialise(result, 5);
  return result;
}

enum class How { Checked, Direct, Recorded };

struct Session {
  Device device;
  nets::Network net = network();
  TrainOptions options;
  Parameters parameters;
  Graph graph, infer;
  ParameterUpdate update;
  double rate = 0.01;
  How how;
  Counting counting;
  GuardedStep step;

  static Device make_device(const std::string& name, How how) {
    if (how == How::Recorded) unsetenv("GUARDBIT_CUDA_RECORD");
    else setenv("GUARDBIT_CUDA_RECORD", "0", 1);
    Device device(name);
    unsetenv("GUARDBIT_CUDA_RECORD");
    return device;
  }
  Session(const std::string& name, const TrainOptions& options_, How how_)
      : device(make_device(name, how_)), options(options_),
        parameters(*device, net, {.training = true, .states = options.optimizer.states(),
                                  .average = options.average > 0}),
        graph(*device, net, parameters, 5, Mode::Train), infer(*device, net, parameters, 40, Mode::Infer),
        update(*device, parameters, options, 8), how(how_), counting(dynamic_cast<StepRecorder&>(*device)),
        step(*device, counting, graph, parameters, update, 0.1) {
    begin_epoch();
  }
  void begin_epoch() {
    update.begin_epoch(0);
    device->fill(graph.metrics(), 0);
  }
  double rate_of(std::uint64_t number) const { return rate / static_cast<double>(1 + number); }
  void begin_step(std::uint64_t number, std::int64_t n, bool spoilt = false) {
    device->begin_step({.learning_rate = rate_of(number), .seed = 3, .step = number});
    std::vector<double> input = random_values(graph.input(n).count(), 100 + number);
    if (spoilt) input[3] = std::nan("");
    upload(*device, graph.input(n), std::span<const double>(input));
    std::vector<std::int32_t> labels;
    for (std::int64_t i = 0; i < n; ++i) labels.push_back(static_cast<std::int32_t>((i + n) % 5));
    device->copy_in(graph.labels(n), labels.data());
  }
  Metrics run(std::uint64_t number, std::int64_t n, bool spoilt = false) {
    begin_step(number, n, spoilt);
    if (how != How::Checked) return step.run(n, rate_of(number), false);
    graph.forward(n);
    graph.loss(n, 0.1);
    graph.backward(n);
    update.add(n, rate_of(number), false);
    return download_metrics(*device, graph.metrics());
  }
  // All that a checkpoint holds.
  std::vector<float> state() {
    std::vector<float> all;
    const auto take = [&](const TensorView& view) {
      if (!view) return;
      const std::vector<float> values = download(*device, view);
      all.insert(all.end(), values.begin(), values.end());
    };
    for (const Parameter& p : parameters.all())
      for (const TensorView& view : {p.value, p.average, p.state[0], p.state[1]}) take(view);
    return all;
  }
};

struct Case {
  const char* name;
  TrainOptions options;
};
std::vector<Case> cases() {
  std::vector<Case> all;
  const auto add = [&](const char* name, Rule rule, auto change) {
    TrainOptions o;
    o.optimizer.rule = rule;
    o.learning_rate.rate = 0.01;
    o.weight_decay = 0.01;
    change(o);
    all.push_back({name, o});
  };
  add("sgd", Rule::Sgd, [](TrainOptions&) {});
  add("plain", Rule::Sgd, [](TrainOptions& o) { o.optimizer.momentum = 0; });
  add("adam", Rule::Adam, [](TrainOptions& o) { o.clip_norm = 0.1; });
  add("adamw", Rule::AdamW, [](TrainOptions& o) { o.average = 0.9; });
  add("rmsprop", Rule::RmsProp, [](TrainOptions&) {});
  add("accumulate", Rule::Sgd, [](TrainOptions& o) { o.accumulate = 2; });
  add("constant", Rule::AdamW, [](TrainOptions& o) {
    o.custom_lr_list = {"f."};
    o.custom_lr = 0.5;
    o.custom_lr_constant = true;
  });
  return all;
}

class Guarded : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { GUARDBIT_SKIP_WITHOUT(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(All, Guarded, testing::Values("cuda_on_host", "cuda_scattered", "cuda"),
                         [](const auto& name) { return std::string(name.param); });

TEST_P(Guarded, ReplaysGiveTheBytesOfCalls) {
  const std::int64_t sizes[] = {5, 5, 5, 3, 5, 3, 3, 5};
  for (const Case& one : cases()) {
    Session checked(GetParam(), one.options, How::Checked), direct(GetParam(), one.options, How::Direct),
        recorded(GetParam(), one.options, How::Recorded);
    for (std::uint64_t i = 0; i < 8; ++i) {
      const Metrics a = checked.run(i, sizes[i]), b = direct.run(i, sizes[i]), c = recorded.run(i, sizes[i]);
      EXPECT_EQ(a.loss, b.loss) << one.name << " " << i;
      EXPECT_EQ(a.loss, c.loss) << one.name << " " << i;
      EXPECT_EQ(a.images, c.images) << one.name << " " << i;
      ASSERT_EQ(checked.state(), direct.state()) << one.name << " " << i;
      ASSERT_EQ(checked.state(), recorded.state()) << one.name << " " << i;
    }
    EXPECT_EQ(direct.counting.runs, 8) << one.name;
    EXPECT_EQ(recorded.counting.repeats, 8) << one.name;
    // Of each size once to have all memory, once to be recorded. A workspace that 3 images need more of does not exist.
    EXPECT_EQ(recorded.counting.runs, 4) << one.name;
  }
}

TEST_P(Guarded, AWorkspaceThatGrowsMakesRecordingsStartAgain) {
  TrainOptions options;
  Session direct(GetParam(), options, How::Direct), recorded(GetParam(), options, How::Recorded);
  int runs[12];
  for (std::uint64_t i = 0; i < 12; ++i) {
    for (Session* one : {&direct, &recorded}) {
      one->run(i, 5);
      if (i != 5) continue;
      one->infer.forward(40);
      one->infer.loss(40, 0);
    }
    runs[i] = recorded.counting.runs;
    ASSERT_EQ(direct.state(), recorded.state()) << i;
  }
  EXPECT_EQ(runs[5], 2);
  EXPECT_EQ(runs[11], 4);
}

TEST_P(Guarded, ALossThatIsNotFiniteChangesNothing) {
  for (const Case& one : cases()) {
    for (const How how : {How::Direct, How::Recorded}) {
      Session spoilt(GetParam(), one.options, how), twin(GetParam(), one.options, how);
      for (std::uint64_t i = 0; i < 4; ++i) {
        spoilt.run(i, 5);
        twin.run(i, 5);
      }
      const std::vector<float> before = spoilt.state();
      EXPECT_FALSE(std::isfinite(spoilt.run(4, 5, true).loss)) << one.name;
      EXPECT_EQ(spoilt.state(), before) << one.name;
      EXPECT_EQ(spoilt.step.find_non_finite(5, {.learning_rate = 0, .seed = 3, .step = 4}), "input") << one.name;
      EXPECT_EQ(spoilt.state(), before) << one.name;
      // The metrics remember it: later steps are held back too, until they are zeroed.
      EXPECT_FALSE(std::isfinite(spoilt.run(5, 5).loss)) << one.name;
      EXPECT_EQ(spoilt.state(), before) << one.name;
      for (Session* session : {&spoilt, &twin}) {
        session->begin_epoch();
        EXPECT_TRUE(std::isfinite(session->run(6, 5).loss)) << one.name;
        session->run(7, 5);
      }
      EXPECT_NE(twin.state(), before) << one.name;
      EXPECT_EQ(spoilt.state(), twin.state()) << one.name;
    }
  }
}

// As the loop on the CPU sees it: the loss is read, and what is not finite looked for, before the backward pass.
TEST_P(Guarded, AStepThatExplodesIsNamedAsTheLoopWithAReadNamesIt) {
  for (const Case& one : cases()) {
    Session read(GetParam(), one.options, How::Checked), guarded(GetParam(), one.options, How::Recorded);
    read.rate = guarded.rate = 1e30;
    bool stopped = false;
    for (std::uint64_t i = 0; i < 12 && !stopped; ++i) {
      read.begin_step(i, 5);
      read.graph.forward(5);
      read.graph.loss(5, 0.1);
      stopped = !std::isfinite(download_metrics(*read.device, read.graph.metrics()).loss);
      EXPECT_EQ(std::isfinite(guarded.run(i, 5).loss), !stopped) << one.name << " " << i;
      if (stopped) {
        const StepScalars scalars{.learning_rate = read.rate_of(i), .seed = 3, .step = i};
        EXPECT_EQ(guarded.step.find_non_finite(5, scalars), read.graph.find_non_finite(5)) << one.name << " " << i;
      } else {
        read.graph.backward(5);
        read.update.add(5, read.rate_of(i), false);
      }
    }
    EXPECT_TRUE(stopped) << one.name;
  }
}

TEST_P(Guarded, EveryOperatorThatIsGuardedLooksAtTheLoss) {
  Device device(GetParam());
  auto& recorder = dynamic_cast<StepRecorder&>(*device);
  const TensorView metrics = device.make(4, {}, Element::Float64);
  device->begin_step({.learning_rate = 0.5, .seed = 1, .step = 0});
  const std::vector<double> start{1, 2, 3}, gradient{4, -5, 6}, state{0.5, 0.25, 1};
  for (const double loss : {0.0, static_cast<double>(INFINITY), std::nan("")}) {
    const double numbers[4] = {loss, 0, 0, 1};
    device->copy_in(metrics, numbers);
    const auto expect = [&](const TensorView& view, const std::vector<double>& old, bool finite, const char* what) {
      EXPECT_EQ(device.read(view) != old, finite == std::isfinite(loss)) << what << " " << loss;
    };
    recorder.guard(metrics);
    for (const Rule rule : {Rule::Sgd, Rule::Adam, Rule::AdamW, Rule::RmsProp}) {
      const TensorView w = device.make(3, {}, start), g = device.make(3, {}, gradient), m = device.make(3, {}, state),
                       v = device.make(3, {}, state);
      device->update({.rule = rule}, 0, 1, w, g, m, v);
      expect(w, start, true, "update");
      expect(m, state, true, "state");
    }
    const TensorView x = device.make(3, {}, gradient), copied = device.make(3, {}, start),
                     average = device.make(3, {}, start), restored = device.make(3, {}, start),
                     clipped = device.make(3, {}, gradient);
    device->copy(x, copied);
    expect(copied, start, true, "copy");
    device->moving_average(0.5, x, average);
    expect(average, start, true, "moving_average");
    device->clip_norm(0.5, clipped);
    expect(clipped, gradient, true, "clip_norm");
    recorder.restore(x, restored);
    expect(restored, start, false, "restore");
    recorder.guard({});
    device->copy(x, restored);
    EXPECT_EQ(device.read(restored), gradient);
  }
}

}  // namespace
}  // namespace guardbit::trainer
