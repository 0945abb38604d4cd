#include "trainer/quant/quantizer.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "arith/error.hpp"
#include "trainer/quant/loops.hpp"

namespace guardbit::trainer {

std::string_view name(Place place) {
  switch (place) {
    case Place::Weights: return "weights";
    case Place::Biases: return "biases";
    case Place::Activation: return "activation";
    case Place::GradientWeights: return "gradient.weights";
    case Place::GradientError: return "gradient.error";
  }
  __builtin_unreachable();
}

Observation::Observation(int point_width) {
  if (point_width > 0) points.emplace(point_width);
}

void Observation::observe(std::span<const double> values) {
  if (values.empty()) return;
  if (count == 0) low = high = values[0];
  double least[kLanes], most[kLanes], sum[kLanes] = {};
  std::fill_n(least, kLanes, low);
  std::fill_n(most, kLanes, high);
  constexpr auto kStep = static_cast<std::size_t>(kLanes);
  const std::size_t whole = values.size() / kStep * kStep;
  for (std::size_t i = 0; i < whole; i += kStep) {
    for (std::size_t lane = 0; lane < kStep; ++lane) {
      const double v = values[i + lane];
      least[lane] = v < least[lane] ? v : least[lane];
      most[lane] = v > most[lane] ? v : most[lane];
      sum[lane] += std::abs(v);
    }
  }
  for (std::size_t i = whole; i < values.size(); ++i) {
    least[0] = std::min(least[0], values[i]);
    most[0] = std::max(most[0], values[i]);
    sum[0] += std::abs(values[i]);
  }
  low = *std::min_element(least, least + kLanes);
  high = *std::max_element(most, most + kLanes);
  for (const double lane : sum) sum_abs += lane;
  count += values.size();
  if (points) points->observe(std::vector<float>(values.begin(), values.end()));
}

void Observation::merge(const Observation& later) {
  if (later.count == 0) return;
  low = count == 0 ? later.low : std::min(low, later.low);
  high = count == 0 ? later.high : std::max(high, later.high);
  sum_abs += later.sum_abs;
  count += later.count;
  if (points && later.points) points->merge(*later.points);
}

Observation Quantizer::observation() const { return Observation(); }
void Quantizer::prepare(std::span<const double>, std::int64_t) {}

double Quantizer::backward(std::span<const double> x, std::span<const double> dy, std::span<double> dx) const {
  return loops::backward(slope(), static_cast<std::int64_t>(x.size()), x.data(), dy.data(), dx.data());
}

nets::TensorFormat Quantizer::tensor_format() const { cannot_be("activations or biases", "has codes for them"); }
nets::WeightFormat Quantizer::weight_format() const { cannot_be("weights", "has codes for them"); }
Slope Quantizer::slope() const { cannot_be("activations", "looks at each element alone"); }
FixedRounding Quantizer::rounding() const { cannot_be("gradients", "rounds to fixed point"); }

void Quantizer::cannot_be(const char* of_what, const char* needs) const {
  throw Error("quantizer " + std::string(type()) + ": found as rule of " + of_what + ", allowed a rule that " + needs);
}

QuantizerChain::QuantizerChain(std::vector<std::unique_ptr<Quantizer>> quantizers, const std::string& where)
    : quantizers_(std::move(quantizers)) {
  std::set<std::string_view> types;
  for (const auto& quantizer : quantizers_) {
    if (!types.insert(quantizer->type()).second)
      throw Error(where + ": found two quantizers of type " + std::string(quantizer->type()) + ", allowed one of each");
  }
  std::stable_sort(quantizers_.begin(), quantizers_.end(),
                   [](const auto& a, const auto& b) { return a->priority() > b->priority(); });
}

}  // namespace guardbit::trainer
