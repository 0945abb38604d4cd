// Quantizer: one rule that stands before a tensor of a layer (SPEC 2.1), with its state, its gradient, and, where the
// tensor becomes integers, the format of its codes.
//
// All arithmetic here is in double and on plain arrays, so that every formula can be tested literally. The values of a
// tensor are given whole, or in pieces where a rule needs no more than the element (activations and gradients).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nets/quantize/fixed_point.hpp"
#include "trainer/quant/element_rules.hpp"

namespace guardbit::trainer {

enum class Place : unsigned char { Weights, Biases, Activation, GradientWeights, GradientError };
[[nodiscard]] std::string_view name(Place place);
[[nodiscard]] constexpr bool is_gradient(Place place) {
  return place == Place::GradientWeights || place == Place::GradientError;
}

/// Sums that Observation keeps side by side, so that no step waits for the one before it.
inline constexpr std::int64_t kLanes = 8;

/// What a rule learns of the values before it. Pieces of a tensor are merged in order.
struct Observation {
  double low = 0, high = 0, sum_abs = 0;
  std::uint64_t count = 0;
  bool wants_sum = false;  // else sum_abs may stay 0
  std::optional<nets::PointCounts> points;

  /// point_width: count overflows of fixed-point formats of that width; 0: do not.
  explicit Observation(int point_width = 0);
  void observe(std::span<const double> values);
  void merge(const Observation& later);
};

struct QuantizerCommon {
  int width = 8;
  int priority = 0;
  bool enable = true;         // false: values pass as they are
  bool should_update = true;  // false: update() is never called after the first time
};

class Quantizer {
 public:
  explicit Quantizer(const QuantizerCommon& common) : common_(common) {}
  virtual ~Quantizer() = default;
  Quantizer(const Quantizer&) = delete;
  Quantizer& operator=(const Quantizer&) = delete;

  [[nodiscard]] virtual std::string_view type() const = 0;
  [[nodiscard]] int width() const { return common_.width; }
  [[nodiscard]] int priority() const { return common_.priority; }
  [[nodiscard]] bool enabled() const { return common_.enable; }

  // State: numbers that checkpoints keep. An update comes before the first use when is_ready() is false.
  struct State {
    std::string name;
    double* value;
  };
  [[nodiscard]] virtual std::vector<State> state() { return {}; }
  [[nodiscard]] virtual bool is_ready() const { return true; }
  /// Should update() be called in this step? `due`: it is one of the steps of `update.interval`.
  [[nodiscard]] bool wants_update(bool due) const {
    return !is_ready() || (common_.should_update && updates(due));
  }
  [[nodiscard]] virtual Observation observation() const;
  /// Estimates the state again from the values before the quantizer.
  virtual void update(const Observation&) {}

  // One number that the optimizer trains; 0 until the first update. The quantizer holds a copy.
  [[nodiscard]] virtual std::string_view learned() const { return {}; }  // its name; "" for none
  virtual void set_learned(double) {}
  [[nodiscard]] virtual double initial_learned() const { return 0; }     // after an update made it ready
  [[nodiscard]] virtual double learned_decay() const { return 0; }       // what its own penalty adds to its gradient

  /// Weights and biases, in every step: what the rule derives from the values as they are. `channels`: equal parts.
  virtual void prepare(std::span<const double> values, std::int64_t channels);

  /// y = the real that stands for x. `first`: index of element 0 in its tensor, for random numbers.
  virtual void forward(std::span<const double> x, std::span<double> y, const RandomKey& key,
                       std::int64_t first) const = 0;
  /// dx = the straight-through gradient; returns the gradient of the learned number. dx may be dy. That of slope(),
  /// unless the rule says otherwise.
  virtual double backward(std::span<const double> x, std::span<const double> dy, std::span<double> dx) const;
  /// backward() as numbers; rules of activations have it.
  [[nodiscard]] virtual Slope slope() const;
  /// forward() as numbers; rules of gradients have it.
  [[nodiscard]] virtual FixedRounding rounding() const;

  // Codes. Error where the rule has none at such a place.
  [[nodiscard]] virtual nets::TensorFormat tensor_format() const;  // activations, biases
  [[nodiscard]] virtual nets::WeightFormat weight_format() const;  // of the values of the last prepare()
  /// Weights: is the value before the rule the weight without the factor of a batch normalization, which then is part
  /// of the scales? Otherwise the folded weight.
  [[nodiscard]] virtual bool is_before_folding() const { return false; }
  /// Activations: does it see the values before relu (SPEC 2.1)?
  [[nodiscard]] virtual bool is_before_activation() const { return false; }
  /// Are the master weights held within -1 and 1 after each step?
  [[nodiscard]] virtual bool clips_masters() const { return false; }

 protected:
  [[nodiscard]] virtual bool updates(bool due) const { return due; }
  [[noreturn]] void cannot_be(const char* of_what, const char* needs) const;

 private:
  QuantizerCommon common_;
};

/// The quantizers of one place, sorted by priority, highest first; of equal priority the first written is first.
class QuantizerChain {
 public:
  QuantizerChain() = default;
  /// Error, beginning with `where`, for two quantizers of one type.
  QuantizerChain(std::vector<std::unique_ptr<Quantizer>> quantizers, const std::string& where);

  [[nodiscard]] bool empty() const { return quantizers_.empty(); }
  [[nodiscard]] const std::vector<std::unique_ptr<Quantizer>>& all() const { return quantizers_; }
  /// The quantizer of a place that has codes: the only one.
  [[nodiscard]] Quantizer* only() const { return quantizers_.empty() ? nullptr : quantizers_.front().get(); }

 private:
  std::vector<std::unique_ptr<Quantizer>> quantizers_;
};

}  // namespace guardbit::trainer
