#include "trainer/saved_training.hpp"

#include <algorithm>

#include "arith/error.hpp"
#include "nets/graph/load.hpp"
#include "nets/io/safetensors.hpp"
#include "nets/quantize/fill_layer.hpp"

namespace guardbit::trainer {

namespace {

TrainOptions options_of(nets::Value config, const std::filesystem::path& run) {
  for (const char* key : {"load", "save"}) config.erase(key);
  config.set("output", run.string());
  return read_train_options(nets::Section(config));
}

nets::Network network_of(const nets::Value& config) {
  nets::Network network = nets::load_network(config);
  if (network.parameters.empty()) nets::initialise(network, 1);  // the checkpoint replaces them
  return network;
}

}  // namespace

SavedTraining::SavedTraining(const std::filesystem::path& run, const nets::Value& config, const std::string& load,
                             std::int64_t batch, int threads)
    : run_(run), checkpoint_(find_checkpoint(run, load)), options_(options_of(config, run)),
      network_(network_of(config)),
      backend_(make_backend("cpu", threads)) {
  const nets::Value resolved = nets::resolve(config);
  if (!QuantizerState::is_wanted(resolved))
    throw Error(run.string() + ": found a float training (no section quantizer), allowed a quantized one");
  state_ = std::make_unique<QuantizerState>(resolved, network_);
  parameters_ = std::make_unique<Parameters>(
      *backend_, network_,
      ParameterOptions{.training = true, .states = options_.optimizer.states(), .average = options_.average > 0,
                       .learned = state_->learned()});
  progress_ = load_checkpoint(checkpoint_, *backend_, *parameters_, state_->state());
  state_->resume(options_.seed, progress_.step);
  if (!state_->is_active())
    throw Error(checkpoint_.string() + ": found " + std::to_string(progress_.step) +
                " steps, all of them in float, allowed a checkpoint behind quantizer.quant_delay");
  state_->freeze();
  if (parameters_->averages()) backend_->copy(parameters_->averages(), parameters_->values());
  graph_ = std::make_unique<Graph>(*backend_, network_, *parameters_, batch, Mode::Train, state_.get());
}

bool SavedTraining::is_result() {
  if (!nets::has_record(run_)) return false;
  static_cast<void>(nets::load_record(run_));  // throws when it is of other weights
  nets::Network mine = network_;
  parameters_->store(*backend_, mine);
  const nets::Network written = nets::load_run(run_).network;
  return std::all_of(mine.parameters.begin(), mine.parameters.end(), [&](const auto& one) {
    const auto found = written.parameters.find(one.first);
    return found != written.parameters.end() && found->second.data == one.second.data;
  });
}

void SavedTraining::save_rules() {
  const nets::QuantizationRecord formats = record();
  const std::vector<Quantizer::State> now = state_->state();
  std::vector<double> in_file(now.size());
  std::vector<Quantizer::State> old;
  for (std::size_t i = 0; i < now.size(); ++i) old.push_back({now[i].name, &in_file[i]});
  // Values as they are in the file, where the graph had their averages.
  static_cast<void>(load_checkpoint(checkpoint_, *backend_, *parameters_, old));
  const std::string config = nets::read_safetensors(checkpoint_).metadata.at("config");
  save_checkpoint(checkpoint_, *backend_, *parameters_, progress_, config, now);
  nets::save_record(run_, formats);
}

LayerQuantizers* SavedTraining::rules(const std::string& node) {
  const auto& layers = state_->structure().layers;
  const auto found = std::find_if(layers.begin() + 1, layers.end(), [&](const auto& one) { return one.name == node; });
  return found == layers.end() || !nets::has_own_format(found->op) ? nullptr : &state_->layer(node);
}

void SavedTraining::load(const DeviceDataset& data, std::int64_t first, std::int64_t n, std::uint64_t index) {
  std::vector<SampleTransform> samples(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i)
    samples[static_cast<std::size_t>(i)].sample = static_cast<std::int32_t>(first + i);
  backend_->begin_step({.learning_rate = 0, .seed = options_.seed, .step = progress_.step + index});
  state_->begin_step(options_.seed, progress_.step + index);
  backend_->load_batch(data.images(), data.labels(), samples, network_.preprocess, graph_->input(n),
                       graph_->labels(n));
}

nets::RunResult SavedTraining::forward(const DeviceDataset& data, std::int64_t first, std::int64_t n) {
  load(data, first, n, 0);
  graph_->forward(n);
  return graph_->quantized()->codes();
}

double SavedTraining::pass(const DeviceDataset& data, std::int64_t first, std::int64_t n, std::uint64_t index) {
  load(data, first, n, index);
  backend_->fill(graph_->metrics(), 0);
  graph_->forward(n);
  graph_->loss(n, 0);
  graph_->backward(n);
  return download_metrics(*backend_, graph_->metrics()).loss / static_cast<double>(n);
}

}  // namespace guardbit::trainer
