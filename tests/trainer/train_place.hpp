// A folder and a small network for tests that train.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "arith/error.hpp"
#include "nets/io/file.hpp"
#include "trainer/train.hpp"

namespace guardbit::trainer {

class TrainPlace : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("guardbit_train_" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // A small network with batch normalization, dropout and an average of the weights: all state that there can be.
  nets::Value config(const std::string& output, const std::vector<std::string>& more = {}) const {
    nets::Value value = nets::parse_yaml(R"(
model:
  name: small
  input: [28, 28, 1]
  layers:
    c1: {type: convolution, channels: 8, kernel: 5, stride: 2, padding: same, batch_norm: {momentum: 0.9},
         activation: relu}
    p1: {type: max_pool, kernel: 2}
    drop: {type: dropout, rate: 0.1}
    fc: {type: fully_connected, channels: 10}
  graph: {from: input, with: [c1, p1, drop, fc], to: output}
dataset: {name: glyphs, train_size: 450, test_size: 100}
save: {keep: 10}
trainer:
  device: cpu
  epochs: 4
  batch_size: 64
  optimizer: {type: adamw}
  learning_rate: {policy: cosine, rate: 0.01, warm_up: 1}
  weight_decay: 0.001
  label_smoothing: 0.05
  augment: {shift: 1, rotate: 5, scale: 0.05, cutout: 3}
  clip_norm: 5
  average: 0.9
)");
    nets::merge(value, nets::parse_override("output=" + (folder_ / output).string()));
    for (const std::string& override_text : more) nets::merge(value, nets::parse_override(override_text));
    return value;
  }
  TrainResult run(const std::string& output, const std::vector<std::string>& more = {}) const {
    return train(config(output, more), nullptr);
  }
  nets::Bytes bytes(const std::string& file) const { return nets::read_file(folder_ / file); }
  std::string error_of(const std::vector<std::string>& more) const {
    try {
      run("bad", more);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  void expect_same_run(const std::string& a, const std::string& b) const {
    for (const char* file : {"weights.safetensors", "config.yaml", "log.jsonl", "checkpoints/checkpoint-4.safetensors"})
      EXPECT_EQ(bytes(a + "/" + file), bytes(b + "/" + file)) << file;
  }

  std::filesystem::path folder_;
};

}  // namespace guardbit::trainer
