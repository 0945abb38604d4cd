// What stands before a rule in one pass, and the integers that stand behind it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "trainer/quant/quantizer.hpp"

namespace guardbit::trainer {

/// real = scale * (code - zero point). Codes are those that the pass computed with: of activations, what the next layer
/// reads, behind the activation function.
struct RuleValues {
  std::string layer;
  Place place = Place::Activation;
  std::string rule;           // its type; "input": of the network; "accumulator": of biases that no rule rounds
  Quantizer* quantizer = nullptr;  // null for the last two
  /// Activations and error gradients [N, H, W, C]; weights and their gradients [K, R, S, C / groups]; biases [K].
  std::vector<std::int64_t> shape;
  std::vector<double> before;  // weights and biases: folded; activations: where the rule stands
  std::vector<std::int64_t> codes;
  arith::Format format;
  arith::Rounding rounding = arith::Rounding::RND_CONV;
  std::vector<double> scales;  // one, or one per element of the first axis
  std::int64_t zero_point = 0;
  bool uniform = true;         // code = round(before / scale), held within the format; else a mapping without a range

  [[nodiscard]] double scale(std::size_t element) const {
    return scales.size() == 1 ? scales[0] : scales[element / (codes.size() / scales.size())];
  }
  [[nodiscard]] double after(std::size_t element) const {
    return scale(element) * static_cast<double>(codes[element] - zero_point);
  }
};

using RuleWatch = std::function<void(const RuleValues&)>;

/// Of one rule of a chain: the values before it and behind it.
using ChainWatch = std::function<void(Quantizer&, std::vector<double> before, const std::vector<double>& after)>;

}  // namespace guardbit::trainer
