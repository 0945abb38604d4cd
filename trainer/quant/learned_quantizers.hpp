// Quantizers with a number that the optimizer trains.
//
// LSQ (SPEC 7.4, the paper's form), step s, codes -Qn..Qp:
//   y = s * round(clip(x / s, -Qn, Qp)), ties to even
//   dx = dy where -Qn <= x / s <= Qp, else 0
//   ds = g * sum of dy * d,  d = round(x / s) - x / s inside, -Qn below, Qp above;  g = 1 / sqrt(N * Qp)
//   first s = 2 * mean |x| / sqrt(Qp)
//   weights: Qn = 2^(b - 1), Qp = 2^(b - 1) - 1 (b bits), N = weights; activations behind relu: Qn = 0, Qp = 2^b - 1,
//   N = elements of one image
// PACT (SPEC 3.3, 7.2), clip a, behind relu: y = a / n * round(n * clip(x, 0, a) / a), n = 2^b - 1, ties to even;
//   dx = dy where 0 <= x < a; da = sum of dy where x >= a, plus `decay` * a
#pragma once

#include "trainer/quant/quantizer.hpp"

namespace guardbit::trainer {

class LsqQuantizer final : public Quantizer {
 public:
  /// count: N above; scale_gradient false: g = 1.
  LsqQuantizer(const QuantizerCommon& common, bool is_signed, std::int64_t count, bool scale_gradient);
  [[nodiscard]] std::string_view type() const override { return "lsq"; }
  [[nodiscard]] std::vector<State> state() override { return {{"ready", &ready_}}; }
  [[nodiscard]] bool is_ready() const override { return ready_ != 0; }
  [[nodiscard]] Observation observation() const override;
  void update(const Observation& seen) override;
  [[nodiscard]] std::string_view learned() const override { return "step"; }
  void set_learned(double step) override;
  [[nodiscard]] double initial_learned() const override { return step_; }

  void forward(std::span<const double> x, std::span<double> y, const RandomKey& key,
               std::int64_t first) const override;
  [[nodiscard]] Slope slope() const override;
  [[nodiscard]] nets::TensorFormat tensor_format() const override;
  [[nodiscard]] nets::WeightFormat weight_format() const override;
  [[nodiscard]] bool is_before_folding() const override { return true; }

 protected:
  [[nodiscard]] bool updates(bool) const override { return false; }  // the optimizer does

 private:
  bool is_signed_;
  double below_, above_;  // Qn, Qp
  double gradient_scale_;
  double step_ = 1, ready_ = 0;
};

class PactQuantizer final : public Quantizer {
 public:
  PactQuantizer(const QuantizerCommon& common, double alpha, double decay)
      : Quantizer(common), levels_(static_cast<double>((std::int64_t{1} << common.width) - 1)), first_(alpha),
        alpha_(alpha), decay_(decay) {}
  [[nodiscard]] std::string_view type() const override { return "pact"; }
  [[nodiscard]] std::vector<State> state() override { return {{"ready", &ready_}}; }
  [[nodiscard]] bool is_ready() const override { return ready_ != 0; }
  void update(const Observation&) override { ready_ = 1; }
  [[nodiscard]] std::string_view learned() const override { return "alpha"; }
  void set_learned(double alpha) override;
  [[nodiscard]] double initial_learned() const override { return first_; }

  void forward(std::span<const double> x, std::span<double> y, const RandomKey& key,
               std::int64_t first) const override;
  [[nodiscard]] Slope slope() const override;
  [[nodiscard]] double learned_decay() const override { return decay_ * alpha_; }
  [[nodiscard]] nets::TensorFormat tensor_format() const override;

 protected:
  [[nodiscard]] bool updates(bool) const override { return false; }

 private:
  double levels_, first_, alpha_, decay_;
  double ready_ = 0;
};

}  // namespace guardbit::trainer
