// Weight codes.
#include "nets/quantize/weight_format.hpp"

#include <algorithm>
#include <cmath>

namespace guardbit::nets {
namespace {

// Calls visit(index of the element, channel).
template <class Visit>
void for_weights(const FloatTensor& weight, const Visit& visit) {
  const auto channels = static_cast<std::size_t>(weight.shape.at(0));
  const std::size_t size = channels == 0 ? 0 : weight.data.size() / channels;
  for (std::size_t k = 0; k < channels; ++k) {
    for (std::size_t i = k * size; i < (k + 1) * size; ++i) visit(i, k);
  }
}

void uniform(const WeightFormat& format, const std::vector<double>& scales, const FloatTensor& weight,
             IntTensor& codes) {
  const auto low = static_cast<double>(lowest_code(format.format));
  const auto high = static_cast<double>(format.format.max_code());
  const bool to_even = format.rounding == arith::Rounding::RND_CONV;
  for_weights(weight, [&](std::size_t i, std::size_t k) {
    const double scaled = weight.data[i] / scales[k];
    const double rounded = to_even ? std::nearbyint(scaled) : std::round(scaled);
    codes.data[i] = static_cast<std::int32_t>(std::clamp(rounded, low, high));
  });
}

void odd_levels(const WeightFormat& format, const FloatTensor& weight, IntTensor& codes) {
  const auto high = static_cast<double>(format.format.max_code());
  std::vector<double> bent(weight.data.size());
  double largest = 0;
  for_weights(weight, [&](std::size_t i, std::size_t k) {
    bent[i] = std::tanh(weight.data[i] / (format.scale(k) * high));
    largest = std::max(largest, std::abs(bent[i]));
  });
  for (std::size_t i = 0; i < bent.size(); ++i) {
    const double t = largest == 0 ? 0.5 : bent[i] / (2 * largest) + 0.5;
    codes.data[i] = static_cast<std::int32_t>(2 * std::nearbyint(high * t) - high);
  }
}

}  // namespace

std::string_view name(WeightMapping mapping) {
  switch (mapping) {
#define X(id, text)        \
  case WeightMapping::id: \
    return text;
    GUARDBIT_WEIGHT_MAPPINGS(X)
#undef X
  }
  __builtin_unreachable();
}

std::int64_t lowest_code(const arith::Format& format) {
  const bool narrow = format.is_signed && format.overflow == arith::Overflow::SAT_SYM;
  return static_cast<std::int64_t>(narrow ? -format.max_code() : format.min_code());
}

IntTensor weight_codes(const WeightFormat& format, const std::vector<double>& rounding_scales,
                       const FloatTensor& weight) {
  IntTensor codes(weight.shape);
  switch (format.mapping) {
    case WeightMapping::Uniform:
      uniform(format, rounding_scales, weight, codes);
      break;
    case WeightMapping::Sign:
      std::transform(weight.data.begin(), weight.data.end(), codes.data.begin(),
                     [](float w) { return w < 0 ? -1 : 1; });
      break;
    case WeightMapping::Tanh:
      odd_levels(format, weight, codes);
      break;
  }
  return codes;
}

}  // namespace guardbit::nets
