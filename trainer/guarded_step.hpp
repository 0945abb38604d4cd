// GuardedStep: a step of training in one go, for devices that run behind the host. Forward pass, loss, backward pass
// and update are queued without a read between them, as a recording where their arguments are the same in every step. A
// loss that is not finite keeps the device from changing anything that a checkpoint holds.
#pragma once

#include <map>

#include "trainer/graph/graph.hpp"
#include "trainer/parameter_update.hpp"
#include "trainer/step_recorder.hpp"

namespace guardbit::trainer {

class GuardedStep {
 public:
  /// All arguments outlive this. `recorder` is the back end's.
  GuardedStep(Backend& backend, StepRecorder& recorder, Graph& graph, const Parameters& parameters,
              ParameterUpdate& update, double label_smoothing);

  /// A batch of n images stands in the graph, and the step has begun. Returns the metrics since they were zeroed. Where
  /// their loss is not finite, values, states and averages of all parameters are as they were before.
  [[nodiscard]] Metrics run(std::int64_t n, double learning_rate, bool last_of_epoch);

  /// After such a run: Graph::find_non_finite as it stood behind the forward pass, which is computed again.
  [[nodiscard]] std::string find_non_finite(std::int64_t n, const StepScalars& scalars);

 private:
  void queue_gradients(std::int64_t n);
  void queue_update(std::int64_t n, double learning_rate, bool last_of_epoch);

  Backend& backend_;
  StepRecorder& recorder_;
  Graph& graph_;
  ParameterUpdate& update_;
  double label_smoothing_;
  // Running statistics change in the forward pass, before the loss is known. They are taken back; absent without any.
  TensorView values_, before_;
  std::unique_ptr<Memory> before_memory_;
  std::map<std::int64_t, std::unique_ptr<Recording>> recordings_;  // of a step of n images
};

}  // namespace guardbit::trainer
