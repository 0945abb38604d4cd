// What a quantized training knows about its integers: the formats of all tensors and weights. With it a network becomes
// integers without calibration, and becomes the very integers that it was trained with.
//
// In a run folder it is quantization.yaml:
//
//   weights_sha256: ...               # of weights.safetensors, which it belongs to
//   output_policy: tflite_double      # tflite_single, onnx_float
//   rounding: RND_CONV                # of shifts
//   layers:
//     - name: conv1                   # a layer of the integer network
//       output: {format: int8, scale: 0.02, zero_point: -128}       # of layers with a format of their own
//       weight: {format: "int<8,SAT_SYM>", mapping: uniform, rounding: RND_INF, scales: [0.001, ...]}
//       bias: {format: ..., scale: ..., zero_point: 0}              # optional: biases are rounded to it first
#pragma once

#include <filesystem>
#include <map>
#include <memory>

#include "nets/quantize/scheme.hpp"

namespace guardbit::nets {

struct LayerRecord {
  std::optional<TensorFormat> output;
  std::optional<WeightFormat> weight;
  std::optional<TensorFormat> bias;
  friend bool operator==(const LayerRecord&, const LayerRecord&) = default;
};

struct QuantizationRecord {
  ArithmeticPolicy policy;
  std::map<std::string, LayerRecord> layers;  // by name
};

// The record outlives the scheme. Error, naming the layer, where the record says nothing about it.
[[nodiscard]] std::unique_ptr<Scheme> make_recorded_scheme(const QuantizationRecord& record);

// Of a run folder whose weights.safetensors stands there already; replaced atomically.
void save_record(const std::filesystem::path& folder, const QuantizationRecord& record);
void remove_record(const std::filesystem::path& folder);
[[nodiscard]] bool has_record(const std::filesystem::path& folder);
// Error for anything wrong: unknown keys, formats that codes cannot have, numbers out of range, other weights.
[[nodiscard]] QuantizationRecord load_record(const std::filesystem::path& folder);

}  // namespace guardbit::nets
