#include "trainer/train.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "arith/error.hpp"
#include "nets/graph/load.hpp"
#include "nets/io/file.hpp"
#include "trainer/checkpoint.hpp"
#include "trainer/epoch_log.hpp"
#include "trainer/guarded_step.hpp"
#include "trainer/mixup.hpp"
#include "trainer/progress_line.hpp"
#include "trainer/quant/quantizer_state.hpp"

namespace guardbit::trainer {

namespace fs = std::filesystem;

namespace {

// What a training reads, and nothing else: the same configuration wherever the run folder is.
nets::Value remembered(const nets::Value& config) {
  nets::Value copy = nets::resolve(config);
  for (const char* key : {"output", "load", "save", "threads", "json"}) copy.erase(key);
  if (nets::Value* trainer = copy.find("trainer")) trainer->erase("threads");
  if (nets::Value* dataset = copy.find("dataset")) dataset->erase("cache");
  return copy;
}

nets::Network prepare_network(const nets::Section& config, std::uint64_t seed) {
  nets::Network network = nets::load_network(config);
  if (network.parameters.empty()) nets::initialise(network, seed);
  return network;
}

class Training {
 public:
  Training(const nets::Value& config, const nets::Section& section, const TrainOptions& options, std::FILE* progress)
      : options_(options), config_(remembered(config)), network_(prepare_network(section, options.seed)),
        spec_(nets::read_dataset_spec(section.section("dataset"))), progress_(progress) {}

  TrainResult run();

 private:
  class Blend;
  void load_data();
  void resume();
  Metrics run_epoch(Graph& graph, const DeviceDataset& data, ProgressLine& line);
  Metrics step(Graph& graph, const DeviceDataset& data, std::span<const std::int32_t> samples);  // of the epoch so far
  [[noreturn]] void stop_non_finite(const std::string& layer) const;
  void save();
  void save_best(const EpochLog& log);
  void save_result(const Graph& infer);
  [[nodiscard]] std::vector<Quantizer::State> quantizer_numbers() {
    return quantizers_ ? quantizers_->state() : std::vector<Quantizer::State>();
  }
  [[nodiscard]] double learning_rate() const {
    return options_.learning_rate.at(static_cast<double>(done_.step) / static_cast<double>(steps_per_epoch_),
                                     static_cast<double>(options_.epochs));
  }

  TrainOptions options_;
  nets::Value config_;
  nets::Network network_;
  nets::DatasetSpec spec_;
  std::FILE* progress_;
  nets::Dataset train_, test_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Parameters> parameters_;
  std::unique_ptr<ParameterUpdate> update_;
  std::unique_ptr<Blend> blend_;
  std::unique_ptr<GuardedStep> guarded_;  // null: the loss is read before the backward pass
  std::unique_ptr<QuantizerState> quantizers_;  // null: float
  std::int64_t batch_ = 0, steps_per_epoch_ = 0;
  Progress done_;
};

void Training::load_data() {
  train_ = nets::load_dataset(spec_, nets::Split::Train);
  test_ = nets::load_dataset(spec_, nets::Split::Test);
  check_fit(network_, train_);
  check_fit(network_, test_);
  if (train_.count() > INT32_MAX) throw Error("dataset " + train_.name + ": too many images");
  batch_ = std::min(options_.batch_size, train_.count());
  steps_per_epoch_ = (train_.count() + batch_ - 1) / batch_;
}

void Training::resume() {
  if (options_.load.empty()) return;
  const fs::path file = find_checkpoint(options_.output, options_.load);
  done_ = load_checkpoint(file, *backend_, *parameters_, quantizer_numbers());
  if (quantizers_) quantizers_->resume(options_.seed, done_.step);
  if (done_.step != static_cast<std::uint64_t>(done_.epoch * steps_per_epoch_))
    throw Error(file.string() + ": found " + std::to_string(done_.step) + " steps in " + std::to_string(done_.epoch) +
                " epochs, allowed " + std::to_string(done_.epoch * steps_per_epoch_) +
                ": of another data set or batch size");
}

void Training::stop_non_finite(const std::string& layer) const {
  throw Error(fmt::format("training stopped in epoch {}, step {}: found a loss that is not finite, first in {}; lower "
                          "trainer.learning_rate (now {}) or set trainer.clip_norm; the last checkpoint is intact",
                          done_.epoch + 1, done_.step, layer.empty() ? "the loss" : layer, learning_rate()));
}

// The second image of every blend, and how its part of the loss is counted.
class Training::Blend {
 public:
  Blend(Backend& backend, const nets::Network& network, const Graph& graph, std::int64_t batch) : backend_(backend) {
    const auto make = [&](Element element, std::int64_t n, const nets::Shape& shape) {
      TensorView view{nullptr, element, n, shape};
      memory_.push_back(backend.allocate(static_cast<std::size_t>(view.count()) * backend.element_bytes(element)));
      view.data = memory_.back()->address();
      return view;
    };
    images_ = make(Element::Real, batch, network.node(0).shape);
    labels_ = make(Element::Int32, batch, {});
    spare_ = make(Element::Real, batch, graph.scores(batch).shape);
    metrics_ = make(Element::Float64, 4, {});
  }
  void begin_epoch() {
    backend_.fill(metrics_, 0);
    first_ = second_ = total_ = {};
  }
  void load(const Mixup& mixup, const DeviceDataset& data, std::span<const SampleTransform> transforms,
            const nets::Preprocess& preprocess, const TensorView& x) {
    std::vector<SampleTransform> others;
    for (const std::int32_t partner : mixup.partner) others.push_back(transforms[static_cast<std::size_t>(partner)]);
    TensorView images = images_, labels = labels_;
    images.n = labels.n = x.n;
    backend_.load_batch(data.images(), data.labels(), others, preprocess, images, labels);
    backend_.moving_average(mixup.share, images, x);
  }
  void loss(const Mixup& mixup, Graph& graph, std::int64_t n, double smoothing) {
    TensorView labels = labels_, spare = spare_;
    labels.n = spare.n = n;
    graph.blend_loss(n, smoothing, mixup.share, labels, metrics_, spare);
    const Metrics first = download_metrics(backend_, graph.metrics()), second = download_metrics(backend_, metrics_);
    const auto grown = [&](double Metrics::*what, double share) {
      return share * (first.*what - first_.*what) + (1 - share) * (second.*what - second_.*what);
    };
    total_.loss += grown(&Metrics::loss, mixup.share);
    total_.top1 += grown(&Metrics::top1, mixup.share >= 0.5 ? 1 : 0);
    total_.images = first.images;
    first_ = first, second_ = second;
  }
  [[nodiscard]] const Metrics& total() const { return total_; }

