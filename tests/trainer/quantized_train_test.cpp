// Quantized training end to end: repeatable, resumable, and converted without a changed code; what is wrong is told.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "arith/error.hpp"
#include "nets/engines/engine.hpp"
#include "nets/graph/load.hpp"
#include "nets/io/file.hpp"
#include "nets/quantize/quantize.hpp"
#include "nets/quantize/record.hpp"
#include "tests/trainer/quantized_run.hpp"
#include "trainer/checkpoint.hpp"
#include "trainer/train.hpp"

namespace guardbit::trainer {
namespace {

namespace fs = std::filesystem;

class QuantizedTrain : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("guardbit_qat_" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  // Float for 5 steps of 36, statistics that stand still from step 20, learned numbers, averages, random gradients.
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
    c2: {type: convolution, channels: 12, kernel: 3, padding: same, batch_norm: {momentum: 0.9}, activation: relu}
    fc: {type: fully_connected, channels: 10}
  graph: {from: input, with: [c1, p1, drop, c2, fc], to: output}
dataset: {name: glyphs, train_size: 550, test_size: 60, preprocess: {mean: [0.13], std: [0.31]}}
save: {keep: 10}
trainer:
  epochs: 4
  batch_size: 64
  optimizer: {type: sgd, momentum: 0.9}
  learning_rate: {policy: cosine, rate: 0.03}
  augment: {shift: 1, cutout: 3}
  clip_norm: 5
  average: 0.9
quantizer:
  weights: {type: lsq, width: 5}
  activation: {type: affine, width: 8, decay: 0.9}
  gradient: {weights: {type: dfp, width: 16, stochastic: ulp}, error: {type: dfp, width: 12, stochastic: naive}}
  layers: {c2: {activation: {type: pact, width: 4, alpha: 3}}}
  update: {interval: 4}
  quant_delay: 5
  freeze_bn_delay: 20
)");
    nets::merge(value, nets::parse_override("output=" + (folder_ / output).string()));
    for (const std::string& override_text : more) nets::merge(value, nets::parse_override(override_text));
    return value;
  }
  TrainResult run(const std::string& output, const std::vector<std::string>& more = {}) const {
    return train(config(output, more), nullptr);
  }
  nets::Bytes bytes(const std::string& file) const { return nets::read_file(folder_ / file); }
  void expect_same_run(const std::string& a, const std::string& b) const {
    for (const char* file : {"weights.safetensors", "quantization.yaml", "config.yaml", "log.jsonl",
                             "checkpoints/checkpoint-4.safetensors"})
      EXPECT_EQ(bytes(a + "/" + file), bytes(b + "/" + file)) << file;
  }
  template <class Work>
  static std::string error_of(const Work& work) {
    try {
      work();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  nets::IntegerNetwork converted(const std::string& output) const {
    const nets::LoadedNetwork loaded = nets::load_run(folder_ / output);
    const nets::QuantizationRecord record = nets::load_record(folder_ / output);
    return nets::convert(nets::prepare_float(loaded.network), *nets::make_recorded_scheme(record));
  }

  // On the fast engine, image by image.
  double accuracy_of(const nets::IntegerNetwork& network) const {
    const nets::Dataset test = nets::load_dataset(
        nets::read_dataset_spec(nets::Section(config("run")).section("dataset")), nets::Split::Test);
    const nets::IntTensor input = nets::quantize_input(network, test.images.data(), test.count());
    const nets::RunResult out = nets::make_fast_engine()->run(network, nets::uniform(network, {}), input, {});
    const nets::IntTensor& scores = out.layers[static_cast<std::size_t>(network.output)].codes;
    std::int64_t right = 0;
    for (std::int64_t n = 0; n < test.count(); ++n) {
      const auto* row = scores.data.data() + n * 10;
      right += std::max_element(row, row + 10) - row == test.labels[static_cast<std::size_t>(n)] ? 1 : 0;
    }
    return static_cast<double>(right) / static_cast<double>(test.count());
  }

  fs::path folder_;
};

TEST_F(QuantizedTrain, SameBytesInEveryRunWithOneAndTwoThreads) {
  run("one", {"threads=1"});
  run("again", {"threads=1"});
  run("two", {"threads=2"});
  expect_same_run("one", "again");
  expect_same_run("one", "two");
}

TEST_F(QuantizedTrain, AResumedRunIsTheSameRun) {
  run("whole");
  for (const int epoch : {1, 2, 3}) {
    const std::string part = "part" + std::to_string(epoch);
    fs::create_directories(folder_ / part / "checkpoints");
    fs::copy_file(checkpoint_path(folder_ / "whole", epoch), checkpoint_path(folder_ / part, epoch));
    fs::copy_file(folder_ / "whole/log.jsonl", folder_ / part / "log.jsonl");
    run(part, {"load=latest"});
    expect_same_run("whole", part);
  }
  run("whole", {"load=latest"});  // nothing left to do: the same result once more
  expect_same_run("whole", "part1");
}

// The accuracy that training reported is that of the converted network on the fast engine, image by image.
TEST_F(QuantizedTrain, TheConvertedNetworkIsWhatWasTested) {
  for (const char* rules : {"quantizer={weights: {type: affine}, activation: {type: affine}, quant_delay: 3}",
                            "quantizer={weights: {type: dfp, width: 8}, activation: {type: dfp, width: 8}}", ""}) {
    const TrainResult result = *rules == 0 ? run("run") : [&] {
      nets::Value value = config("run");
      value.erase("quantizer");
      nets::merge(value, nets::parse_override(rules));
      return train(value, nullptr);
    }();
    EXPECT_EQ(accuracy_of(converted("run")), result.test.top1) << rules;
    EXPECT_GT(result.test.top1, 0.15);
  }
}

// The operators of the CUDA back end from a library, as a machine with a GPU would take them.
TEST_F(QuantizedTrain, ADeviceFromAPluginTrainsAndResumesLikeTheCpu) {
  const std::vector<std::string> shorter{"dataset.train_size=180", "trainer.epochs=2", "quantizer.quant_delay=1"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), shorter.begin(), shorter.end());
    return more;
  };
  const double on_cpu = run("cpu", with({})).test.loss;
  setenv("GUARDBIT_CUDA_PLUGIN", FAKE_WORKING, 1);
  const TrainResult result = run("device", with({"trainer.device=cuda"}));
  fs::create_directories(folder_ / "resumed/checkpoints");
  fs::copy_file(checkpoint_path(folder_ / "device", 1), checkpoint_path(folder_ / "resumed", 1));
  fs::copy_file(folder_ / "device/log.jsonl", folder_ / "resumed/log.jsonl");
  run("resumed", with({"trainer.device=auto", "load=latest"}));
  unsetenv("GUARDBIT_CUDA_PLUGIN");
  EXPECT_NEAR(result.test.loss, on_cpu, 0.05 * on_cpu);
  for (const char* file : {"weights.safetensors", "quantization.yaml", "log.jsonl"})
    EXPECT_EQ(bytes(std::string("device/") + file), bytes(std::string("resumed/") + file)) << file;
  EXPECT_EQ(accuracy_of(converted("device")), result.test.top1);
}

