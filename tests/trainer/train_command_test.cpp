// The train command as a user sees it: killed at any moment it goes on to the same bytes, and what is wrong is one line
// with exit code 2 that leaves the last good checkpoint as it was.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "arith/philox.hpp"
#include "tests/cli/guardbit.hpp"

namespace guardbit {
namespace {

namespace fs = std::filesystem;
using tests::Outcome;
using tests::read_text;
using tests::source;
using tests::Workplace;
using Clock = std::chrono::steady_clock;

constexpr int kEpochs = 10;

std::vector<std::string> training(const std::string& output, int threads) {
  return {"train", source("trainer/recipes/lenet5_glyphs.yaml"), "-o", output, "dataset.train_size=1600",
          "dataset.test_size=200", "trainer.epochs=" + std::to_string(kEpochs), "threads=" + std::to_string(threads)};
}

std::string checkpoint(const std::string& output, int epoch) {
  return output + "/checkpoints/checkpoint-" + std::to_string(epoch) + ".safetensors";
}
bool has_checkpoint(const std::string& output) {
  for (int epoch = 1; epoch <= kEpochs; ++epoch)
    if (fs::exists(checkpoint(output, epoch))) return true;
  return false;
}

pid_t start(const std::vector<std::string>& arguments) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child != 0) return child;
  std::vector<char*> argv{const_cast<char*>(GUARDBIT_EXECUTABLE)};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  if (std::freopen("/dev/null", "w", stdout) == nullptr || std::freopen("/dev/null", "w", stderr) == nullptr) _exit(3);
  execv(GUARDBIT_EXECUTABLE, argv.data());
  _exit(3);
}

// The status of a process that is left alone for `moment`, then killed; it may have ended before.
int status_when_killed_after(pid_t child, std::chrono::microseconds moment) {
  int status = 0;
  const auto end = Clock::now() + moment;
  while (Clock::now() < end) {
    if (waitpid(child, &status, WNOHANG) == child) return status;
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  return status;
}

void expect_same(const std::string& a, const std::string& b) {
  for (const std::string name : {"/weights.safetensors", "/config.yaml", "/log.jsonl"})
    EXPECT_TRUE(read_text(a + name) == read_text(b + name)) << name;
  EXPECT_FALSE(read_text(checkpoint(a, kEpochs)).empty());
  EXPECT_TRUE(read_text(checkpoint(a, kEpochs)) == read_text(checkpoint(b, kEpochs)));
}

class Killed : public testing::TestWithParam<int> {};

// Kills at random moments, each after up to a third of the time of an undisturbed training. A training that ends before
// its kill is compared and begins anew.
TEST_P(Killed, TwentyTimesAtRandomMomentsItEndsInTheSameBytes) {
  const int threads = GetParam();
  const char* wanted = std::getenv("GUARDBIT_KILL_SEED");
  const std::uint64_t seed = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 1;
  std::printf("GUARDBIT_KILL_SEED=%llu\n", static_cast<unsigned long long>(seed));
  const Workplace place("kill" + std::to_string(threads));
  const auto begin = Clock::now();
  const Outcome whole = place.guardbit(training(place / "whole", threads));
  ASSERT_EQ(whole.code, 0) << whole.err;
  const auto third = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin).count() / 3;

  arith::Random random(seed, static_cast<std::uint64_t>(threads));
  std::string output = place / "round0";
  int kills = 0, finished = 0, resumed = 0;
  while (kills < 20) {
    std::vector<std::string> arguments = training(output, threads);
    if (has_checkpoint(output)) {
      arguments.emplace_back("load=latest");
      ++resumed;
    }
    const auto moment = std::chrono::microseconds(random.below(static_cast<std::uint64_t>(third)));
    const int status = status_when_killed_after(start(arguments), moment);
    if (WIFSIGNALED(status)) {
      ++kills;
      continue;
    }
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    expect_same(place / "whole", output);
    output = place / ("round" + std::to_string(++finished));
  }
  std::vector<std::string> last = training(output, threads);
  if (has_checkpoint(output)) last.emplace_back("load=latest");
  ASSERT_EQ(place.guardbit(last).code, 0);
  expect_same(place / "whole", output);
  std::printf("%d kills, %d resumes, %d trainings ended between\n", kills, resumed, finished);
  EXPECT_GT(resumed, 5);
}
INSTANTIATE_TEST_SUITE_P(Threads, Killed, testing::Values(1, 2));

TEST(TrainCommand, OneAndTwoThreadsWriteTheSameBytes) {
  const Workplace place("threads");
  ASSERT_EQ(place.guardbit(training(place / "one", 1)).code, 0);
  ASSERT_EQ(place.guardbit(training(place / "two", 2)).code, 0);
  expect_same(place / "one", place / "two");
}

