// Comparing the results of two engines: codes with the first difference located, and evidence by name.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nets/engines/engine.hpp"

namespace guardbit::nets {

struct Mismatch {
  std::string layer;
  int layer_index = 0;
  std::int64_t n = 0, h = 0, w = 0, c = 0;  // image of the whole set, and coordinate
  std::int64_t expected = 0, actual = 0;
  [[nodiscard]] std::string text() const;  // "layer conv2 [n 0, h 3, w 1, c 7]: expected 5, actual 6"
  friend bool operator==(const Mismatch&, const Mismatch&) = default;
};

// Codes of one layer: how many were compared, how many differ, and the first in C order.
struct CodeComparison {
  std::uint64_t compared = 0, mismatching = 0;
  std::optional<Mismatch> first;
  void merge(const CodeComparison& other);  // of a later batch
};

// `first_image`: the set's index of image 0 of these results. Tensors of unequal shapes are an Error.
[[nodiscard]] CodeComparison compare_codes(const IntegerNetwork& network, int layer, const LayerResult& expected,
                                           const LayerResult& actual, std::int64_t first_image = 0);
// One entry per layer.
[[nodiscard]] std::vector<CodeComparison> compare_codes(const IntegerNetwork& network, const RunResult& expected,
                                                        const RunResult& actual, std::int64_t first_image = 0);
// The first difference in the earliest layer.
[[nodiscard]] std::optional<Mismatch> first_mismatch(const IntegerNetwork& network, const RunResult& expected,
                                                     const RunResult& actual, std::int64_t first_image = 0);

// What differs in the overflow evidence, one line each: "layer conv2: accumulator.count: expected 3, actual 4".
// Cycle counts are compared where both have them. Empty: all equal.
[[nodiscard]] std::vector<std::string> compare_evidence(const IntegerNetwork& network, const RunResult& expected,
                                                        const RunResult& actual);

}  // namespace guardbit::nets
