// Files of a data set as a user of `train` meets them: mapped, from a cache, cut to a part, and lost while in use.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/cli/tiny_bundle.hpp"

namespace guardbit {
namespace {

namespace fs = std::filesystem;
using tests::Outcome;
using tests::read_text;
using tests::Workplace;
using tests::write_text;

std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 255);
  return bytes;
}

class DatasetFiles : public testing::Test {
 protected:
  void SetUp() override {
    write_text(place_ / "tiny.yaml", tests::kTinyRecipe);
    write_set("train", 150);
    write_set("t10k", 40);
  }
  // Digits whose pixels say which they are.
  void write_set(const std::string& name, std::uint32_t count) const {
    std::string images = big_endian(0x803) + big_endian(count) + big_endian(28) + big_endian(28);
    std::string labels = big_endian(0x801) + big_endian(count);
    for (std::uint32_t n = 0; n < count; ++n) {
      labels += static_cast<char>(n * 7 % 10);
      for (std::uint32_t i = 0; i < 784; ++i)
        images += static_cast<char>((i / 28 / 3 == n * 7 % 10 ? 200 : 0) + n % 50);
    }
    write_text(place_ / ("mnist/" + name + "-images-idx3-ubyte"), images);
    write_text(place_ / ("mnist/" + name + "-labels-idx1-ubyte"), labels);
  }
  Outcome train(const std::string& run, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments{"train", place_ / "tiny.yaml", "-o", place_ / run, "threads=1",
                                       "dataset={name: mnist, path: " + (place_ / "mnist") +
                                           ", train_size: null, test_size: null}", "--json", place_ / "train.json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return place_.guardbit(arguments);
  }
  Workplace place_{"dataset"};
};

TEST_F(DatasetFiles, TheBytesOfATrainingAreTheSameWithACache) {
  ASSERT_EQ(train("plain").code, 0);
  const std::string cache = "dataset.cache=" + (place_ / "cache");
  for (const std::string run : {"made", "read"}) {
    const Outcome outcome = train(run, {cache});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    for (const std::string file : {"weights.safetensors", "config.yaml", "log.jsonl",
                                   "checkpoints/checkpoint-1.safetensors"})
      EXPECT_TRUE(read_text(place_ / ("plain/" + file)) == read_text(place_ / (run + "/" + file))) << run << file;
  }
  int files = 0;
  for (const auto& entry : fs::directory_iterator(place_ / "cache")) {
    const std::string good = read_text(entry.path());
    fs::resize_file(entry.path(), good.size() - 1);
    const Outcome cut = train("cut", {cache});
    EXPECT_EQ(cut.code, 2);
    EXPECT_NE(cut.err.find(entry.path().string() + ": found checksum"), std::string::npos) << cut.err;
    EXPECT_EQ(cut.err.find('\n'), cut.err.size() - 1) << cut.err;
    write_text(entry.path(), good);
    ++files;
  }
  EXPECT_EQ(files, 2);
  // Every other command takes the key too.
  EXPECT_EQ(place_.guardbit({"eval", place_ / "plain", cache}).code, 0);
  EXPECT_EQ(place_.guardbit({"info", place_ / "plain", cache}).code, 0);
  EXPECT_EQ(place_.guardbit({"config", "check", place_ / "plain", cache}).code, 0);
}

TEST_F(DatasetFiles, PartsOfFiles) {
  const Outcome part = train("part", {"dataset.train_size=60", "dataset.test_size=25"});
  ASSERT_EQ(part.code, 0) << part.err;
  EXPECT_EQ(place_.json("train.json")["test"]["count"], 25);
  const Outcome more = train("more", {"dataset.holdout=50", "dataset.train_size=101"});
  EXPECT_EQ(more.code, 2);
  EXPECT_NE(more.err.find("dataset.train_size: found 101, allowed 1 to 100"), std::string::npos) << more.err;
}

TEST_F(DatasetFiles, AFileCutShortWhileItIsInUseIsOneLine) {
  std::thread cutter([this] {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!fs::exists(place_ / "lost/log.jsonl") && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    fs::resize_file(place_ / "mnist/train-images-idx3-ubyte", 16);
  });
  const Outcome outcome = train("lost", {"trainer.epochs=20000", "trainer.eval_every=20000", "save.interval=20000"});
  cutter.join();
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("guardbit: a data file in use: found it cut short or not readable any more\n"),
            std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace guardbit
