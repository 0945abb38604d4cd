// Training end to end on small sets of glyphs: learning, repeatability, resume, bad input.
#include "trainer/train.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "arith/error.hpp"
#include "arith/philox.hpp"
#include "nets/graph/load.hpp"
#include "nets/io/file.hpp"
#include "trainer/checkpoint.hpp"

namespace guardbit::trainer {
namespace {

namespace fs = std::filesystem;

class Train : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("guardbit_train_" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  // A small network with batch normalization, dropout and an average of the weights: all state that there can be.
  nets::Value config(const std::string& output, const std::vector<std::string>& more = {}) const {
    nets::Value value = nets::parse_yaml(R"(
model:
  name: small
  input: [28, 28, 1]
  layers:
    c1: {type: convolution, channels: 8, kernel: 5, stride: 2, padding: same, batch_norm: {momentum: 0.9}, activation: relu}
    p1: {type: max_pool, kernel: 2}
    drop: {type: dropout, rate: 0.1}
    fc: {type: fully_connected, channels: 10}
  graph: {from: input, with: [c1, p1, drop, fc], to: output}
dataset: {name: glyphs, train_size: 450, test_size: 100}
save: {keep: 10}
trainer:
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

  fs::path folder_;
};

TEST_F(Train, SameBytesInEveryRunWithOneAndTwoThreads) {
  const TrainResult result = run("one", {"threads=1"});
  EXPECT_EQ(result.epochs, 4);
  EXPECT_EQ(result.test.count, 100);
  EXPECT_GT(result.test.top1, 0.2);  // after 32 steps; chance is 0.1
  run("two", {"threads=2"});
  expect_same_run("one", "two");
  run("again", {"threads=2"});
  expect_same_run("one", "again");
  run("other", {"seed=2"});
  EXPECT_NE(bytes("one/weights.safetensors"), bytes("other/weights.safetensors"));
}

TEST_F(Train, LenetLearnsGlyphs) {
  nets::Value value = nets::load_yaml("trainer/recipes/lenet5_glyphs.yaml");
  for (const char* more : {"dataset.train_size=4000", "dataset.test_size=500", "trainer.epochs=3", "threads=2"})
    nets::merge(value, nets::parse_override(more));
  nets::merge(value, nets::parse_override("output=" + (folder_ / "lenet").string()));
  EXPECT_GT(train(value, nullptr).test.top1, 0.9);
}

TEST_F(Train, ResumingFromAnyEpochGivesTheSameBytes) {
  run("whole");
  for (int epoch = 1; epoch <= 3; ++epoch) {
    const std::string name = "part" + std::to_string(epoch);
    fs::create_directories(folder_ / name / "checkpoints");
    fs::copy(checkpoint_path(folder_ / "whole", epoch), folder_ / name / "checkpoints");
    fs::copy(folder_ / "whole/log.jsonl", folder_ / name);  // has lines of later epochs
    run(name, {epoch == 2 ? "load=2" : "load=latest"});
    expect_same_run("whole", name);
  }
}

TEST_F(Train, KilledAtAnyMomentItGoesOnFromTheLastCheckpoint) {
  run("whole");
  arith::Random random(3);
  for (int kills = 0; kills < 8; ++kills) {
    const fs::path checkpoints = folder_ / "killed" / "checkpoints";
    const bool started = fs::exists(checkpoints) && fs::exists(checkpoint_path(folder_ / "killed", 1));
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      run("killed", {started ? "load=latest" : "load=null", "trainer.epochs=4"});
      _exit(0);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + random.below(120)));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
  }
  const bool started = fs::exists(checkpoint_path(folder_ / "killed", 1));
  run("killed", {started ? "load=latest" : "load=null"});
  expect_same_run("whole", "killed");
}

TEST_F(Train, TheWrittenNetworkIsTheOneThatWasEvaluated) {
  const TrainResult result = run("net");
  const nets::LoadedNetwork loaded = nets::load_run(folder_ / "net");
  const nets::Dataset test = nets::load_dataset({.name = "glyphs", .path = "", .train_size = 450, .test_size = 100,
                                                 .preprocess = {}}, nets::Split::Test);
  const Evaluation again = evaluate(loaded.network, test, loaded.network.preprocess, 2);
  EXPECT_EQ(again.top1, result.test.top1);
  EXPECT_EQ(again.top5, result.test.top5);
  EXPECT_EQ(again.loss, result.test.loss);
}

TEST_F(Train, ALossThatIsNotFiniteStopsAndLeavesTheCheckpoint) {
  run("nan", {"trainer.epochs=1", "trainer.clip_norm=0"});
  const nets::Bytes before = bytes("nan/checkpoints/checkpoint-1.safetensors");
  std::string message = "no error";
  try {
    run("nan", {"load=latest", "trainer.learning_rate=1e6", "trainer.weight_decay=1", "trainer.clip_norm=0"});
  } catch (const Error& error) {
    message = error.what();
  }
  EXPECT_EQ(message.find("training stopped in epoch "), 0U) << message;
  EXPECT_NE(message.find("found a loss that is not finite, first in c1"), std::string::npos) << message;
  EXPECT_EQ(bytes("nan/checkpoints/checkpoint-1.safetensors"), before);
}

TEST_F(Train, BadInputIsOneLine) {
  EXPECT_NE(error_of({"trainer.epoch=3"}).find("trainer.epoch: unknown key, did you mean epochs?"), std::string::npos);
  EXPECT_NE(error_of({"trainer.batch_size=0"}).find("trainer.batch_size: found 0, allowed 1 to 65536"),
            std::string::npos);
  EXPECT_EQ(error_of({"load=latest"}), "load: latest: no checkpoint in " + (folder_ / "bad/checkpoints").string());
  EXPECT_EQ(error_of({"model.input=[27, 28, 1]"}),
            "dataset glyphs: found images [28, 28, 1], allowed [27, 28, 1], the input of network small");
  EXPECT_EQ(error_of({"model.layers.fc.channels=9"}),
            "dataset glyphs: found 10 classes, allowed at most 9, the outputs of network small");
}

TEST_F(Train, DamagedCheckpointsAreRefused) {
  run("good", {"trainer.epochs=1"});
  const nets::Bytes whole = bytes("good/checkpoints/checkpoint-1.safetensors");
  const fs::path file = folder_ / "cut.safetensors";
  nets::atomic_write(file, nets::ByteView(whole).first(whole.size() / 2));
  EXPECT_EQ(error_of({"load=" + file.string()}).find(file.string()), 0U);
  EXPECT_NE(error_of({"load=" + checkpoint_path(folder_ / "good", 1).string(), "trainer.average=0"}).find("found"),
            std::string::npos);
  EXPECT_NE(error_of({"load=" + checkpoint_path(folder_ / "good", 1).string(), "trainer.batch_size=32"})
                .find("of another data set or batch size"), std::string::npos);
}

}  // namespace
}  // namespace guardbit::trainer
