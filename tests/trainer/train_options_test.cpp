// Options of training that change what a step does: their effect seen in the weights, the log and the checkpoints.
#include <fstream>
#include <nlohmann/json.hpp>

#include "nets/graph/load.hpp"
#include "nets/io/safetensors.hpp"
#include "tests/trainer/train_place.hpp"
#include "trainer/checkpoint.hpp"

namespace guardbit::trainer {
namespace {

namespace fs = std::filesystem;

class TrainOptionsTest : public TrainPlace {
 protected:
  // Without anything that is random or depends on the batch.
  nets::Value plain(const std::string& output, const std::vector<std::string>& more) const {
    nets::Value value = nets::parse_yaml(R"(
model:
  name: plain
  input: [28, 28, 1]
  layers:
    c1: {type: convolution, channels: 4, kernel: 5, stride: 3, padding: valid, activation: relu}
    fc: {type: fully_connected, channels: 10}
  graph: {from: input, with: [c1, fc], to: output}
dataset: {name: glyphs, train_size: 160, test_size: 50}
trainer:
  epochs: 1
  batch_size: 160
  optimizer: {type: sgd, momentum: 0}
  learning_rate: 0.5
)");
    nets::merge(value, nets::parse_override("output=" + (folder_ / output).string()));
    for (const std::string& text : more) nets::merge(value, nets::parse_override(text));
    return value;
  }
  nets::Network trained(const std::string& output, const std::vector<std::string>& more) const {
    train(plain(output, more), nullptr);
    return nets::load_run(folder_ / output).network;
  }
  std::vector<nlohmann::json> log(const std::string& output) const {
    std::ifstream in(folder_ / output / "log.jsonl");
    std::vector<nlohmann::json> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(nlohmann::json::parse(line));
    return lines;
  }
};

double largest_difference(const nets::FloatTensor& a, const nets::FloatTensor& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.data.size(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(a.data[i]) - static_cast<double>(b.data[i])));
  return largest;
}

// 160 images in one batch, or in batches of 64, 64 and 32 whose gradients are one mean over all images.
TEST_F(TrainOptionsTest, AccumulationIsOneLargerBatch) {
  const nets::Network whole = trained("whole", {}), parts = trained("parts", {"trainer.batch_size=64",
                                                                              "trainer.accumulate=3"});
  const nets::Network separate = trained("separate", {"trainer.batch_size=64"});
  for (const auto& [name, tensor] : whole.parameters) {
    EXPECT_LT(largest_difference(tensor, parts.parameter(name)), 2e-6) << name;
    EXPECT_GT(largest_difference(tensor, separate.parameter(name)), 1e-3) << name;
  }
  // With 2 batches per update the third is an update of its own: two updates, and the second starts afresh.
  const nets::Network two = trained("two", {"trainer.batch_size=80", "trainer.epochs=2", "trainer.accumulate=2"});
  const nets::Network twice = trained("twice", {"trainer.epochs=2"});
  for (const auto& [name, tensor] : two.parameters)
    EXPECT_LT(largest_difference(tensor, twice.parameter(name)), 1e-5) << name;
}

// Gradients hardly change between two tiny steps, so each of Adam's has the length of the rate; a step that were
// corrected as if it were the first again would be a third longer.
TEST_F(TrainOptionsTest, StepsAreCountedOverEpochs) {
  const std::vector<std::string> adam{"trainer.optimizer=null", "trainer.optimizer.type=adam",
                                      "trainer.learning_rate=1e-5", "trainer.epochs=2"};
  const nets::Network start = trained("start", {"trainer.learning_rate=0"}), two = trained("two", adam);
  EXPECT_NEAR(largest_difference(start.parameter("fc.bias"), two.parameter("fc.bias")), 2e-5, 1e-6);
}

TEST_F(TrainOptionsTest, AccumulationResumesToTheSameBytes) {
  run("whole", {"trainer.accumulate=3"});
  fs::create_directories(folder_ / "part/checkpoints");
  fs::copy(checkpoint_path(folder_ / "whole", 2), folder_ / "part/checkpoints");
  fs::copy(folder_ / "whole/log.jsonl", folder_ / "part");
  run("part", {"trainer.accumulate=3", "load=latest"});
  expect_same_run("whole", "part");
}

TEST_F(TrainOptionsTest, NamedParametersHaveTheirOwnRate) {
  const nets::Network start = trained("start", {"trainer.learning_rate=0"});
  const nets::Network free = trained("free", {});
  const nets::Network held = trained("held", {"trainer.custom_lr_list=[c1]", "trainer.custom_lr=0"});
  EXPECT_EQ(held.parameter("c1.weight").data, start.parameter("c1.weight").data);
  EXPECT_EQ(held.parameter("c1.bias").data, start.parameter("c1.bias").data);
  EXPECT_EQ(held.parameter("fc.weight").data, free.parameter("fc.weight").data);
  // Half the rate of one step moves half as far, with the policy or constant.
  for (const char* constant : {"false", "true"}) {
    const nets::Network half = trained("half", {"trainer.custom_lr_list=[fc]", "trainer.custom_lr=0.25",
                                                std::string("trainer.custom_lr_constant=") + constant});
    const auto &from = start.parameter("fc.weight").data, &to = free.parameter("fc.weight").data;
    const auto& middle = half.parameter("fc.weight").data;
    for (std::size_t i = 0; i < from.size(); ++i) EXPECT_NEAR(middle[i], (from[i] + to[i]) / 2, 1e-6);
    EXPECT_EQ(half.parameter("c1.weight").data, free.parameter("c1.weight").data);
  }
  // Where the policy has come down to zero only the constant one still moves.
  const std::vector<std::string> zero{"trainer.learning_rate={policy: one_cycle, rate: 0.5, start: 0}",
                                      "trainer.custom_lr_list=[fc]", "trainer.custom_lr=0.25"};
  EXPECT_EQ(trained("none", zero).parameter("fc.weight").data, start.parameter("fc.weight").data);
  auto always = zero;
  always.push_back("trainer.custom_lr_constant=true");
  EXPECT_NE(trained("always", always).parameter("fc.weight").data, start.parameter("fc.weight").data);
}

TEST_F(TrainOptionsTest, NamedParametersHaveTheirOwnDecay) {
  const nets::Network start = trained("start", {"trainer.learning_rate=0"}), free = trained("free", {});
  const nets::Network some = trained("some", {"trainer.weight_decay=0.25", "trainer.custom_decay=0.5",
                                              "trainer.custom_decay_list=[fc.weight, c1.bias]"});
  const auto expect_decay = [&](const char* name, float decay) {
    const auto &before = start.parameter(name).data, &plain_step = free.parameter(name).data;
    const auto& found = some.parameter(name).data;
    for (std::size_t i = 0; i < found.size(); ++i)
      ASSERT_NEAR(found[i], plain_step[i] - 0.5F * decay * before[i], 1e-6) << name;
  };
  expect_decay("c1.weight", 0.25F);
  expect_decay("fc.weight", 0.5F);
  expect_decay("c1.bias", 0.5F);
  expect_decay("fc.bias", 0.0F);
}

TEST_F(TrainOptionsTest, ListsThatNameNothingAreErrors) {
  EXPECT_EQ(error_of({"trainer.custom_lr_list=[c9]", "trainer.custom_lr=0.1"}),
            "trainer.custom_lr_list: found c9, allowed parts of the names of trainable parameters, such as c1.weight");
  EXPECT_NE(error_of({"trainer.custom_lr=0.1"}).find("trainer.custom_lr: unknown key"), std::string::npos);
  EXPECT_NE(error_of({"trainer.custom_decay_list=[c1]"}).find("trainer.custom_decay"), std::string::npos);
  EXPECT_NE(error_of({"trainer.custom_decay_list=[\"\"]", "trainer.custom_decay=0"}).find("an empty text"),
            std::string::npos);
  EXPECT_NE(error_of({"trainer.accumulate=0"}).find("trainer.accumulate: found 0"), std::string::npos);
  EXPECT_NE(error_of({"trainer.optimizer={type: rmsprop, beta1: 0.9}"}).find("beta1: unknown key"), std::string::npos);
}

TEST_F(TrainOptionsTest, RmsPropLearnsAndResumesToTheSameBytes) {
  const std::vector<std::string> more{"trainer.optimizer=null", "trainer.optimizer.type=rmsprop",
                                      "trainer.optimizer.momentum=0.9", "trainer.optimizer.epsilon=0.01",
                                      "trainer.learning_rate.rate=0.01"};
  EXPECT_GT(run("whole", more).test.top1, 0.2);
  fs::create_directories(folder_ / "part/checkpoints");
  fs::copy(checkpoint_path(folder_ / "whole", 2), folder_ / "part/checkpoints");
  fs::copy(folder_ / "whole/log.jsonl", folder_ / "part");
  auto resumed = more;
  resumed.emplace_back("load=latest");
  run("part", resumed);
  expect_same_run("whole", "part");
}

TEST_F(TrainOptionsTest, MixupLearnsTheSameBytesWithOneAndTwoThreadsAndAfterAResume) {
  const TrainResult result = run("one", {"trainer.mixup=0.7", "threads=1"});
  EXPECT_GT(result.test.top1, 0.2);
  run("two", {"trainer.mixup=0.7", "threads=2"});
  expect_same_run("one", "two");
  fs::create_directories(folder_ / "part/checkpoints");
  fs::copy(checkpoint_path(folder_ / "one", 2), folder_ / "part/checkpoints");
  fs::copy(folder_ / "one/log.jsonl", folder_ / "part");
  run("part", {"trainer.mixup=0.7", "load=latest"});
  expect_same_run("one", "part");
  run("none");
  EXPECT_GT(log("one").back()["loss"].get<double>(), log("none").back()["loss"].get<double>());
}

TEST_F(TrainOptionsTest, TheBestCheckpointIsOfTheSecondHalf) {
  run("best", {"save.best=true", "trainer.epochs=6"});
  std::int64_t best = 0;
  double top1 = -1;
  for (const nlohmann::json& line : log("best"))
    if (line["epoch"] > 3 && line["test_top1"] > top1) {
      top1 = line["test_top1"];
      best = line["epoch"];
    }
  const fs::path folder = folder_ / "best/checkpoints";
  EXPECT_EQ(nets::read_file(folder / "best.safetensors"),
            nets::read_file(folder / ("checkpoint-" + std::to_string(best) + ".safetensors")));
  EXPECT_EQ(find_checkpoint(folder_ / "best", "best"), folder / "best.safetensors");
  // Nothing in the first half.
  run("early", {"save.best=true", "trainer.epochs=1"});
  EXPECT_TRUE(fs::exists(folder_ / "early/checkpoints/best.safetensors"));
  EXPECT_EQ(run("best", {"load=best", "save.best=true", "trainer.epochs=6"}).epochs, 6);
}

TEST_F(TrainOptionsTest, TensorBoardHasOneRecordPerEpoch) {
  run("events", {"trainer.tensorboard=true"});
  const nets::Bytes file = bytes("events/events.out.tfevents.0.guardbit");
  const std::string text(file.begin(), file.end());
  for (const char* tag : {"loss/train", "top1/test", "top5/test", "learning_rate", "images_per_second"}) {
    int found = 0;
    for (std::size_t at = text.find(tag); at != std::string::npos; at = text.find(tag, at + 1)) ++found;
    EXPECT_EQ(found, 4) << tag;
  }
  run("none");
  EXPECT_FALSE(fs::exists(folder_ / "none/events.out.tfevents.0.guardbit"));
}

}  // namespace
}  // namespace guardbit::trainer
