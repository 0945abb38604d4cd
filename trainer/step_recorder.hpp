// StepRecorder: what a back end offers beside its operators when its calls are queued and the host would have to wait
// for their results. With it a step of training needs no read between its first operator and its last: whether the loss
// is finite is looked at on the device, and the calls of a step can be recorded once and replayed.
//
// A Backend that has this is one too: dynamic_cast finds it. Those that work in host memory have not; there a read
// costs nothing, and nothing is gained by a recording.
#pragma once

#include <functional>

#include "trainer/backend.hpp"

namespace guardbit::trainer {

/// Calls that a device has recorded. Not used after its back end is gone.
class Recording {
 public:
  Recording() = default;
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  virtual ~Recording() = default;
};

class StepRecorder {
 public:
  virtual ~StepRecorder() = default;

  /// From here on `copy`, `update`, `moving_average` and `clip_norm` change nothing where the loss in these metrics is
  /// not finite; it is looked at when they run, not when they are called. Absent metrics: they do what they say again.
  /// Metrics grow, so that a loss which was not finite once holds all later steps back until they are zeroed.
  virtual void guard(const TensorView& metrics) = 0;
  /// Under a guard: y = x where the loss is not finite, otherwise nothing. Real tensors.
  virtual void restore(const TensorView& x, const TensorView& y) = 0;

  /// Runs `calls`, which must call the same operators with the same arguments whenever `recording` is the same; null at
  /// first. The device may replay an earlier run and not call it. Nothing in it copies from or to the host, allocates,
  /// loads a batch or begins a step: what those give is changed before, and a replay sees it.
  virtual void repeat(std::unique_ptr<Recording>& recording, const std::function<void()>& calls) = 0;
};

}  // namespace guardbit::trainer