TEST_F(QuantizedTrain, AFloatRunLeavesNoRecord) {
  run("run", {"trainer.epochs=1"});
  EXPECT_TRUE(nets::has_record(folder_ / "run"));
  run("run", {"trainer.epochs=1", "quantizer=null"});
  EXPECT_FALSE(nets::has_record(folder_ / "run"));
}

TEST_F(QuantizedTrain, WrongConfigurationsAreToldBeforeTraining) {
  EXPECT_EQ(error_of([&] { run("bad", {"quantizer.quant_delay=36"}); }),
            "quantizer.quant_delay: found 36, allowed 0 to 35: the training has 36 steps");
  EXPECT_EQ(error_of([&] { run("bad", {"quantizer.layers.c3={weights: null}"}); }),
            "command line: quantizer.layers.c3: found a layer without codes of its own, or no layer, allowed c1, c2, "
            "fc");
  EXPECT_FALSE(fs::exists(folder_ / "bad/checkpoints"));
}

TEST_F(QuantizedTrain, ACheckpointOfOtherRulesIsRefused) {
  run("run", {"trainer.epochs=1"});
  const std::string file = checkpoint_path(folder_ / "run", 1).string();
  EXPECT_NE(error_of([&] { run("other", {"load=" + file, "quantizer.layers.c2=null"}); })
                .find("of another network or optimizer"), std::string::npos);
  EXPECT_NE(error_of([&] { run("other", {"load=" + file, "quantizer=null"}); }).find("of another network or optimizer"),
            std::string::npos);
}

TEST_F(QuantizedTrain, TheRecordIsReadWithEveryCheck) {
  run("run", {"trainer.epochs=1"});
  const fs::path file = folder_ / "run/quantization.yaml";
  const nets::Bytes raw = nets::read_file(file);
  const std::string good(raw.begin(), raw.end());
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    nets::atomic_write(file, std::string_view(text));
    return error_of([&] { converted("run"); });
  };
  EXPECT_EQ(with("rounding: RND_CONV", "rounding: RND_CONV"), "no error");
  EXPECT_NE(with("format: int8", "format: int99").find("found"), std::string::npos);
  EXPECT_NE(with("format: int8", "format: int20").find("allowed integer and fixed formats of 1 to 16 bits"),
            std::string::npos);
  EXPECT_NE(with("zero_point: -128", "zero_point: -129").find("allowed -128 to 127"), std::string::npos);
  EXPECT_NE(with("mapping: uniform", "mapping: curved").find("allowed uniform, sign, tanh"), std::string::npos);
  EXPECT_NE(with("name: fc", "name: fd").find("layer fc: found nothing, allowed an entry"), std::string::npos);
  EXPECT_NE(with("name: fc", "name: c2").find("allowed each layer once"), std::string::npos);
  EXPECT_NE(with("output_policy: tflite_double", "output_polcy: x").find("unknown key"), std::string::npos);
  nets::atomic_write(file, std::string_view(good));
  std::ofstream(folder_ / "run/weights.safetensors", std::ios::app) << " ";
  const std::string message = error_of([&] { static_cast<void>(nets::load_record(folder_ / "run")); });
  EXPECT_NE(message.find("the record is of other weights"), std::string::npos) << message;
}

TEST_F(QuantizedTrain, ALossThatIsNotFiniteStops) {
  const std::string message = error_of([&] {
    run("run", {"trainer.learning_rate={rate: 1e6}", "trainer.clip_norm=0"});
  });
  EXPECT_NE(message.find("found a loss that is not finite"), std::string::npos) << message;
}

}  // namespace
}  // namespace guardbit::trainer
