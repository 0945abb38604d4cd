// Requantize: from an accumulator to an output code, as a list of stages in hardware order.
//
// Every stage is exact on 128-bit values unless it says that it narrows. A parameter is one number or one per output
// channel. Presets (tflite_double, ...) are functions that return such lists; nothing else knows about them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "arith/format.hpp"

namespace guardbit::arith {

// One number, or one per element of the last axis (output channel).
struct Parameter {
  std::vector<std::int64_t> values;  // size 1 or channels
  Parameter() = default;
  Parameter(std::int64_t value) : values{value} {}  // NOLINT: a number is a parameter
  explicit Parameter(std::vector<std::int64_t> per_channel) : values(std::move(per_channel)) {}
  [[nodiscard]] std::int64_t at(std::int64_t channel) const {
    return values.size() == 1 ? values[0] : values[static_cast<std::size_t>(channel)];
  }
  friend bool operator==(const Parameter&, const Parameter&) = default;
};

struct Add { Parameter value; friend bool operator==(const Add&, const Add&) = default; };             // v + value
struct Subtract { Parameter value; friend bool operator==(const Subtract&, const Subtract&) = default; };
struct ShiftLeft { Parameter bits; friend bool operator==(const ShiftLeft&, const ShiftLeft&) = default; };
// v * value, then narrowed to `format` when given (counted).
struct Multiply {
  Parameter value;
  std::optional<Format> format;
  friend bool operator==(const Multiply&, const Multiply&) = default;
};
// v / 2^bits, rounded. bits 0 leaves v as it is.
struct ShiftRight {
  Parameter bits;
  Rounding rounding = Rounding::RND_INF;
  friend bool operator==(const ShiftRight&, const ShiftRight&) = default;
};
// Narrow to an integer format with its overflow mode (Saturate defaults to SAT, Wrap to WRAP in text form); counted.
struct Narrow { Format format; friend bool operator==(const Narrow&, const Narrow&) = default; };
struct Relu { friend bool operator==(const Relu&, const Relu&) = default; };                            // max(v, 0)
// An activation function's bounds: part of the function, so never counted as overflow. Empty bound: none.
struct Clamp {
  std::optional<std::int64_t> low, high;
  friend bool operator==(const Clamp&, const Clamp&) = default;
};
// binary32: round_to_nearest_even(float(v) * scale). The `onnx_float` policy.
struct Scale { std::vector<float> values; friend bool operator==(const Scale&, const Scale&) = default; };

using Stage = std::variant<Add, Subtract, ShiftLeft, Multiply, ShiftRight, Narrow, Relu, Clamp, Scale>;
using StageList = std::vector<Stage>;

// Checks parameters (shifts 0..63, per-channel sizes equal `channels` or 1) and that no intermediate value can exceed
// 127 bits for an input of `input_bits` signed bits. Throws Error naming `where` and the stage's number.
void check_stages(const StageList& stages, std::int64_t channels, int input_bits, const std::string& where);

// Counts per stage: how many values a narrowing stage changed. Non-narrowing stages stay 0.
struct StageCounts {
  std::uint64_t total = 0;            // values seen
  std::vector<std::uint64_t> changed;  // one per stage
  void merge(const StageCounts& other);
  friend bool operator==(const StageCounts&, const StageCounts&) = default;
};

// The obvious implementation: one value through all stages. counts.changed must have stages.size() entries.
[[nodiscard]] std::int64_t apply_stages(const StageList& stages, std::int64_t value, std::int64_t channel,
                                        StageCounts& counts);

namespace detail {
struct StageProgram;
struct FusedPlan;
enum class Isa : unsigned char;
}  // namespace detail

// Whole blocks, values [rows, channels] -> codes: the results and counts of apply_stages, in one pass over 32-bit lanes
// where bounds prove that exact, else in loops over 64 bits, else value by value. Prepared once per layer; const and
// thread-safe afterwards. Throws Error for parameters that check_stages refuses.
class Requantizer {
 public:
  Requantizer(StageList stages, std::int64_t channels);
  Requantizer(StageList stages, std::int64_t channels, detail::Isa isa);  // one that the processor has

  // Value (r, c) is in[r * in_stride + c], its channel first_channel + c, which must be one of `channels`. In and out
  // do not overlap. Adds to counts. Throws Error for a result that the type of `out` does not hold.
  // In: int32, int64. Out: int8, uint8, int16, int32, int64.
  template <class In, class Out>
  void apply(const In* in, std::int64_t in_stride, Out* out, std::int64_t out_stride, std::int64_t rows,
             std::int64_t first_channel, std::int64_t cols, StageCounts& counts) const;

  [[nodiscard]] const StageList& stages() const { return stages_; }
  [[nodiscard]] bool is_fused() const { return fused_ != nullptr; }        // for inputs that are not too large
  [[nodiscard]] bool has_loops() const { return program_ != nullptr; }     // in 64 bits

 private:
  template <class In, class Out>
  struct Job;

  StageList stages_;
  std::int64_t channels_;
  detail::Isa isa_;
  std::shared_ptr<const detail::FusedPlan> fused_;
  std::shared_ptr<const detail::StageProgram> program_;
};

// real multiplier in (0, 1) or above -> 31-bit mantissa and shift, as TFLite's QuantizeMultiplier (SPEC: frexp,
// round half away, mantissa 2^31 renormalised, shift < -31 gives 0).
struct QuantizedMultiplier { std::int32_t multiplier = 0; int shift = 0; };
[[nodiscard]] QuantizedMultiplier quantize_multiplier(double real);

enum class Activation : unsigned char { None, Relu, Relu6 };

// Output side of a layer that the presets need. real_multipliers: S_x * S_w[c] / S_y, one or one per channel.
struct OutputSpec {
  std::vector<double> real_multipliers;
  std::int64_t zero_point = 0;
  Format format = integer_format(8);
  Activation activation = Activation::None;
  std::int64_t relu6_code = 0;  // round(6 / S_y); used with Activation::Relu6
};

// shift_left, multiply, shift_right 31 RND, saturate int32, shift_right RND_INF, activation, add zero point, saturate.
[[nodiscard]] StageList tflite_double(const OutputSpec& spec);
// shift_left or one shift_right RND after the multiplication (single rounding), activation, add, saturate.
[[nodiscard]] StageList tflite_single(const OutputSpec& spec);
// binary32 scale with round to nearest even, activation, add, saturate.
[[nodiscard]] StageList onnx_float(const OutputSpec& spec);
// Fixed point: shift by accumulator_frac_bits - output frac bits (right with `rounding`, or left), activation, narrow
// to spec.format.
[[nodiscard]] StageList pow2(const OutputSpec& spec, int shift_right_bits, Rounding rounding);

}  // namespace guardbit::arith
