#include "trainer/train.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sstream>

#include "arith/error.hpp"
#include "nets/graph/load.hpp"
#include "nets/io/file.hpp"
#include "trainer/checkpoint.hpp"
#include "trainer/progress_line.hpp"

namespace guardbit::trainer {

namespace fs = std::filesystem;

namespace {

// What a training reads, and nothing else: the same configuration wherever the run folder is.
nets::Value remembered(const nets::Value& config) {
  nets::Value copy = nets::resolve(config);
  for (const char* key : {"output", "load", "save", "threads", "json"}) copy.erase(key);
  if (nets::Value* trainer = copy.find("trainer")) trainer->erase("threads");
  return copy;
}

// A file of JSON lines that is written whole after each epoch. After a resume the lines of later epochs go.
class EpochLog {
 public:
  EpochLog(fs::path file, std::int64_t epochs_done) : file_(std::move(file)) {
    if (epochs_done == 0 || !fs::exists(file_)) return;
    const nets::Bytes bytes = nets::read_file(file_);
    std::istringstream text(std::string(bytes.begin(), bytes.end()));
    for (std::string line; std::getline(text, line);) {
      const auto json = nlohmann::json::parse(line, nullptr, false);
      if (json.is_object() && json.value("epoch", std::int64_t{0}) <= epochs_done) text_ += line + "\n";
    }
  }
  void add(const nlohmann::json& line) {
    text_ += line.dump() + "\n";
    nets::atomic_write(file_, text_);
  }

 private:
  fs::path file_;
  std::string text_;
};

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
  void load_data();
  void resume();
  void run_epoch(Graph& graph, const DeviceDataset& data, ProgressLine& line);
  void step(Graph& graph, const DeviceDataset& data, std::span<const std::int32_t> samples);
  void update_parameters();
  [[noreturn]] void stop_non_finite(const Graph& graph, std::int64_t n) const;
  void save();
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
  done_ = load_checkpoint(file, *backend_, *parameters_);
  if (done_.step != static_cast<std::uint64_t>(done_.epoch * steps_per_epoch_))
    throw Error(file.string() + ": found " + std::to_string(done_.step) + " steps in " + std::to_string(done_.epoch) +
                " epochs, allowed " + std::to_string(done_.epoch * steps_per_epoch_) +
                ": of another data set or batch size");
}

void Training::stop_non_finite(const Graph& graph, std::int64_t n) const {
  const std::string layer = graph.find_non_finite(n);
  throw Error(fmt::format("training stopped in epoch {}, step {}: found a loss that is not finite, first in {}; lower "
                          "trainer.learning_rate (now {}) or set trainer.clip_norm; the last checkpoint is intact",
                          done_.epoch + 1, done_.step, layer.empty() ? "the loss" : layer, learning_rate()));
}

void Training::update_parameters() {
  if (options_.clip_norm > 0) backend_->clip_norm(options_.clip_norm, parameters_->gradients());
  for (const Parameter& p : parameters_->all()) {
    if (!p.gradient) continue;
    const double decay = p.is_small() && !options_.decay_small ? 0 : options_.weight_decay;
    backend_->update(options_.optimizer, decay, 1, p.value, p.gradient, p.state[0], p.state[1]);
  }
  if (options_.average > 0)
    backend_->moving_average(options_.average, parameters_->values(), parameters_->averages());
}

void Training::step(Graph& graph, const DeviceDataset& data, std::span<const std::int32_t> samples) {
  const auto n = static_cast<std::int64_t>(samples.size());
  std::vector<SampleTransform> transforms;
  for (const std::int32_t sample : samples)
    transforms.push_back(augmented(options_.augment, data.images().shape, sample, options_.seed, done_.epoch));
  backend_->begin_step({.learning_rate = learning_rate(), .seed = options_.seed, .step = done_.step});
  backend_->load_batch(data.images(), data.labels(), transforms, network_.preprocess, graph.input(n),
                       graph.labels(n));
  graph.forward(n);
  graph.loss(n, options_.label_smoothing);
  if (!std::isfinite(download_metrics(*backend_, graph.metrics()).loss)) stop_non_finite(graph, n);
  graph.backward(n);
  update_parameters();
  ++done_.step;
}

void Training::run_epoch(Graph& graph, const DeviceDataset& data, ProgressLine& line) {
  const std::vector<std::int32_t> order = shuffled(data.count(), options_.seed, done_.epoch);
  backend_->fill(graph.metrics(), 0);
  line.begin_epoch(done_.epoch + 1);
  for (std::int64_t first = 0; first < data.count(); first += batch_) {
    const std::int64_t n = std::min(batch_, data.count() - first);
    step(graph, data, std::span(order).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(n)));
    const Metrics so_far = download_metrics(*backend_, graph.metrics());
    line.update(first + n, so_far.loss / so_far.images, so_far.top1 / so_far.images);
  }
  ++done_.epoch;
}

void Training::save() {
  if (done_.epoch % options_.save_interval != 0 && done_.epoch != options_.epochs) return;
  save_checkpoint(checkpoint_path(options_.output, done_.epoch), *backend_, *parameters_, done_,
                  nets::to_yaml(config_));
  prune_checkpoints(options_.output, options_.save_keep);
}

TrainResult Training::run() {
  load_data();
  backend_ = make_backend("cpu", options_.threads);
  parameters_ = std::make_unique<Parameters>(
      *backend_, network_,
      ParameterOptions{.training = true, .states = options_.optimizer.states(), .average = options_.average > 0});
  resume();
  const std::int64_t eval_batch = std::min(options_.eval_batch, test_.count());
  Graph graph(*backend_, network_, *parameters_, batch_, Mode::Train);
  Graph infer(*backend_, network_, *parameters_, eval_batch, Mode::Infer);
  const DeviceDataset train_data(*backend_, train_), test_data(*backend_, test_);
  train_.images = {};  // the device has its own copy
  test_.images = {};
  EpochLog log(options_.output / "log.jsonl", done_.epoch), timing(options_.output / "timing.jsonl", done_.epoch);
  ProgressLine line(progress_, options_.epochs, train_data.count());
  TrainResult result;
  const auto test = [&] {
    result.test = evaluate(*backend_, infer, test_data, network_.preprocess, eval_batch);
  };
  if (done_.epoch >= options_.epochs) test();
  while (done_.epoch < options_.epochs) {
    const double rate = learning_rate();
    const auto begin = std::chrono::steady_clock::now();
    run_epoch(graph, train_data, line);
    result.images_per_second = line.stop();
    const Metrics m = download_metrics(*backend_, graph.metrics());
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
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    timing.add({{"epoch", done_.epoch}, {"images_per_second", result.images_per_second}, {"seconds", seconds}});
    save();
  }
  parameters_->store(*backend_, network_);
  nets::save_run(options_.output, config_, network_);
  result.epochs = done_.epoch;
  return result;
}

}  // namespace

TrainResult train(const nets::Value& config, std::FILE* progress) {
  const nets::Section section(config);
  const TrainOptions options = read_train_options(section);
  section.ignore("json");
  Training training(config, section, options, progress);
  section.done();
  return training.run();
}

}  // namespace guardbit::trainer
