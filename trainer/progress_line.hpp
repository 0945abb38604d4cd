// What a person sees of a training: on a terminal one line that is rewritten, otherwise one line per epoch.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>

namespace guardbit::trainer {

struct EpochReport {
  std::int64_t epoch = 0;  // from 1
  double loss = 0, train_accuracy = 0;
  double test_accuracy = -1;  // -1: not evaluated
  double learning_rate = 0;
};

class ProgressLine {
 public:
  /// Null writes nothing.
  ProgressLine(std::FILE* out, std::int64_t epochs, std::int64_t images_per_epoch);

  void begin_epoch(std::int64_t epoch);
  /// Several times per second at most. `images`: done in this epoch; loss and accuracy: means so far.
  void update(std::int64_t images, double loss, double accuracy);
  /// Images per second of the training part; the clock stops.
  double stop();
  void end_epoch(const EpochReport& report);

 private:
  using Clock = std::chrono::steady_clock;
  std::FILE* out_;
  bool terminal_;
  std::int64_t epochs_, images_per_epoch_;
  std::int64_t epoch_ = 0, images_ = 0;
  Clock::time_point begin_, shown_;
  double rate_ = 0;
};

}  // namespace guardbit::trainer
