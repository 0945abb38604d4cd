// Fixed point (SPEC 2.3) and dynamic fixed point (SPEC 2.4, 2.5): value = code * 2^(point - width), code rounded half
// to even and held within [-2^(width - 1), 2^(width - 1) - 1]. Gradient 1 inside the representable range, 0 outside.
#pragma once

#include "trainer/quant/quantizer.hpp"

namespace guardbit::trainer {

class FixedQuantizer : public Quantizer {
 public:
  FixedQuantizer(const QuantizerCommon& common, int point, Stochastic stochastic)
      : Quantizer(common), point_(point), stochastic_(stochastic) {}
  [[nodiscard]] std::string_view type() const override { return "fixed"; }
  [[nodiscard]] int point() const { return static_cast<int>(point_); }

  void forward(std::span<const double> x, std::span<double> y, const RandomKey& key,
               std::int64_t first) const override;
  [[nodiscard]] Slope slope() const override;
  [[nodiscard]] FixedRounding rounding() const override;
  [[nodiscard]] nets::TensorFormat tensor_format() const override { return nets::fixed_tensor(width(), point()); }
  [[nodiscard]] nets::WeightFormat weight_format() const override { return nets::fixed_weights(width(), point()); }
  [[nodiscard]] bool is_before_activation() const override { return true; }

 protected:
  double point_;  // a whole number; a double because that is what state is

 private:
  Stochastic stochastic_;
};

/// Its point is the first from -width up whose overflow rate is at most `overflow_rate`. A tensor of zeros leaves the
/// point as it is.
class DfpQuantizer final : public FixedQuantizer {
 public:
  DfpQuantizer(const QuantizerCommon& common, double overflow_rate, Stochastic stochastic)
      : FixedQuantizer(common, common.width, stochastic), overflow_rate_(overflow_rate) {}
  [[nodiscard]] std::string_view type() const override { return "dfp"; }
  [[nodiscard]] std::vector<State> state() override { return {{"point", &point_}, {"ready", &ready_}}; }
  [[nodiscard]] bool is_ready() const override { return ready_ != 0; }
  [[nodiscard]] Observation observation() const override { return Observation(width()); }
  void update(const Observation& seen) override;

 private:
  double overflow_rate_;
  double ready_ = 0;
};

}  // namespace guardbit::trainer
