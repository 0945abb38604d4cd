#include "trainer/export_values.hpp"

#include <algorithm>
#include <cmath>

#include "nets/quantize/weight_format.hpp"

namespace guardbit::trainer {

namespace {

bool is_of_parameters(Place place) { return place == Place::Weights || place == Place::Biases; }

double rounded(double value, arith::Rounding rounding) {
  return rounding == arith::Rounding::RND_INF ? std::round(value) : std::nearbyint(value);
}

template <class T>
nets::Array scalar(T value) {
  return nets::Array::from<T>({}, std::vector<T>{value});
}

}  // namespace

Overflows count_overflows(const RuleValues& values) {
  const auto low = static_cast<double>(nets::lowest_code(values.format));
  const auto high = static_cast<double>(values.format.max_code());
  Overflows result;
  for (std::size_t i = 0; i < values.before.size(); ++i) {
    const double code = rounded(values.before[i] / values.scale(i), values.rounding);
    if (code == 0) continue;
    ++result.non_zero;
    const double shifted = code + static_cast<double>(values.zero_point);
    if (shifted < low || shifted > high) ++result.overflows;
  }
  return result;
}

std::optional<int> point_of(const RuleValues& values) {
  if (values.format.kind != arith::Kind::Fixed) return {};
  return values.format.integer_bits;
}

void ValueExport::begin_batch() { ++batches_; }

std::string ValueExport::name_of(const RuleValues& values) {
  std::string key = values.layer + "/" + std::string(name(values.place));
  const auto found = index_.find(key);
  // A second rule of a chain; the first keeps the plain name.
  if (found != index_.end() && summaries_[found->second].last.rule != values.rule) key += "." + values.rule;
  return key;
}

void ValueExport::add(const RuleValues& values) {
  const std::string key = name_of(values);
  const auto [at, is_new] = index_.emplace(key, summaries_.size());
  if (is_new) {
    summaries_.emplace_back();
    elements_.emplace_back();
  }
  ValueSummary& summary = summaries_[at->second];
  if (!is_new && is_of_parameters(values.place)) return;
  const auto [low, high] = std::minmax_element(values.before.begin(), values.before.end());
  if (low != values.before.end()) {
    summary.low = is_new ? *low : std::min(summary.low, *low);
    summary.high = is_new ? *high : std::max(summary.high, *high);
  }
  summary.name = key;
  summary.count += values.before.size();
  if (values.uniform) {
    const Overflows seen = count_overflows(values);
    Overflows sum = summary.overflows.value_or(Overflows());
    sum.overflows += seen.overflows;
    sum.non_zero += seen.non_zero;
    summary.overflows = sum;
  }
  const bool per_image = values.place == Place::Activation || values.place == Place::GradientError;
  const std::int64_t images = is_new || !per_image ? 0 : summary.last.shape[0];
  RuleValues& last = summary.last;
  last.layer = values.layer;
  last.place = values.place;
  last.rule = values.rule;
  last.quantizer = values.quantizer;
  last.shape = values.shape;
  last.shape[0] += images;
  last.format = values.format;
  last.rounding = values.rounding;
  last.scales = values.scales;
  last.zero_point = values.zero_point;
  last.uniform = values.uniform;
  if (!with_arrays_) return;
  Elements& elements = elements_[at->second];
  for (std::size_t i = 0; i < values.codes.size(); ++i) {
    elements.before.push_back(static_cast<float>(values.before[i]));
    elements.after.push_back(static_cast<float>(values.after(i)));
    elements.codes.push_back(values.codes[i]);
  }
}

nets::NamedArrays ValueExport::arrays() const {
  nets::NamedArrays all;
  for (std::size_t i = 0; i < summaries_.size() && with_arrays_; ++i) {
    const ValueSummary& summary = summaries_[i];
    const RuleValues& last = summary.last;
    std::vector<std::int64_t> shape = last.shape;
    if (last.place == Place::GradientWeights) shape.insert(shape.begin(), batches_);
    const auto put = [&](const char* what, nets::Array array) {
      all.emplace_back(summary.name + "/" + what, std::move(array));
    };
    put("before", nets::Array::from(shape, elements_[i].before));
    put("after", nets::Array::from(shape, elements_[i].after));
    if (last.format.width > 32) {
      put("codes", nets::Array::from(shape, elements_[i].codes));
    } else {
      const std::vector<std::int32_t> codes(elements_[i].codes.begin(), elements_[i].codes.end());
      put("codes", nets::Array::from(shape, codes));
    }
    put("width", scalar<std::int64_t>(last.format.width));
    if (const auto point = point_of(last)) put("point", scalar<std::int64_t>(*point));
    if (last.scales.size() == 1) put("scale", scalar(last.scales[0]));
    else put("scale", nets::Array::from({static_cast<std::int64_t>(last.scales.size())}, last.scales));
    put("zero_point", scalar<std::int64_t>(last.zero_point));
    if (!summary.overflows) continue;
    put("overflows", scalar(summary.overflows->overflows));
    put("non_zero", scalar(summary.overflows->non_zero));
    put("rate", scalar(summary.overflows->rate()));
  }
  return all;
}

}  // namespace guardbit::trainer
