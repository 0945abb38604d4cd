// Training of a network from a configuration (keys: trainer/options.hpp) to a run folder:
//
//   config.yaml, weights.safetensors   the trained network (nets/graph/load.hpp)
//   log.jsonl                          one line per epoch: epoch, learning_rate (of its first step), loss, train_top1,
//                                      test_top1, test_top5, test_loss; the same bytes for the same configuration
//                                      and seed
//   timing.jsonl                       one line per epoch: epoch, images_per_second, seconds
//   checkpoints/                       trainer/checkpoint.hpp
#pragma once

#include <cstdio>

#include "trainer/evaluate.hpp"
#include "trainer/options.hpp"

namespace guardbit::trainer {

struct TrainResult {
  Evaluation test;
  std::int64_t epochs = 0;
  double images_per_second = 0;  // of the last epoch, without evaluation
  double loading_seconds = 0;    // until the images are where they are read
  double training_seconds = 0;   // from then on: epochs, evaluations, checkpoints
};

/// Progress goes to `progress` (null: nowhere). Error on wrong keys, data that do not fit, and a loss that is not
/// finite; the last checkpoint is then as it was.
TrainResult train(const nets::Value& config, std::FILE* progress = stderr);

}  // namespace guardbit::trainer