 private:
  Backend& backend_;
  std::vector<std::unique_ptr<Memory>> memory_;
  TensorView images_, labels_, spare_, metrics_;
  Metrics first_, second_, total_;  // both sides so far in this epoch, and their blend
};

Metrics Training::step(Graph& graph, const DeviceDataset& data, std::span<const std::int32_t> samples) {
  const auto n = static_cast<std::int64_t>(samples.size());
  std::vector<SampleTransform> transforms;
  for (const std::int32_t sample : samples)
    transforms.push_back(augmented(options_.augment, data.images().shape, sample, options_.seed, done_.epoch));
  const double rate = learning_rate();
  const StepScalars scalars{.learning_rate = rate, .seed = options_.seed, .step = done_.step};
  const bool last_of_epoch = (done_.step + 1) % static_cast<std::uint64_t>(steps_per_epoch_) == 0;
  backend_->begin_step(scalars);
  if (quantizers_) quantizers_->begin_step(options_.seed, done_.step);
  backend_->load_batch(data.images(), data.labels(), transforms, network_.preprocess, graph.input(n),
                       graph.labels(n));
  Metrics so_far;
  if (guarded_) {
    so_far = guarded_->run(n, rate, last_of_epoch);
    if (!std::isfinite(so_far.loss)) stop_non_finite(guarded_->find_non_finite(n, scalars));
  } else {
    Mixup mixup;
    if (blend_) {
      mixup = draw_mixup(options_.mixup, n, options_.seed, done_.step);
      blend_->load(mixup, data, transforms, network_.preprocess, graph.input(n));
    }
    graph.forward(n);
    graph.loss(n, options_.label_smoothing);
    if (blend_) blend_->loss(mixup, graph, n, options_.label_smoothing);
    so_far = blend_ ? blend_->total() : download_metrics(*backend_, graph.metrics());
    if (!std::isfinite(so_far.loss)) stop_non_finite(graph.find_non_finite(n));
    graph.backward(n);
    update_->add(n, rate, last_of_epoch);
  }
  ++done_.step;
  return so_far;
}

Metrics Training::run_epoch(Graph& graph, const DeviceDataset& data, ProgressLine& line) {
  const std::vector<std::int32_t> order = shuffled(data.count(), options_.seed, done_.epoch);
  backend_->fill(graph.metrics(), 0);
  if (blend_) blend_->begin_epoch();
  update_->begin_epoch(done_.epoch);
  line.begin_epoch(done_.epoch + 1);
  Metrics so_far;
  for (std::int64_t first = 0; first < data.count(); first += batch_) {
    const std::int64_t n = std::min(batch_, data.count() - first);
    so_far = step(graph, data, std::span(order).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(n)));
    line.update(first + n, so_far.loss / so_far.images, so_far.top1 / so_far.images);
  }
  ++done_.epoch;
  return so_far;
}

void Training::save() {
  if (done_.epoch % options_.save_interval != 0 && done_.epoch != options_.epochs) return;
  save_checkpoint(checkpoint_path(options_.output, done_.epoch), *backend_, *parameters_, done_,
                  nets::to_yaml(config_), quantizer_numbers());
  prune_checkpoints(options_.output, options_.save_keep);
}

void Training::save_best(const EpochLog& log) {
  if (!options_.save_best || 2 * done_.epoch <= options_.epochs) return;
  double best = -1, now = -1;
  for (const nlohmann::json& line : log.lines()) {
    const auto epoch = line["epoch"].get<std::int64_t>();
    if (2 * epoch <= options_.epochs || !line.contains("test_top1")) continue;
    (epoch == done_.epoch ? now : best) = std::max(epoch == done_.epoch ? now : best, line["test_top1"].get<double>());
  }
  if (now > best)
    save_checkpoint(named_checkpoint_path(options_.output, "best"), *backend_, *parameters_, done_,
                    nets::to_yaml(config_), quantizer_numbers());
}

// The record last: what stands there of an earlier run is of other weights, and says so.
void Training::save_result(const Graph& infer) {
  parameters_->store(*backend_, network_);
  if (!quantizers_) nets::remove_record(options_.output);
  nets::save_run(options_.output, config_, network_);
  if (quantizers_) nets::save_record(options_.output, infer.quantized()->record());
}

TrainResult Training::run() {
  const auto seconds_since = [](std::chrono::steady_clock::time_point begin) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  TrainResult result;
  if (QuantizerState::is_wanted(config_)) quantizers_ = std::make_unique<QuantizerState>(config_, network_);
  const auto loading = std::chrono::steady_clock::now();
  load_data();
  result.loading_seconds = seconds_since(loading);
  const auto training = std::chrono::steady_clock::now();
  if (quantizers_) quantizers_->check_length(static_cast<std::uint64_t>(options_.epochs * steps_per_epoch_));
  backend_ = make_backend(choose_device(options_.device), options_.threads);
  if (progress_ != nullptr) fmt::print(progress_, "device: {}\n", backend_->name());
  parameters_ = std::make_unique<Parameters>(
      *backend_, network_,
      ParameterOptions{.training = true, .states = options_.optimizer.states(), .average = options_.average > 0,
                       .learned = quantizers_ ? quantizers_->learned() : std::vector<std::string>()});
  for (const Parameter& parameter : parameters_->all())
    if (parameter.state[0] && options_.optimizer.initial_state() != 0)
      backend_->fill(parameter.state[0], options_.optimizer.initial_state());
  update_ = std::make_unique<ParameterUpdate>(*backend_, *parameters_, options_, steps_per_epoch_, quantizers_.get());
  resume();
  const std::int64_t eval_batch = std::min(options_.eval_batch, test_.count());
  Graph graph(*backend_, network_, *parameters_, batch_, Mode::Train, quantizers_.get());
  if (options_.mixup > 0) blend_ = std::make_unique<Blend>(*backend_, network_, graph, batch_);
  // Blends have a share of their own in every step, and integers are computed by the host: neither can be repeated.
  if (auto* recorder = dynamic_cast<StepRecorder*>(backend_.get()); recorder != nullptr && !blend_ && !quantizers_)
    guarded_ = std::make_unique<GuardedStep>(*backend_, *recorder, graph, *parameters_, *update_,
                                             options_.label_smoothing);
  Graph infer(*backend_, network_, *parameters_, eval_batch, Mode::Infer, quantizers_.get());
  const DeviceDataset train_data(*backend_, std::move(train_)), test_data(*backend_, std::move(test_));
  EpochLog log(options_.output / "log.jsonl", done_.epoch), timing(options_.output / "timing.jsonl", done_.epoch);
  ProgressLine line(progress_, options_.epochs, train_data.count());
  const auto test = [&] {
    result.test = evaluate(*backend_, infer, test_data, network_.preprocess, eval_batch);
  };
  if (done_.epoch >= options_.epochs) test();
  while (done_.epoch < options_.epochs) {
    const double rate = learning_rate();
    const auto begin = std::chrono::steady_clock::now();
    const Metrics m = run_epoch(graph, train_data, line);
    result.images_per_second = line.stop();
    EpochReport report{done_.epoch, m.loss / m.images, m.top1 / m.images, -1, rate};
    nlohmann::json entry{{"epoch", done_.epoch}, {"learning_rate", rate}, {"loss", report.loss},
                         {"train_top1", report.train_accuracy}};
    if (done_.epoch % options_.eval_every == 0 || done_.epoch == options_.epochs) {
      test();
      report.test_accuracy = result.test.top1;
      entry.update({{"test_top1", result.test.top1}, {"test_top5", result.test.top5}, {"test_loss", result.test.loss}});
    }
    line.end_epoch(report);
    log.add(entry);
    const double seconds = seconds_since(begin);
    timing.add({{"epoch", done_.epoch}, {"images_per_second", result.images_per_second}, {"seconds", seconds}});
    if (options_.tensorboard) write_event_file(options_.output / "events.out.tfevents.0.guardbit", log, timing);
    save_best(log);
    save();
  }
  save_result(infer);
  result.epochs = done_.epoch;
  result.training_seconds = seconds_since(training);
  return result;
}

}  // namespace

TrainResult train(const nets::Value& config, std::FILE* progress) {
  const nets::Section section(config);
  const TrainOptions options = read_train_options(section);
  section.ignore("json");
  section.ignore("quantizer");  // read from the resolved configuration
  Training training(config, section, options, progress);
  section.done();
  return training.run();
}

}  // namespace guardbit::trainer
