// A quantized training as a checkpoint left it: batches go forward and backward through it and change nothing. Where
// the training keeps averages of its parameters, those are used, as they are what it is evaluated with and writes.
#pragma once

#include <filesystem>

#include "nets/data/dataset.hpp"
#include "trainer/checkpoint.hpp"
#include "trainer/evaluate.hpp"
#include "trainer/options.hpp"
#include "trainer/quant/quantizer_state.hpp"

namespace guardbit::trainer {

class SavedTraining {
 public:
  /// config: that of the run, merged. load: which checkpoint of the run (trainer/checkpoint.hpp). batch: most images of
  /// a pass. Error without a section `quantizer`, without a checkpoint, and for one of steps before quant_delay.
  SavedTraining(const std::filesystem::path& run, const nets::Value& config, const std::string& load,
                std::int64_t batch, int threads);

  /// Forward and backward of images [first, first + n); the loss is their mean, without label smoothing. The `index`-th
  /// pass draws the random numbers of stochastic rounding of the index-th step behind the checkpoint.
  double pass(const DeviceDataset& data, std::int64_t first, std::int64_t n, std::uint64_t index);
  /// Forward alone, of images [first, first + n): the codes of every layer as training computes them.
  nets::RunResult forward(const DeviceDataset& data, std::int64_t first, std::int64_t n);
  /// Are these the weights in the run folder? Not when the training went on, or was cut short, after it wrote them.
  [[nodiscard]] bool is_result();
  /// The state of the rules, as it is now, to the checkpoint and to the folder's record; each is replaced atomically.
  /// Weights, optimizer and progress stay as they are in the file. Only of the result.
  void save_rules();
  void watch(RuleWatch watch) { graph_->quantized()->watch(std::move(watch)); }

  [[nodiscard]] Backend& backend() { return *backend_; }
  [[nodiscard]] const nets::Network& network() const { return network_; }
  [[nodiscard]] const std::filesystem::path& checkpoint() const { return checkpoint_; }
  [[nodiscard]] const Progress& progress() const { return progress_; }
  /// Of the layer that begins with this node; null where there are none.
  [[nodiscard]] LayerQuantizers* rules(const std::string& node);
  [[nodiscard]] nets::QuantizationRecord record() { return graph_->quantized()->record(); }

 private:
  void load(const DeviceDataset& data, std::int64_t first, std::int64_t n, std::uint64_t index);

  std::filesystem::path run_, checkpoint_;
  TrainOptions options_;
  nets::Network network_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<QuantizerState> state_;
  std::unique_ptr<Parameters> parameters_;
  std::unique_ptr<Graph> graph_;
  Progress progress_;
};

}  // namespace guardbit::trainer
