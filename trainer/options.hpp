// Keys of a training configuration.
//
//   dataset: {...}          # nets/data/dataset.hpp
//   model: {...}            # nets/graph/build.hpp; `weights: FILE` starts from a trained network
//   output: DIR             # run folder: config.yaml, weights.safetensors, log.jsonl, timing.jsonl, checkpoints/
//   load: null              # latest | N | NAME | FILE: continue from a checkpoint (in DIR/checkpoints, or a path)
//   save:
//     interval: 1           # epochs between checkpoints; the last epoch always has one
//     keep: 2               # how many are kept
//     best: false           # checkpoints/best.safetensors: the first of the highest test_top1 in the second half of
//                           # the epochs; load: best
//   seed: 1, threads: 0     # also below trainer; threads 0: all processors
//   trainer:
//     device: auto          # auto: cuda where a GPU can be used, else cpu; cpu; cuda; cuda_tf32: cuda with matrix
//                           # products in 11 bits. `device: cuda` says why when it cannot be used
//     epochs: 5
//     batch_size: 128
//     eval_batch: 256
//     eval_every: 1         # epochs; the last is always evaluated
//     optimizer: {type: sgd, momentum: 0.9, nesterov: false}
//                           # or adam, adamw: {beta1: 0.9, beta2: 0.999, epsilon: 1e-8}
//                           # or rmsprop: {decay: 0.9, momentum: 0, epsilon: 1e-10}, TensorFlow 1's: v starts at 1,
//                           # v = decay v + (1 - decay) g^2, m = momentum m + lr g / sqrt(v + epsilon), w -= m
//     learning_rate: {...}  # trainer/schedule.hpp
//     weight_decay: 0       # not on 1-D parameters (biases, batch norm) unless decay_small: true
//     custom_decay_list: [a, b]           # parameters with one of these in their names: weight decay custom_decay
//     custom_decay: 0
//     custom_lr_list: [a, b]              # the same for the learning rate: custom_lr instead of learning_rate.rate,
//     custom_lr: 0.001                    # following the policy, or, constant, always
//     custom_lr_constant: false
//     accumulate: 1         # batches per update: the mean of their gradients over all images; the last update of an
//                           # epoch takes what is left. Learning rate and dropout go by batches
//     mixup: 0              # alpha of Beta(alpha, alpha); 0: none. train_top1 is that of the label with more weight
//     tensorboard: false    # DIR/events.out.tfevents.0.guardbit: log.jsonl and timing.jsonl as scalars
//     label_smoothing: 0
//     augment: {...}        # trainer/augment.hpp
//     clip_norm: 0          # largest 2-norm of all gradients together; 0: any
//     average: 0            # moving average of the weights: share kept per step; 0: none. Averages are what is
//                           # evaluated and written
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "trainer/augment.hpp"
#include "trainer/backend.hpp"
#include "trainer/schedule.hpp"

namespace guardbit::trainer {

struct TrainOptions {
  std::filesystem::path output;
  std::string load;  // "" for none
  std::int64_t save_interval = 1, save_keep = 2;
  bool save_best = false;
  std::uint64_t seed = 1;
  int threads = 1;
  std::string device = "auto";
  std::int64_t epochs = 1;
  std::int64_t batch_size = 128, eval_batch = 256;
  std::int64_t eval_every = 1;
  OptimizerSpec optimizer;
  LearningRate learning_rate;
  double weight_decay = 0;
  bool decay_small = false;
  std::vector<std::string> custom_decay_list, custom_lr_list;
  double custom_decay = 0, custom_lr = 0;
  bool custom_lr_constant = false;
  std::int64_t accumulate = 1;
  double mixup = 0;
  bool tensorboard = false;
  double label_smoothing = 0;
  Augment augment;
  double clip_norm = 0;
  double average = 0;
};

/// Everything but `dataset` and `model`. Marks its keys as read; the caller calls done().
[[nodiscard]] TrainOptions read_train_options(const nets::Section& config);
/// Key `threads` (0 or absent: all processors).
[[nodiscard]] int read_threads(const nets::Section& section, int absent = 0);
/// Key `device` of section `trainer`: a name for choose_device().
[[nodiscard]] std::string read_device(const nets::Section& trainer);

}  // namespace guardbit::trainer