// A short training that has gone well, and more of it that goes wrong.
class BadTraining : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(train({"trainer.epochs=1"}).code, 0);
    file_ = place_ / "run/checkpoints/checkpoint-1.safetensors";
    good_ = read_text(file_);
    ASSERT_FALSE(good_.empty());
  }
  Outcome train(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments{"train", source("trainer/recipes/lenet5_glyphs.yaml"), "-o", place_ / "run",
                                       "dataset.train_size=128", "dataset.test_size=64", "threads=1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return place_.guardbit(arguments);
  }
  // `parts` must all stand in the line; the checkpoint is as it was.
  void refused(const std::vector<std::string>& more, const std::vector<std::string>& parts) {
    const Outcome outcome = train(more);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    const std::string line = outcome.err.substr(outcome.err.find("guardbit: ") == std::string::npos
                                                    ? 0 : outcome.err.find("guardbit: "));
    EXPECT_EQ(line.rfind("guardbit: ", 0), 0U) << outcome.err;
    EXPECT_EQ(line.find('\n'), line.size() - 1) << "one line: " << outcome.err;
    for (const std::string& part : parts)
      EXPECT_NE(line.find(part), std::string::npos) << "no '" << part << "' in " << line;
    EXPECT_TRUE(read_text(file_) == good_);
  }
  Workplace place_{"badtrain"};
  std::string file_, good_;
};

TEST_F(BadTraining, WrongShapesAndMissingDataAreNamed) {
  refused({"model.input=[27, 28, 1]"}, {"glyphs: found images [28, 28, 1], allowed [27, 28, 1]"});
  refused({"model.layers.fc3.channels=7"}, {"found 10 classes, allowed at most 7"});
  refused({"dataset={name: mnist, path: " + (place_ / "nothing") + "}"}, {place_ / "nothing"});
  refused({"dataset={name: cifar10, path: " + (place_ / "nothing") + "}"}, {place_ / "nothing"});
}

TEST_F(BadTraining, WrongKeysAreNamed) {
  refused({"trainer.acumulate=2"}, {"acumulate", "did you mean accumulate?"});
  refused({"trainer.mixup=-1"}, {"trainer.mixup: found -1"});
  refused({"trainer.learning_rate={policy: sgdr, rate: 0.1}"}, {"trainer.learning_rate.epochs"});
  refused({"trainer.custom_lr_list=[conv9]", "trainer.custom_lr=0.1"}, {"found conv9"});
  refused({"save.best=perhaps"}, {"save.best"});
}

TEST_F(BadTraining, ALossThatIsNotFiniteStopsAndSaysWhere) {
  refused({"load=latest", "trainer.learning_rate=1e6"},
          {"training stopped in epoch ", "found a loss that is not finite, first in conv", "checkpoint is intact"});
}

TEST_F(BadTraining, EvalRunsOnTheDeviceThatIsNamed) {
  const auto eval = [&](const std::string& device) {
    return place_.guardbit({"eval", place_ / "run", "trainer.device=" + device, "--json", place_ / (device + ".json")});
  };
  setenv("GUARDBIT_CUDA_PLUGIN", FAKE_WORKING, 1);
  for (const char* device : {"cpu", "cuda", "auto"}) EXPECT_EQ(eval(device).code, 0) << device;
  const auto cpu = place_.json("cpu.json"), cuda = place_.json("cuda.json");
  EXPECT_EQ(cpu["device"].get<std::string>().find("cpu"), 0U);
  EXPECT_EQ(cuda["device"], "cuda_on_host");
  EXPECT_EQ(cuda["dataset"], cpu["dataset"]);
  EXPECT_NEAR(cuda["loss"].get<double>(), cpu["loss"].get<double>(), 1e-5);
  EXPECT_TRUE(place_.json("auto.json") == cuda);
  setenv("GUARDBIT_CUDA_PLUGIN", "/no/such/library.so", 1);
  const Outcome refused_device = eval("cuda"), wrong = eval("gpu");
  EXPECT_EQ(refused_device.code, 2);
  EXPECT_EQ(refused_device.err, "guardbit: cuda: /no/such/library.so does not exist\n");
  EXPECT_EQ(wrong.code, 2);
  EXPECT_NE(wrong.err.find("trainer.device: found gpu, allowed auto, cpu, cuda, cuda_tf32"), std::string::npos);
  EXPECT_EQ(eval("auto").code, 0);
  EXPECT_TRUE(place_.json("auto.json") == cpu);
  unsetenv("GUARDBIT_CUDA_PLUGIN");
}

TEST_F(BadTraining, CheckpointsThatAreNotThereAreNamed) {
  refused({"load=7"}, {"load: 7: there is no file"});
  refused({"load=best"}, {"load: best: there is no file"});
  refused({"load=1", "trainer.average=0.9"}, {"checkpoint-1.safetensors: tensor average.", "is missing"});
}

TEST_F(BadTraining, DamagedCheckpointsAreNamedAndLeftAlone) {
  arith::Random random(5);
  const std::string damaged = place_ / "damaged.safetensors";
  for (int i = 0; i < 24; ++i) {
    std::string bytes = good_;
    const auto at = static_cast<std::size_t>(random.below(i % 4 < 2 ? 2000 : bytes.size()));
    if (i % 2 == 0) bytes.resize(at);
    else bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
    tests::write_text(damaged, bytes);
    refused({"load=" + damaged}, {damaged});
    EXPECT_TRUE(read_text(damaged) == bytes);
  }
}

}  // namespace
}  // namespace guardbit
