// Named requantizers as stage lists, and the integer form of a real multiplier.
#include <cmath>

#include "arith/error.hpp"
#include "arith/stages.hpp"

namespace guardbit::arith {
namespace {

// Mantissas and shifts of all channels; real multiplier = multiplier * 2^(shift - 31).
std::vector<QuantizedMultiplier> quantize_all(const OutputSpec& spec) {
  std::vector<QuantizedMultiplier> all;
  all.reserve(spec.real_multipliers.size());
  for (const double real : spec.real_multipliers) {
    all.push_back(quantize_multiplier(real));
  }
  return all;
}

template <typename Function>
Parameter collect(const std::vector<QuantizedMultiplier>& all, Function function) {
  std::vector<std::int64_t> values;
  values.reserve(all.size());
  for (const QuantizedMultiplier& one : all) {
    values.push_back(function(one));
  }
  return Parameter(std::move(values));
}

// The common tail: activation before the zero point is added, which equals the clamp to [Z, Z + relu6_code] after it.
void append_tail(StageList& stages, const OutputSpec& spec) {
  switch (spec.activation) {
    case Activation::None:
      break;
    case Activation::Relu:
      stages.push_back(Relu{});
      break;
    case Activation::Relu6:
      stages.push_back(Clamp{0, spec.relu6_code});
      break;
  }
  if (spec.zero_point != 0) {
    stages.push_back(Add{spec.zero_point});
  }
  stages.push_back(Narrow{spec.format});
}

}  // namespace

QuantizedMultiplier quantize_multiplier(double real) {
  if (!std::isfinite(real) || real < 0) {
    throw Error("requantize: real multiplier " + std::to_string(real) + " is not allowed; a finite number >= 0 is");
  }
  if (real == 0) {
    return {};
  }
  int shift = 0;
  const double fraction = std::frexp(real, &shift);                           // in [1/2, 1)
  auto mantissa = static_cast<std::int64_t>(std::round(fraction * 0x1p31));  // half away from zero
  if (mantissa == std::int64_t{1} << 31) {
    mantissa /= 2;
    ++shift;
  }
  if (shift < -31) {
    return {};
  }
  return {static_cast<std::int32_t>(mantissa), shift};
}

StageList tflite_double(const OutputSpec& spec) {
  const auto all = quantize_all(spec);
  StageList stages;
  stages.push_back(ShiftLeft{collect(all, [](const auto& m) { return m.shift > 0 ? m.shift : 0; })});
  stages.push_back(Multiply{collect(all, [](const auto& m) { return m.multiplier; }), std::nullopt});
  stages.push_back(ShiftRight{31, Rounding::RND});
  stages.push_back(Narrow{integer_format(32)});
  stages.push_back(ShiftRight{collect(all, [](const auto& m) { return m.shift < 0 ? -m.shift : 0; }),
                              Rounding::RND_INF});
  append_tail(stages, spec);
  return stages;
}

StageList tflite_single(const OutputSpec& spec) {
  auto all = quantize_all(spec);
  for (QuantizedMultiplier& one : all) {
    if (one.shift > 30) {  // the largest multiplier of the single-rounding form
      one = {INT32_MAX, 30};
    }
  }
  StageList stages;
  stages.push_back(Multiply{collect(all, [](const auto& m) { return m.multiplier; }), std::nullopt});
  stages.push_back(ShiftRight{collect(all, [](const auto& m) { return 31 - m.shift; }), Rounding::RND});
  append_tail(stages, spec);
  return stages;
}

StageList onnx_float(const OutputSpec& spec) {
  Scale scale;
  for (const double real : spec.real_multipliers) {
    scale.values.push_back(static_cast<float>(real));
  }
  StageList stages{scale};
  append_tail(stages, spec);
  return stages;
}

StageList pow2(const OutputSpec& spec, int shift_right_bits, Rounding rounding) {
  StageList stages;
  if (shift_right_bits > 0) {
    stages.push_back(ShiftRight{shift_right_bits, rounding});
  } else if (shift_right_bits < 0) {
    stages.push_back(ShiftLeft{-shift_right_bits});
  }
  append_tail(stages, spec);
  return stages;
}

}  // namespace guardbit::arith
