// Everything that a quantized training has beyond a float one: the quantizers of all layers, when they are at work, and
// what of them checkpoints and run folders keep.
#pragma once

#include "nets/quantize/record.hpp"
#include "trainer/graph/parameters.hpp"
#include "trainer/quant/quant_options.hpp"

namespace guardbit::trainer {

class QuantizerState {
 public:
  /// Does the (resolved) configuration ask for quantizers?
  [[nodiscard]] static bool is_wanted(const nets::Value& config);
  /// `network` with parameters. Error for wrong keys, and for a network that integers cannot express.
  QuantizerState(const nets::Value& config, const nets::Network& network);

  /// To be called before every training step; `step` counts from 0. The state then says what holds in this step.
  void begin_step(std::uint64_t seed, std::uint64_t step);
  /// After a checkpoint was loaded: as it was behind the last of `steps` steps.
  void resume(std::uint64_t seed, std::uint64_t steps) { begin_step(seed, steps == 0 ? 0 : steps - 1); }
  [[nodiscard]] bool is_active() const { return step_ >= options_.schedule.quant_delay; }
  [[nodiscard]] bool update_is_due() const {
    return !frozen_ && (step_ - options_.schedule.quant_delay) % options_.schedule.interval == 0;
  }
  [[nodiscard]] bool statistics_move() const {
    return !frozen_ && step_ < options_.schedule.freeze_bn_delay.value_or(UINT64_MAX);
  }
  /// From now on passes change nothing: no rule that is ready is updated, no running statistics move.
  void freeze() { frozen_ = true; }
  [[nodiscard]] bool is_frozen() const { return frozen_; }
  /// Error unless something is quantized at all in a training of so many steps.
  void check_length(std::uint64_t steps) const;
  [[nodiscard]] RandomKey random_key(std::size_t layer, Place place) const;

  // Structure and rules.
  [[nodiscard]] const nets::IntegerNetwork& structure() const { return structure_; }  // provisional numbers
  [[nodiscard]] LayerQuantizers& layer(const std::string& name) { return options_.layers.at(name); }
  [[nodiscard]] const nets::ArithmeticPolicy& policy() const { return options_.policy; }
  [[nodiscard]] const nets::TensorFormat& input_format() const { return input_format_; }

  /// Numbers that the optimizer trains, all 0 at first, to be put among the parameters.
  [[nodiscard]] std::vector<std::string> learned() const;
  /// The name of one of them.
  [[nodiscard]] static std::string learned_name(const std::string& layer, Place place, const Quantizer& quantizer);
  /// State of all quantizers for checkpoints, by unique names.
  [[nodiscard]] std::vector<Quantizer::State> state();
  /// Holds the master weights of layers that want it within -1 and 1; after every update of the parameters.
  void clip_masters(Backend& backend, const Parameters& parameters);

 private:
  QuantOptions options_;
  nets::IntegerNetwork structure_;
  nets::TensorFormat input_format_;
  std::uint64_t seed_ = 0, step_ = 0;
  bool frozen_ = false;
};

}  // namespace guardbit::trainer
