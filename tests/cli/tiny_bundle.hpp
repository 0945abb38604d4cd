// A small network, trained on drawn digits and quantized, and a machine that does not divide its layers evenly.
#pragma once

#include <gtest/gtest.h>

#include "tests/cli/guardbit.hpp"

namespace guardbit::tests {

inline constexpr const char* kTinyRecipe = R"(
dataset: {name: glyphs, train_size: 400, test_size: 60}
model:
  name: tiny
  input: [28, 28, 1]
  layers:
    conv1: {type: convolution, channels: 4, kernel: 5, stride: 2, padding: same, activation: relu}
    pool1: {type: max_pool, kernel: 2}
    conv2: {type: convolution, channels: 6, kernel: 3, padding: valid, activation: relu}
    logits: {type: fully_connected, channels: 10}
  graph: {from: input, with: [conv1, pool1, conv2, logits], to: output}
trainer: {epochs: 1, batch_size: 50, learning_rate: 0.05}
)";

// run/ and train.json of `train`, the bundle int8/, machine.yaml.
inline void make_tiny_bundle(const Workplace& place) {
  write_text(place / "tiny.yaml", kTinyRecipe);
  write_text(place / "machine.yaml",
             "machine:\n  array: {rows: 6, columns: 4}\n"
             "  numerics: {accumulator: {format: 'int<32,WRAP>', step: 1}, narrow_accumulator: true}\n");
  const Outcome trained =
      place.guardbit({"train", place / "tiny.yaml", "-o", place / "run", "--json", place / "train.json"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const Outcome quantized = place.guardbit(
      {"quantize", place / "run", "scheme=int8", "output=" + (place / "int8"), "calibration.images=100"});
  ASSERT_EQ(quantized.code, 0) << quantized.err;
}

}  // namespace guardbit::tests
