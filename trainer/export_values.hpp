// What a quantized training does to its numbers: of every rule of one batch, or of several, the values before and
// behind it, the integers, and how much overflowed.
//
// Arrays, by NumPy names LAYER/PLACE/NAME (PLACE: weights, biases, activation, gradient.weights, gradient.error; from
// the second rule of a chain on PLACE.TYPE):
//   before, after   float32                 after = scale * (code - zero_point)
//   codes           int32; int64 where the format has more than 32 bits
//   width, scale, zero_point; point of fixed-point formats; overflows, non_zero, rate of all batches together
// Shapes: RuleValues; activations and error gradients have the images of all batches, weight gradients one more axis in
// front, the batch. Weights and biases are the same in every batch.
// SPEC 2.4: an overflow is a rounded code outside the format; rate = overflows / codes that stand for another number
// than 0, 0 where there is none. Rules without a range (signs, tanh) have none of the three.
#pragma once

#include <map>
#include <optional>

#include "nets/io/array.hpp"
#include "trainer/quant/rule_values.hpp"

namespace guardbit::trainer {

struct Overflows {
  std::uint64_t overflows = 0, non_zero = 0;
  [[nodiscard]] double rate() const {
    return non_zero == 0 ? 0 : static_cast<double>(overflows) / static_cast<double>(non_zero);
  }
  friend bool operator==(const Overflows&, const Overflows&) = default;
};
[[nodiscard]] Overflows count_overflows(const RuleValues& values);
/// Of fixed-point formats: integer bits, the sign counted.
[[nodiscard]] std::optional<int> point_of(const RuleValues& values);

struct ValueSummary {
  RuleValues last;  // of the last batch, without its values
  std::string name;  // LAYER/PLACE
  std::uint64_t count = 0;
  double low = 0, high = 0;  // before
  std::optional<Overflows> overflows;
};

class ValueExport {
 public:
  /// Without arrays only summaries are kept.
  explicit ValueExport(bool with_arrays) : with_arrays_(with_arrays) {}
  void begin_batch();
  void add(const RuleValues& values);

  /// In the order in which rules were first shown.
  [[nodiscard]] const std::vector<ValueSummary>& summaries() const { return summaries_; }
  [[nodiscard]] nets::NamedArrays arrays() const;

 private:
  struct Elements {
    std::vector<float> before, after;
    std::vector<std::int64_t> codes;
  };
  [[nodiscard]] std::string name_of(const RuleValues& values);

  bool with_arrays_;
  std::int64_t batches_ = 0;
  std::vector<ValueSummary> summaries_;
  std::vector<Elements> elements_;  // of summaries_, with arrays
  std::map<std::string, std::size_t> index_;
};

}  // namespace guardbit::trainer
