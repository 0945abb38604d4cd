#include "trainer/parameter_update.hpp"

#include <algorithm>

#include "arith/error.hpp"

namespace guardbit::trainer {

namespace {

bool is_part_of(const std::vector<std::string>& list, const std::string& name) {
  return std::any_of(list.begin(), list.end(),
                     [&](const std::string& part) { return name.find(part) != std::string::npos; });
}

void check_list(const char* key, const std::vector<std::string>& list, const Parameters& parameters) {
  for (const std::string& part : list) {
    const bool used = std::any_of(parameters.all().begin(), parameters.all().end(), [&](const Parameter& p) {
      return p.trainable && p.name.find(part) != std::string::npos;
    });
    if (!used) throw Error(std::string("trainer.") + key + ": found " + part +
                           ", allowed parts of the names of trainable parameters, such as " +
                           parameters.all().front().name);
  }
}

}  // namespace

ParameterUpdate::ParameterUpdate(Backend& backend, Parameters& parameters, const TrainOptions& options,
                                 std::int64_t steps_per_epoch, QuantizerState* quantizers)
    : backend_(backend), parameters_(parameters), options_(options), quantizers_(quantizers),
      updates_per_epoch_((steps_per_epoch + options.accumulate - 1) / options.accumulate) {
  check_list("custom_decay_list", options.custom_decay_list, parameters);
  check_list("custom_lr_list", options.custom_lr_list, parameters);
  for (const Parameter& p : parameters.all()) {
    if (!p.gradient) continue;
    Entry entry{.parameter = &p};
    entry.decay = p.is_small() && !options.decay_small ? 0 : options.weight_decay;
    if (is_part_of(options.custom_decay_list, p.name)) entry.decay = options.custom_decay;
    if (is_part_of(options.custom_lr_list, p.name)) {
      entry.constant_rate = options.custom_lr_constant;
      entry.rate_scale = entry.constant_rate ? 1 : options.custom_lr / options.learning_rate.rate;
    }
    entries_.push_back(entry);
  }
  // Those with a constant rate come last: they are one more step with a rate of its own.
  std::stable_partition(entries_.begin(), entries_.end(), [](const Entry& entry) { return !entry.constant_rate; });
  if (options.accumulate == 1) return;
  mean_ = parameters.gradients();
  memory_ = backend.allocate(static_cast<std::size_t>(mean_.count()) * backend.element_bytes(Element::Real));
  mean_.data = memory_->address();
}

bool ParameterUpdate::is_repeatable() const {
  return options_.accumulate == 1 && quantizers_ == nullptr && (entries_.empty() || !entries_.back().constant_rate);
}

void ParameterUpdate::begin_epoch(std::int64_t epoch) {
  images_ = batches_ = 0;
  updates_ = static_cast<std::uint64_t>(epoch * updates_per_epoch_);
}

void ParameterUpdate::add(std::int64_t images, double learning_rate, bool last_of_epoch) {
  if (mean_) {
    const auto before = static_cast<double>(images_), now = static_cast<double>(images);
    if (batches_ == 0) backend_.copy(parameters_.gradients(), mean_);
    else backend_.moving_average(before / (before + now), parameters_.gradients(), mean_);
    images_ += images;
    if (++batches_ < options_.accumulate && !last_of_epoch) return;
    backend_.copy(mean_, parameters_.gradients());
    images_ = batches_ = 0;
  }
  apply(learning_rate);
}

void ParameterUpdate::apply(double learning_rate) {
  if (options_.clip_norm > 0) backend_.clip_norm(options_.clip_norm, parameters_.gradients());
  StepScalars scalars{.learning_rate = learning_rate, .seed = options_.seed, .step = updates_++};
  if (!is_repeatable()) backend_.begin_step(scalars);  // otherwise the step of the batch is that of the update
  bool constant = false;
  for (const Entry& entry : entries_) {
    if (entry.constant_rate && !constant) {
      constant = true;
      scalars.learning_rate = options_.custom_lr;
      backend_.begin_step(scalars);
    }
    const Parameter& p = *entry.parameter;
    backend_.update(options_.optimizer, entry.decay, entry.rate_scale, p.value, p.gradient, p.state[0], p.state[1]);
  }
  if (quantizers_ != nullptr) quantizers_->clip_masters(backend_, parameters_);
  if (options_.average > 0)
    backend_.moving_average(options_.average, parameters_.values(), parameters_.averages());
}

}  // namespace guardbit::trainer
