// What changes parameters in DeviceBackend, held back by the guard, and the recording of a step.
#pragma once

#include "trainer/cuda/device_backend.hpp"

namespace guardbit::trainer::cuda {

template <class Queue>
void DeviceBackend<Queue>::copy(const TensorView& x, const TensorView& y) {
  if (x.data == y.data) return;
  if (guard_ == nullptr)
    return queue_.copy(y.data, x.data, static_cast<std::size_t>(x.count()) * element_bytes(x.element));
  require(x.element == Element::Real, "a copy under a guard is of Real");
  guarded_each(x.count(), Copy{data(x), data(y)});
}

template <class Queue>
void DeviceBackend<Queue>::restore(const TensorView& x, const TensorView& y) {
  require(guard_ != nullptr && x.count() == y.count(), "restore: without a guard, or of other shapes");
  guarded_each(x.count(), Copy{data(x), data(y)}, When::NotFinite);
}

template <class Queue>
void DeviceBackend<Queue>::update(const OptimizerSpec& spec, double weight_decay, double lr_scale,
                                  const TensorView& parameter, const TensorView& gradient, const TensorView& state0,
                                  const TensorView& state1) {
  const Count n = parameter.count();
  switch (spec.rule) {
    case Rule::Sgd:
      guarded_each(n, Sgd{step(), lr_scale, static_cast<float>(weight_decay), static_cast<float>(spec.momentum),
                          spec.nesterov, data(gradient), data(state0), data(parameter)});
      return;
    case Rule::Adam:
    case Rule::AdamW:
      guarded_each(n, Adam{step(), lr_scale, weight_decay, spec.beta1, spec.beta2, static_cast<float>(spec.epsilon),
                           spec.rule == Rule::AdamW, data(gradient), data(state0), data(state1), data(parameter)});
      return;
    case Rule::RmsProp:
      guarded_each(n, RmsProp{step(), lr_scale, static_cast<float>(weight_decay), static_cast<float>(spec.decay),
                              static_cast<float>(1 - spec.decay), static_cast<float>(spec.momentum),
                              static_cast<float>(spec.epsilon), data(gradient), data(state0), data(state1),
                              data(parameter)});
      return;
  }
  require(false, "update: unknown rule");
}

template <class Queue>
void DeviceBackend<Queue>::moving_average(double keep, const TensorView& x, const TensorView& y) {
  guarded_each(y.count(), Blend{static_cast<float>(keep), static_cast<float>(1 - keep), data(x), data(y)});
}

template <class Queue>
void DeviceBackend<Queue>::clip_norm(double max_norm, const TensorView& gradients) {
  const Partial squares = sum_channels<1>(Square{data(gradients)}, gradients.count(), 1);
  auto* factor = factors_.template take<float>(queue_, 1);
  queue_.each(1, ClipFactor{squares, max_norm, factor});
  guarded_each(gradients.count(), ScaleBy{factor, data(gradients)});
}

template <class Queue>
void DeviceBackend<Queue>::repeat(std::unique_ptr<Recording>& recording, const std::function<void()>& calls) {
  auto* repeated = static_cast<Repeated*>(recording.get());
  if (!records_ || repeated == nullptr || repeated->growths != growths()) {
    calls();
    if (records_) recording = std::make_unique<Repeated>(growths());
    return;
  }
  if (!repeated->is_recorded) {
    queue_.begin_recording();
    try {
      calls();
    } catch (...) {
      queue_.drop_recording();
      throw;
    }
    repeated->calls = queue_.end_recording();
    repeated->is_recorded = true;
  }
  queue_.replay(repeated->calls);
}

}  // namespace guardbit::trainer::cuda
