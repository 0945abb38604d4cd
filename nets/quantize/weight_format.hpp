// How the weights of a layer become codes: the one function from float weights to integers, used by conversion and, in
// every step, by training.
#pragma once

#include <string_view>
#include <vector>

#include "arith/format.hpp"
#include "nets/graph/tensor.hpp"

namespace guardbit::nets {

// real weight = scale * code, the scale of the tensor or of its output channel. With w the (folded) float weight and
// s the scale of its channel:
//   uniform  code = round(w / s), held within the format
//   sign     code = -1 for w < 0, else +1
//   tanh     DoReFa: M the largest code, u = w / (s * M), t = tanh(u) / (2 * max |tanh u|) + 1/2, code =
//            2 * round(M * t) - M, ties to even: the M + 1 odd numbers from -M to M
#define GUARDBIT_WEIGHT_MAPPINGS(X) \
  X(Uniform, "uniform")             \
  X(Sign, "sign")                   \
  X(Tanh, "tanh")

enum class WeightMapping : unsigned char {
#define X(id, text) id,
  GUARDBIT_WEIGHT_MAPPINGS(X)
#undef X
};
[[nodiscard]] std::string_view name(WeightMapping mapping);

struct WeightFormat {
  arith::Format format = arith::integer_format(8, true, arith::Overflow::SAT_SYM);
  WeightMapping mapping = WeightMapping::Uniform;
  arith::Rounding rounding = arith::Rounding::RND_INF;  // of uniform: RND_INF or RND_CONV
  std::vector<double> scales;                           // of the tensor, or [K]

  [[nodiscard]] double scale(std::size_t channel) const { return scales.size() == 1 ? scales[0] : scales.at(channel); }
  friend bool operator==(const WeightFormat&, const WeightFormat&) = default;
};

// Smallest and largest code: a format with SAT_SYM has no most negative one.
[[nodiscard]] std::int64_t lowest_code(const arith::Format& format);

// weight [K, ...] -> codes of the same shape. `rounding_scales` [K]: what uniform divides by; a scale that was raised
// so that the bias fits (nets/quantize/layer_arithmetic.hpp) stands here, the format's own otherwise.
[[nodiscard]] IntTensor weight_codes(const WeightFormat& format, const std::vector<double>& rounding_scales,
                                     const FloatTensor& weight);

}  // namespace guardbit::nets
