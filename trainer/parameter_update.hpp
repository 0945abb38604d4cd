// ParameterUpdate: from gradients to new values: accumulation over batches, clipping, the optimizer with each
// parameter's own weight decay and learning rate, the moving average.
#pragma once

#include <memory>

#include "trainer/graph/parameters.hpp"
#include "trainer/options.hpp"
#include "trainer/quant/quantizer_state.hpp"

namespace guardbit::trainer {

class ParameterUpdate {
 public:
  /// All arguments outlive this. Error when an entry of custom_decay_list or custom_lr_list is part of no parameter's name.
  ParameterUpdate(Backend& backend, Parameters& parameters, const TrainOptions& options,
                  std::int64_t steps_per_epoch, QuantizerState* quantizers = nullptr);

  /// At the beginning of an epoch (from 0). What an unfinished group of batches has left is gone by then.
  void begin_epoch(std::int64_t epoch);
  /// The gradients of a batch of n images stand in the parameters. After as many batches as options.accumulate, and
  /// after the last one of an epoch, their mean over all images changes the values.
  void add(std::int64_t images, double learning_rate, bool last_of_epoch);
  /// Every batch is an update, at the learning rate and step of Backend::begin_step: add() makes the same calls with
  /// the same arguments each time, and none that copies to the device.
  [[nodiscard]] bool is_repeatable() const;

 private:
  struct Entry {
    const Parameter* parameter = nullptr;
    double decay = 0;
    double rate_scale = 1;
    bool constant_rate = false;
  };
  void apply(double learning_rate);

  Backend& backend_;
  Parameters& parameters_;
  const TrainOptions& options_;
  QuantizerState* quantizers_;  // holds master weights in range after each update; null: float
  std::int64_t updates_per_epoch_;
  std::vector<Entry> entries_;
  std::unique_ptr<Memory> memory_;
  TensorView mean_;  // of the gradients since the last update; absent without accumulation
  std::int64_t images_ = 0, batches_ = 0;
  std::uint64_t updates_ = 0;
};

}  // namespace guardbit::trainer
