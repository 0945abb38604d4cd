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
#include "tests/trainer/train_place.hpp"
#include "trainer/checkpoint.hpp"

namespace guardbit::trainer {
namespace {

namespace fs = std::filesystem;

using Train = TrainPlace;

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
  for (const char* more : {"dataset.train_size=4000", "dataset.test_size=500", "trainer.epochs=3", "threads=2",
                           "trainer.device=cpu"})
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

// The operators of the CUDA back end from a library, as a machine with a GPU would take them.
TEST_F(Train, ADeviceFromAPluginTrainsAndResumesLikeTheCpu) {
  const double on_cpu = run("cpu").test.loss;
  setenv("GUARDBIT_CUDA_PLUGIN", FAKE_WORKING, 1);
  EXPECT_NEAR(run("device", {"trainer.device=cuda"}).test.loss, on_cpu, 0.02 * on_cpu);
  setenv("GUARDBIT_CUDA_RECORD", "0", 1);
  run("unrecorded", {"trainer.device=cuda"});
  unsetenv("GUARDBIT_CUDA_RECORD");
  fs::create_directories(folder_ / "resumed" / "checkpoints");
  fs::copy(checkpoint_path(folder_ / "device", 2), folder_ / "resumed" / "checkpoints");
  fs::copy(folder_ / "device/log.jsonl", folder_ / "resumed");
  run("resumed", {"trainer.device=auto", "load=latest"});
  unsetenv("GUARDBIT_CUDA_PLUGIN");
  for (const char* file : {"weights.safetensors", "log.jsonl"})
    EXPECT_EQ(bytes(std::string("device/") + file), bytes(std::string("resumed/") + file)) << file;
  expect_same_run("device", "unrecorded");
}

TEST_F(Train, BlendsAndAccumulatedGradientsRunOnADeviceToo) {
  setenv("GUARDBIT_CUDA_PLUGIN", FAKE_WORKING, 1);
  for (const std::string key : {"trainer.mixup=0.4", "trainer.accumulate=3"}) {
    const double on_cpu = run("cpu", {key}).test.loss;
    EXPECT_NEAR(run("device", {key, "trainer.device=cuda"}).test.loss, on_cpu, 0.02 * on_cpu) << key;
  }
  unsetenv("GUARDBIT_CUDA_PLUGIN");
}

TEST_F(Train, TheWrittenNetworkIsTheOneThatWasEvaluated) {
  const TrainResult result = run("net");
  const nets::LoadedNetwork loaded = nets::load_run(folder_ / "net");
  const nets::Dataset test = nets::load_dataset({.name = "glyphs", .path = "", .train_size = 450, .test_size = 100,
                                                 .cache = "", .preprocess = {}}, nets::Split::Test);
  const Evaluation again = evaluate(loaded.network, test, loaded.network.preprocess, 2);
  EXPECT_EQ(again.top1, result.test.top1);
  EXPECT_EQ(again.top5, result.test.top5);
  EXPECT_EQ(again.loss, result.test.loss);
}

TEST_F(Train, ALossThatIsNotFiniteStopsAndLeavesTheCheckpoint) {
  setenv("GUARDBIT_CUDA_PLUGIN", FAKE_WORKING, 1);
  for (const std::string where : {"trainer.device=cpu", "trainer.device=cuda"}) {
    run("nan", {"trainer.epochs=1", "trainer.clip_norm=0", where});
    const nets::Bytes before = bytes("nan/checkpoints/checkpoint-1.safetensors");
    std::string message = "no error";
    try {
      run("nan", {"load=latest", "trainer.learning_rate=1e6", "trainer.weight_decay=1", "trainer.clip_norm=0", where});
    } catch (const Error& error) {
      message = error.what();
    }
    EXPECT_EQ(message.find("training stopped in epoch "), 0U) << message;
    EXPECT_NE(message.find("found a loss that is not finite, first in c1"), std::string::npos) << message;
    // Numbers that explode differ from device to device, and with them step and layer; the words do not.
    EXPECT_NE(message.find("; lower trainer.learning_rate (now 1000000) or set trainer.clip_norm; the last checkpoint is "
                           "intact"), std::string::npos) << message;
    EXPECT_EQ(bytes("nan/checkpoints/checkpoint-1.safetensors"), before);
  }
  unsetenv("GUARDBIT_CUDA_PLUGIN");
}

TEST_F(Train, BadInputIsOneLine) {
  EXPECT_NE(error_of({"trainer.epoch=3"}).find("trainer.epoch: unknown key, did you mean epochs?"), std::string::npos);
  EXPECT_NE(error_of({"trainer.batch_size=0"}).find("trainer.batch_size: found 0, allowed 1 to 65536"),
            std::string::npos);
  EXPECT_NE(error_of({"trainer.device=gpu"}).find("trainer.device: found gpu, allowed auto, cpu, cuda, cuda_tf32"),
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
