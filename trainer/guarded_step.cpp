#include "trainer/guarded_step.hpp"

#include <algorithm>

namespace guardbit::trainer {

GuardedStep::GuardedStep(Backend& backend, StepRecorder& recorder, Graph& graph, const Parameters& parameters,
                         ParameterUpdate& update, double label_smoothing)
    : backend_(backend), recorder_(recorder), graph_(graph), update_(update), label_smoothing_(label_smoothing) {
  const bool has_statistics = std::any_of(parameters.all().begin(), parameters.all().end(),
                                          [](const Parameter& parameter) { return !parameter.trainable; });
  if (!has_statistics) return;
  values_ = before_ = parameters.values();
  before_memory_ =
      backend.allocate(static_cast<std::size_t>(values_.count()) * backend.element_bytes(values_.element));
  before_.data = before_memory_->address();
}

void GuardedStep::queue_gradients(std::int64_t n) {
  if (values_) backend_.copy(values_, before_);
  graph_.forward(n);
  graph_.loss(n, label_smoothing_);
  graph_.backward(n);
  if (!values_) return;
  recorder_.guard(graph_.metrics());
  recorder_.restore(before_, values_);
  recorder_.guard({});
}

void GuardedStep::queue_update(std::int64_t n, double learning_rate, bool last_of_epoch) {
  recorder_.guard(graph_.metrics());
  update_.add(n, learning_rate, last_of_epoch);
  recorder_.guard({});
}

Metrics GuardedStep::run(std::int64_t n, double learning_rate, bool last_of_epoch) {
  const bool whole = update_.is_repeatable();
  recorder_.repeat(recordings_[n], [&] {
    queue_gradients(n);
    if (whole) queue_update(n, learning_rate, last_of_epoch);
  });
  if (!whole) queue_update(n, learning_rate, last_of_epoch);
  return download_metrics(backend_, graph_.metrics());
}

std::string GuardedStep::find_non_finite(std::int64_t n, const StepScalars& scalars) {
  backend_.begin_step(scalars);
  graph_.forward(n);
  const std::string name = graph_.find_non_finite(n);
  if (values_) backend_.copy(before_, values_);
  return name;
}

}  // namespace guardbit::trainer
