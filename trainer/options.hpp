// Keys of a training configuration.
//
//   dataset: {...}          # nets/data/dataset.hpp
//   model: {...}            # nets/graph/build.hpp; `weights: FILE` starts from a trained network
//   output: DIR             # run folder: config.yaml, weights.safetensors, log.jsonl, timing.jsonl, checkpoints/
//   load: null              # latest | N | FILE: continue from a checkpoint (in DIR/checkpoints, or a path)
//   save: {interval: 1, keep: 2}        # epochs between checkpoints; how many are kept
//   seed: 1, threads: 0     # also below trainer; threads 0: all processors
//   trainer:
//     epochs: 5
//     batch_size: 128
//     eval_batch: 256
//     eval_every: 1         # epochs; the last is always evaluated
//     optimizer: {type: sgd, momentum: 0.9, nesterov: false}   # or adam, adamw: {beta1, beta2, epsilon}
//     learning_rate: {...}  # trainer/schedule.hpp
//     weight_decay: 0       # not on 1-D parameters (biases, batch norm) unless decay_small: true
//     label_smoothing: 0
//     augment: {...}        # trainer/augment.hpp
//     clip_norm: 0          # largest 2-norm of all gradients together; 0: any
//     average: 0            # moving average of the weights: share kept per step; 0: none. Averages are what is
//                           # evaluated and written
#pragma once

#include <filesystem>
#include <string>

#include "trainer/augment.hpp"
#include "trainer/backend.hpp"
#include "trainer/schedule.hpp"

namespace guardbit::trainer {

struct TrainOptions {
  std::filesystem::path output;
  std::string load;  // "" for none
  std::int64_t save_interval = 1, save_keep = 2;
  std::uint64_t seed = 1;
  int threads = 1;
  std::int64_t epochs = 1;
  std::int64_t batch_size = 128, eval_batch = 256;
  std::int64_t eval_every = 1;
  OptimizerSpec optimizer;
  LearningRate learning_rate;
  double weight_decay = 0;
  bool decay_small = false;
  double label_smoothing = 0;
  Augment augment;
  double clip_norm = 0;
  double average = 0;
};

/// Everything but `dataset` and `model`. Marks its keys as read; the caller calls done().
[[nodiscard]] TrainOptions read_train_options(const nets::Section& config);
/// Key `threads` (0 or absent: all processors).
[[nodiscard]] int read_threads(const nets::Section& section, int absent = 0);

}  // namespace guardbit::trainer
