#include "trainer/quant/quantizer.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "arith/error.hpp"

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
  // Eight of each side by side, so that no step waits for the one before it.
  constexpr std::size_t kLanes = 8;
  double least[kLanes], most[kLanes], sum[kLanes] = {};
  std::fill_n(least, kLanes, low);
  std::fill_n(most, kLanes, high);
  const std::size_t whole = values.size() / kLanes * kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
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

void Quantizer::prepare(std::span<const double>, std::int64_t) {}

nets::TensorFormat Quantizer::tensor_format() const { no_codes("activations or biases"); }
nets::WeightFormat Quantizer::weight_format() const { no_codes("weights"); }

void Quantizer::no_codes(const char* of_what) const {
  throw Error("quantizer " + std::string(type()) + ": found as rule of " + of_what +
              ", allowed a rule that has codes for them");
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
